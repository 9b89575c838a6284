"""Recount what the paper and its released files claim, in one table, without a model or a GPU."""
