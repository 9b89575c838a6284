"""The Python interface: a run as an object, functions of rows, and their display in a notebook."""
