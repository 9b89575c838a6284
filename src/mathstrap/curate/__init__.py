"""Decide which questions and solutions become samples: duplicates, test-set overlap, sampling, labels, mixes."""
