"""Training data that the user gave with --data."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dataset:
    """What a file of training data holds."""

    name: str
