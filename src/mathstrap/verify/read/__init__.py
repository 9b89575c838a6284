"""Text to tree: the grammar of answers. Nothing is evaluated and nothing is executed."""
