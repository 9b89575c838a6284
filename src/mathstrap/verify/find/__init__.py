"""Which words of a reply are its answer."""
