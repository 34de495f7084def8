"""How much of a file archlint is willing to read.

Each limit is far above the largest honest value seen (1,030 public and library models), and low enough that a
hostile file ends soon and in little memory.
"""

MIB = 2**20

JSON_BYTES = 16 * MIB
"""Longest configuration. Largest seen: 1.07 MB (NASNetLarge)."""

JSON_TOKENS = 1_000_000
"""Structural characters (brackets, braces, colons, commas) of a configuration, of which eight can be a connection: more
than 125,000 connections take ten seconds. NASNetLarge has 127,000."""

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

UNPACKED_RATIO = 100
"""How many times longer than it is packed a weight, or a file of them, may be. Trained weights shrink by a tenth."""

UNPACKED_FILE = 2048 * MIB
"""Bytes of a packed file of weights; reading it from any place takes a twentieth of that in memory. Keras never
packs it."""

UNPACKED_FREELY = 64 * MIB
"""Bytes that may be unpacked from however few: weights that are all zero pack a thousand times shorter."""

UNPACKED_BYTES = 512 * MIB
"""Bytes of a weight that is packed within its file, which has to be unpacked as a whole. Keras never packs weights."""

CHUNK_BYTES = 64 * MIB
"""Bytes of one piece of such a weight. h5py makes pieces of 1 MiB at most."""

HDF5_CHUNKS = 100_000
"""Pieces of such a weight. h5py makes 65,536 of 1 GiB."""

DIGEST_DIGITS = 32
"""Hexadecimal digits of the digest of code that a user accepts: with 12, whoever writes the code finds another with the
same digest in minutes."""

HDF5_OBJECTS = 50_000
"""Groups and datasets that are looked at in one file; as many take three seconds. Largest seen: about 10,000."""

ONNX_MEMORY = 512 * MIB
"""Bytes that the structure of an ONNX model may take in memory, as estimated before it is parsed; its tensors are never
read. 5,000 nodes with all that PyTorch writes about them take 110 MB."""

INTEGER_BYTES = 16 * MIB
"""Bytes of a tensor that is written as a list of integers of varying length, which takes 30 times as much to decode.
Since 2017 every exporter writes weights as raw bytes; before, half floats were written so."""

ONNX_NODES = 100_000
"""Ordinary nodes of an ONNX model once its functions are unfolded; to read them takes three seconds. Largest seen:
7,000."""

ONNX_DEPTH = 90
"""Messages within messages of an ONNX model; protobuf gives up at 100. Deepest seen: 13, a loop in a loop."""

WEIGHT_BYTES = 256 * MIB
"""Numbers of stored weights that are read without being asked for: what takes a fifth of a second. Of
keras.applications VGG, NASNetLarge, EfficientNetV2L and the three largest ConvNeXts have more."""

TENSOR_BYTES = 1024 * MIB
"""Bytes of one tensor of weights that is read even where all are asked for: it is in memory as a whole. The largest of
keras.applications takes 411 MB (VGG)."""

SECONDS = 60
"""Time for one file, its weights as they are read by default included."""

WEIGHT_RATE = 20 * MIB
"""Bytes of file for which another second is given where all weights are read: a slow disk, or one over a network."""

BASELINE_BYTES = 32 * MIB
"""Longest baseline. An entry takes 130 bytes."""

BASELINE_ENTRIES = 100_000
"""Entries of a baseline. Those of a thousand models with fifty findings each are half as many."""

SETTINGS_BYTES = MIB // 2
"""Longest `archlint.toml` or `pyproject.toml`. Largest seen: 88 KB (Apache Airflow)."""

SETTINGS_DOTS = 250
"""Dots in one line of such a file: the time that Python takes to read `a.a.a …` grows with their square. Both limits
together keep it at five seconds."""

ZIP_DIRECTORY = 4 * MIB
"""Bytes of the directory of a .keras archive, of which each can become ten in memory. Keras writes three entries of 60
bytes, plus assets."""

PAGE_BYTES = 64 * 2**10
"""Longest page of a rule. Longest of archlint's own: 10.6 KB."""

PAGES = 500
"""Pages of rules, archlint's own included, which are a hundred."""

FRONT_MATTER_BYTES = 16 * 2**10
"""Longest front matter of a page. Longest of archlint's own: 900 bytes."""

FRONT_MATTER_DEPTH = 10
"""Nesting of a front matter: options need 3."""

QUERY_HEAP = 256 * MIB
"""Bytes that SQLite may take where pages of strangers are asked, the facts included: 7 MB for 20,000 nodes."""

ANSWER_BYTES = 16 * MIB
"""Bytes that a query may return. A rule returns up to 250 for each layer."""

FINDINGS_BYTES = 64 * MIB
"""Bytes of all findings in a file. A finding takes about 1 KB."""

PROOF_SECONDS = 20
"""Time after which no more pages of strangers are proved. Each of archlint's own takes 10 ms."""

LINE_LENGTH = 1_000
"""Characters of a message, advice or source of a rule: every third can be a value of 50,000 characters.
Longest of archlint's own: 226."""

ONNX_NAMES = 32 * MIB
"""Characters of all names of an ONNX model once its functions are unfolded; each takes six bytes. Largest seen: 0.4
million (Swin Transformer)."""
