"""Where questions come from: readers of every format, columns, the published test sets and what is made of them."""

from mathstrap.problems.load import SeedsOptions, load_problems

__all__ = ["SeedsOptions", "load_problems"]
