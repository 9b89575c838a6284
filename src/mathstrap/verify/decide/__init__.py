"""Are two trees equal: exactly, numerically, by structure, within a fixed effort."""
