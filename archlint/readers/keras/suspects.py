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
    r"distutils|testing|npyio|ctypeslib|utils|multiprocessing|distributed?|lite|mlir|profiler|summary|debug|jit|onnx|"
    r"package|_dynamo|_inductor|resource_loader|dtensor)\."
)
_TOOLS = frozenset(
    # of most environments
    "pip setuptools pkg_resources wheel absl astunparse google grpc h5py PIL requests rich tensorboard urllib3 "
    "werkzeug certifi jinja2 yaml cloudpickle dill joblib pandas scipy sklearn matplotlib cv2 skimage imageio IPython "
    "ipykernel jupyter_client notebook zmq tornado psutil fsspec cffi numba pytest _pytest click typer tqdm "
    # of many
    "onnx onnxruntime tf2onnx pyarrow dask ray mlflow wandb boto3 botocore s3fs gcsfs huggingface_hub torchvision "
    "torchaudio xgboost lightgbm nltk spacy gensim httpx aiohttp flask django fastapi uvicorn sqlalchemy redis lxml "
    "bs4 openpyxl paramiko kubernetes selenium scrapy "
    # that Python had once
    "asynchat asyncore cgi cgitb crypt distutils imp lib2to3 mailcap msilib nntplib pipes smtpd spwd telnetlib uu "
    "xdrlib".split()
)
"""Packages that can open files, fetch or run things, besides Python's own."""

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
    r"\.(saving|config|datasets|export|callbacks|file_utils|io_utils|python_utils|torch_utils|\w*dataset_utils|"
    r"visualization|distribution)\."
)
_OF_USE = re.compile(
    r"\.utils\.(\w+\.)*(to_categorical|normalize)$|"
    r"\.applications\.(\w+\.)*(preprocess_input|StochasticDepth|LayerScale|CustomScaleLayer)$"
)
_SELDOM_OF_USE = re.compile(r"\.(applications|utils)\.")
"""Of these modules of Keras, most functions fetch weights, or read files; those that make models look like classes."""

_LIBRARIES = (_TOOLS | sys.stdlib_module_names) - {"__main__"}

_DOTTED = re.compile(r"\w+(\.\w+)+")
_BUILT_IN = frozenset(
    "eval exec compile __import__ open getattr setattr delattr globals locals vars input breakpoint exit quit".split()
)
_FAMILY = re.compile(r"tensorflow(\.\w+)*\.keras(\.|$)")

_OPENING = re.compile(
    r"file|dataset|datasource|reader|writer|checkpoint|snapshot|summary|record|server|remotecall|lmdb|sql|vocab|"
    r"loadand|iterator|memmap|graphdef|writegraph|export|dump|(de|en)codeproto|genfromtxt|mafromtxt|^print$|"
    r"^(recfrom|load|save|restore|import|rpc|dtensor|debug(identity|gradient|nan|numeric))"
)
_CALLING = re.compile(r"pyfunc|pyfunction|numpyfunction|library|plugin|callback|loadfrombytes")
"""What the names of TensorFlow's and NumPy's functions have in them that open files, or run what is no operation. They
are compared without underscores and versions."""

_COMPUTING = re.compile(
    r"(compat\.v[12]\.)?"
    r"((math|nn|linalg|strings|image|signal|random|sparse|ragged|sets|bitwise|dtypes|audio|quantization|io|raw_ops|"
    r"debugging|__operators__|experimental\.numpy)\.((special|experimental|random)\.)?)?"
    r"(\w*(Tensor|Shape|Array|Variable|Slices|DType)\.)?\w+"
)
"""Where in TensorFlow those operations are that layers are made of, some of them methods of classes."""

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
_SILENT_KEY = re.compile(r"name$|_token$|^equation$|^data_format$|(?:pattern|rewrite|separator|delimiter|sep)$")


