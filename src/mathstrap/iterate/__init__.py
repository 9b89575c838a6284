"""Rounds of bootstrapping: the student of one round solves, or teaches, in the next; a guard watches over accuracy."""

from mathstrap.iterate.options import IterateRecipe
from mathstrap.iterate.run import IterateSummary, iterate

__all__ = ["IterateRecipe", "IterateSummary", "iterate"]
