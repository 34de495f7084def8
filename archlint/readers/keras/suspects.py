"""What a name in a configuration stands for: a part that a model is made of, or something that can do anything.

Keras looks classes and functions up by module and name. Keras 3.9 and later imports no module but those of its own
family; earlier versions and tf_keras import whatever a file names (CVE-2025-1550), and what they find there is called.
"""

import re
import sys

_OWN = frozenset({"keras", "tf_keras", "keras_hub", "keras_cv", "keras_nlp", "keras_core", "keras_rs", "keras_tuner"})
_EXTENSIONS = frozenset(
    "keras_applications keras_contrib keras_preprocessing tensorflow_addons tensorflow_hub tensorflow_probability "
    "tensorflow_model_optimization tensorflow_recommenders tensorflow_text tensorflow_similarity "
    "tensorflow_decision_forests transformers qkeras kapre spektral".split()
)
"""Packages of layers that people save models with."""

_ARRAYS = frozenset({"tensorflow", "numpy", "torch", "jax"})
"""Packages whose functions are operations, but for a few."""

_NO_OPERATION = re.compile(
    r"\.(gfile|file_io|io_ops|gen_io_ops|platform|load_library|saved_model|script_ops|tools|hub|serialization|f2py|"
    r"distutils|testing|npyio|ctypeslib|utils|multiprocessing|distributed)\."
)
_FILES = frozenset(
    "load loads save savez savetxt loadtxt genfromtxt fromfile fromregex memmap open_memmap DataSource recfromtxt "
    "recfromcsv ndfromtxt mafromtxt load_state_dict_from_url _load_from_bytes pure_callback io_callback load_variable "
    "load_checkpoint import_meta_graph export_meta_graph create_file_writer TFRecordWriter TFRecordDataset "
    "TextLineDataset FixedLengthRecordDataset list_files snapshot".split()
)
_TOOLS = frozenset(
    "pip setuptools pkg_resources cloudpickle dill joblib yaml requests urllib3 httpx pandas IPython "
    "ipykernel fsspec cffi numba pytest".split()
)
"""Packages that most environments have, and that can open files, fetch or run things."""

_NO_PARTS = frozenset(
    # keras.src.saving.serialization_lib.NON_MODELING_APIS of Keras 3.15, without its modules
    "enable_unsafe_deserialization load_model save_model model_from_json image_dataset_from_directory "
    "text_dataset_from_directory audio_dataset_from_directory load_img save_img load_weights save_weights get_file "
    "deserialize_keras_object serialize_keras_object register_keras_serializable clear_session "
    # and their like that it leaves out
    "model_from_config model_from_yaml load_weights_from_hdf5_group func_load extract_archive download_file "
    "timeseries_dataset_from_directory plot_model".split()
)
"""Functions of Keras that open, fetch or load: no part of a network."""

_NO_PARTS_OF = re.compile(
    r"\.(saving|config|datasets|export|callbacks|file_utils|io_utils|python_utils|torch_utils|\w*dataset_utils)\."
)
_DOTTED = re.compile(r"\w+(\.\w+)+")
_BUILT_IN = frozenset(
    "eval exec compile __import__ open getattr setattr delattr globals locals vars input breakpoint exit quit".split()
)
_FAMILY = re.compile(r"tensorflow(\.\w+)*\.keras(\.|$)")

_OPENING = frozenset(
    "read_file write_file matching_files save save_v2 save_slices restore restore_v2 merge_v2_checkpoints print_v2 "
    "save_dataset save_dataset_v2 load_dataset snapshot_dataset snapshot_dataset_v2 whole_file_reader "
    "whole_file_reader_v2 text_line_reader text_line_reader_v2 tfrecord_reader tfrecord_reader_v2 tfrecord_dataset "
    "text_line_dataset fixed_length_record_dataset fixed_length_record_reader fixed_length_record_reader_v2 "
    "initialize_table_from_text_file initialize_table_from_text_file_v2".split()
)
_CALLING = frozenset(
    "py_func py_func_stateless eager_py_func py_function numpy_function load_library load_op_library".split()
)

