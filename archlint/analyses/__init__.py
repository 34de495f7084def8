"""What can be computed from a model alone, one module each; nothing here judges."""
