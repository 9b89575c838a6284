"""The arithmetic that solutions write, in prose, LaTeX and code: read into equations, evaluated exactly, checked."""
