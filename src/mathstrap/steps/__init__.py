"""Read the arithmetic of solutions, in prose, LaTeX and code, into equations, evaluate it exactly, and check it."""
