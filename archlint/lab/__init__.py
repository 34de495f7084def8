"""The lab: a short, paired training proves or refutes what a finding claims. Only here TensorFlow is imported."""
