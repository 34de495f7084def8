"""How much of a file archlint is willing to read.

Each limit is far above the largest honest value seen (1,030 public and library models), and low enough that a
hostile file ends soon and in little memory.
"""

MIB = 2**20

JSON_BYTES = 16 * MIB
"""Longest configuration. Largest seen: 1.07 MB (NASNetLarge)."""

JSON_TOKENS = 2_000_000
"""Structural characters (brackets, braces, colons, commas) of a configuration. DenseNet121 has 26,000."""

JSON_DEPTH = 200
"""Nesting of a configuration. Deepest seen: below 40."""

INTEGER_DIGITS = 30
"""Digits of an integer in a configuration; longer ones are quadratic to parse and mean nothing."""

CALLS = 200_000
"""Calls of layers once nested models are unfolded. Largest seen: about 2,000."""

NAME_LENGTH = 1_000
"""Characters of a layer's path or class: nested models repeat theirs for every layer. Longest seen: below 200."""

NESTING = 60
"""Models within models. Deepest seen: 4."""

ZIP_MEMBERS = 10_000
"""Members of a .keras archive. Keras writes three, plus assets."""

READ_BYTES = 64 * MIB
"""Bytes that parsing a file may read in all, weights excluded. Largest seen: below 5 MB."""

HDF5_OBJECTS = 100_000
"""Groups and datasets that are looked at in one file. Largest seen: about 10,000."""

ONNX_MEMORY = 512 * MIB
"""Bytes that the structure of an ONNX model may take in memory, as estimated before it is parsed; its tensors are never
read. 5,000 nodes with all that PyTorch writes about them take 110 MB."""

ONNX_DEPTH = 90
"""Messages within messages of an ONNX model; protobuf gives up at 100. Deepest seen: 13, a loop in a loop."""

SECONDS = 60
"""Time for one file."""
