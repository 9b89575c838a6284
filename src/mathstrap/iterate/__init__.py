"""Rounds of bootstrapping: the student of one round solves, or teaches, in the next, while its accuracy holds."""

from mathstrap.iterate.options import IterateRecipe
from mathstrap.iterate.run import IterateSummary, iterate

__all__ = ["IterateRecipe", "IterateSummary", "iterate"]
