"""Explain: the seed's own question, answered with long reasoning apart from a short solution.

The solving prompt asks for both; the reasoning is kept on the sample even if the recipe drops thoughts.
"""

from __future__ import annotations

from mathstrap.augment.interface import same_question

EXPLAIN = same_question("explain")
