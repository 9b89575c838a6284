"""Mathstrap bootstraps mathematical training data from a user's own questions."""

__version__ = "0.1.0"
