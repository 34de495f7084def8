"""How strong activations and gradients are at every layer when training begins, predicted without running anything."""
