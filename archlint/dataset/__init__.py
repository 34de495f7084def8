"""Training data that the user gave with --data: what one pass over it shows, never the data itself.

A file is read once, block by block, however many models are judged by it; nothing in it is executed or unpickled.
"""

from archlint.dataset.contents import Dataset, Parts, Values
from archlint.dataset.load import load
from archlint.dataset.statistics import Features, Targets

__all__ = ["Dataset", "Features", "Parts", "Targets", "Values", "load"]
