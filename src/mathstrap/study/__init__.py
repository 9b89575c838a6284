"""The study "does bootstrapping help?": arms of training data, students, evaluations and comparisons in one run."""

from mathstrap.study.options import ArmOptions, PowerOptions, SplitOptions, StudyRecipe

__all__ = ["ArmOptions", "PowerOptions", "SplitOptions", "StudyRecipe"]
