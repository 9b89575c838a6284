"""Mathstrap as it is used in Python: a run as an object, rows in and rows out, and how both look in a notebook."""
