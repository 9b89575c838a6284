"""What the paper claims and its released files show, recounted: one table, no model and no GPU."""