LOADERS = {
    "TFSMLayer": "loads a SavedModel from a folder",
    "TorchModuleWrapper": "unpickles a PyTorch module",
}
"""Layers of Keras whose loading runs what is elsewhere or pickled, and what it is that they do."""

FUNCTION_KEY = re.compile(
    r"(?:^|_)(?:function|fn|func|activation|loss|losses|metrics?|initializer|regularizer|constraint|standardize|split)$"
)
"""Keys of a configuration under which a text may name a function."""

_PLACE_KEY = re.compile(
    r"(?:^|_)(?:vocabulary|vocabulary_file|vocab_file|file_?path|file_?name|cache_dir|handle|origin|ur[il])$"
)
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]{1,15}://|file:", re.IGNORECASE)
_ABSOLUTE = re.compile(r"(?:/|~/|\.\./|[A-Za-z]:[\\/]|\\\\)[\w.]")
_SILENT_KEY = re.compile(r"name$|_token$|^equation$|^data_format$")


def origin(module: str | None, name: str, is_function: bool) -> str | None:
    """How a class or function that a file names by its module is none of Keras's parts; None: it is one, or benign.

    `library`: of Python itself or a package that can do anything; `tool`: of Keras, but no part of a network;
    `unknown`: a function of another module, which no Keras writes. It names the functions that it is given without a
    module, as it does classes that are its user's own, or registered; so a class of another module is benign.
    """
    if module is None:
        return None
    package = module.partition(".")[0]
    if package in _OWN or _FAMILY.match(module):
        return "tool" if name in _NO_PARTS or _NO_PARTS_OF.search(f"{module}.") else None
    if package in _ARRAYS:
        return "library" if operation(name) or name in _FILES or _NO_OPERATION.search(f"{module}.") else None
    if module == "builtins":  # Keras's own word for functions that have no module
        return "library" if name in _BUILT_IN else None
    if package in sys.stdlib_module_names and package != "__main__":
        return "library"
    if package in _TOOLS:
        return "library"
    return "unknown" if is_function and package not in _EXTENSIONS and module != "__main__" else None


def disagrees(module: str | None, name: str, registered: str | None) -> bool:
    """Whether a class goes by a public name of Keras, and is registered as another one.

    Readers that go by module and class then take it for Keras's; Keras asks for the registered one first.
    """
    if not registered or not module:
        return False
    package = module.partition(".")[0]
    is_public = (package in _OWN or _FAMILY.match(module)) and ".src" not in module and ".python" not in module
    own = {name, f"Custom>{name}", f"keras>{name}", f"Keras>{name}"}  # TensorFlow 2.11 filed optimizers under Custom
    return bool(is_public) and registered.removeprefix("Keras>") not in own


def named_function(text: str) -> str | None:
    """How a function that is named by a text alone is no part of a network: as `origin`."""
    module, _, name = text.rpartition(".")
    if not module:
        return "tool" if name in _NO_PARTS else None
    return origin(module, name, is_function=False) if _DOTTED.fullmatch(text) else None


def operation(text: str) -> str | None:
    """What an operation of TensorFlow does besides computing: `calls` Python, a library or a tool, or `opens` files."""
    module, _, name = text.rpartition(".")
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    if snake in _OPENING:
        return "opens"
    is_tool = module and origin(f"tensorflow.{module}", name, is_function=False)
    return "calls" if snake in _CALLING or is_tool else None


def location(key: str, text: str) -> str | None:
    """`place`: a text under a key that takes the place of a file; `path`: any other that looks like one."""
    if _PLACE_KEY.search(key):
        return "place"
    if _SILENT_KEY.search(key):
        return None
    return "path" if _ABSOLUTE.match(text) or _ADDRESS.match(text) else None
