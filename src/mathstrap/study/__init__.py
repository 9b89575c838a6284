"""The study: does bootstrapping help? Arms of training data, students, evaluations and what they show, in one run."""

from mathstrap.study.options import ArmOptions, PowerOptions, SplitOptions, StudyRecipe

__all__ = ["ArmOptions", "PowerOptions", "SplitOptions", "StudyRecipe"]