def origin(module: str | None, name: str, is_function: bool) -> str | None:
    """How a class or function that a file names by its module is none of Keras's parts; None: it is one, or benign.

    `library`: of Python itself or a package that can do anything; `tool`: of Keras, but no part of a network;
    `unknown`: a function of another module, which no Keras writes. It names the functions that it is given without a
    module, as it does classes that are its user's own, or registered; so a class of another module is benign.
    """
    if module is None:
        return None
    if "." in name.rpartition(">")[2]:  # no Keras writes a path for a name, but readers follow it
        return _by_path(module, name, is_function)
    package = module.partition(".")[0]
    looks_so = is_function or name[:1].islower()
    if package in _OWN or _FAMILY.match(module):
        return "tool" if _is_tool(f"{module}.", name, looks_so) else None
    if package in _ARRAYS:
        return "library" if _kind_of(name) or _NO_OPERATION.search(f"{module}.") else None
    if module == "builtins":  # Keras's own word for functions that have no module
        return "library" if name in _BUILT_IN else None
    if (
        package in _LIBRARIES
        or module.startswith("test.support")
        or (package in _EXTENSIONS and looks_so and _kind_of(name))
    ):
        return "library"
    return "unknown" if is_function and package not in _EXTENSIONS and module != "__main__" else None


def _by_path(module: str, name: str, is_function: bool) -> str:
    if not _LIBRARIES.isdisjoint(name.split(".")):
        return "library"
    before, _, last = f"{module}.{name}".rpartition(".")
    return origin(before, last, is_function) or "unknown"


def _is_tool(module: str, name: str, is_function: bool) -> bool:
    """Whether something in a module of Keras, whose name ends with a dot, is no part of a network."""
    if name in _NO_PARTS or _NO_PARTS_OF.search(module):
        return True
    is_suspect = _SELDOM_OF_USE.search(module) and (is_function or ".applications." in module)
    return bool(is_suspect) and not _OF_USE.search(f"{module}{name}")


def disagrees(module: str | None, name: str, registered: str | None) -> bool:
    """Whether a class or function is registered under another name, or as another one than the public one of Keras.

    Some readers go by module and class, others ask for the registered one first.
    """
    owner, _, called = (registered or name).rpartition(">")
    if not owner:
        return called not in (name, "function")  # TensorFlow 2.12 calls all functions so
    package = (module or "").partition(".")[0]
    is_own = package in _OWN or _FAMILY.match(module or "")
    if not is_own or ".src" in f"{module}" or ".python" in f"{module}":
        return False
    # TensorFlow 2.11 filed optimizers under Custom
    return called != name or (owner not in ("Custom", "keras", "Keras") and owner.partition(".")[0] != package)


def named_function(text: str) -> str | None:
    """How a function that is named by a text alone is no part of a network: as `origin`."""
    module, _, name = text.rpartition(".")
    if not module:
        return "tool" if name in _NO_PARTS else None
    return origin(module, name, is_function=False) if _DOTTED.fullmatch(text) else None


def operation(text: str) -> str | None:
    """What an operation of TensorFlow does besides computing: `calls` Python, a library or a tool, or `opens` files."""
    if text.startswith("keras."):
        module, _, name = text.rpartition(".")
        return "calls" if origin(f"tensorflow.{module}", name, is_function=True) else None
    if not _COMPUTING.fullmatch(text):
        return "calls"
    return next(filter(None, map(_kind_of, text.split("."))), None)


def _kind_of(name: str) -> str | None:
    """As `operation`, by the name of a function alone."""
    plain = re.sub(r"v\d+$", "", name.lower().replace("_", ""))
    if _CALLING.search(plain):
        return "calls"
    return "opens" if _OPENING.search(plain) else None


def location(key: str, text: str) -> str | None:
    """`place`: a text under a key that takes the place of a file; `path`: any other that looks like one."""
    if _PLACE_KEY.search(key):
        return "place"
    if _SILENT_KEY.search(key):
        return None
    return "path" if _ABSOLUTE.match(text) or _ADDRESS.match(text) else None
