"""The rows of `weight`."""
