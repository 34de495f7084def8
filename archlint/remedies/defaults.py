"""The numbers that remedies choose where a finding's evidence does not give them, each with its source."""

DROPOUT_RATE = 0.3
"""In the middle of the 0.2 to 0.5 that are in use; the material's own networks have it throughout."""

ALPHA_DROPOUT_RATE = 0.1
"""At most: Klambauer et al. 2017 recommend 0.05 to 0.1."""

CLIP_NORM = 1.0
"""Pascanu, Mikolov & Bengio 2013 clip at half of an average norm up to ten times it; 1 is the usual start."""

L2 = 0.001
"""Where REG003 tells users to start; from 0.1 on most networks no longer fit."""

LEARNING_RATE = 0.001
"""Keras's default for all optimizers but the one below."""

SGD_LEARNING_RATE = 0.01
"""Keras's default for SGD."""
