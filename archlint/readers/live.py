"""A Keras model in memory, read as if it had been saved.

Keras itself writes the configuration; the weights stay where they are, and are looked at one by one, or not at all.
"""

import json
import warnings
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from math import prod
from typing import TYPE_CHECKING, Any

from archlint.errors import ReadError
from archlint.graph import Model
from archlint.readers import strict_json
from archlint.readers.keras import from_attributes
from archlint.readers.strict_json import Json

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from archlint.readers.hdf5 import Dataset

_LIBRARIES = ("keras", "tf_keras")
_REASON = 300
"""Characters that are shown of what Keras says."""


def library_of(model: object) -> str | None:
    """The library that a Keras model is made with, `keras` or `tf_keras`; None: it is no Keras model."""
    for base in type(model).__mro__:
        library = base.__module__.partition(".")[0]
        if base.__name__ == "Model" and library in _LIBRARIES:
            return library
    return None


def read_live(model: Any, library: str) -> Model:
    """The neutral model that a Keras model is; its variables are read when the weights are asked for.

    Raises:
        ReadError: Keras cannot write its configuration, or that has no layer graph.
    """
    keras = import_module(library)
    config = _written(model, keras)
    compiled = config.get("compile_config")
    if compiled and not compiled.get("optimizer"):  # Keras 3 drops it once the model was saved as .h5
        compiled["optimizer"] = _written(model.optimizer, keras)
    attributes = {"model_config": config, "training_config": compiled, "keras_version": keras.__version__}
    return from_attributes(attributes, "keras", partial(_variables, model))


def _written(thing: object, keras: Any) -> Json:
    """What Keras would write to a file about a model or an optimizer."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a lambda is not safe to load, which nobody is going to do
            text = json.dumps(keras.saving.serialize_keras_object(thing))
    except Exception as error:  # it comes from the user's own layers and losses, too
        said = " ".join(str(error).strip().partition("\n\n")[0].split())[:_REASON]
        raise ReadError(f"Keras cannot save it, so archlint cannot read it: {said or type(error).__name__}") from error
    return strict_json.loads(text, "configuration")


def _variables(model: Any) -> "Iterator[Dataset]":
    """The weights by the names that they would have in an .h5 file, which holds a group for each layer of the model."""
    from archlint.readers.hdf5 import Dataset

    for layer in model.layers:
        for variable in layer.weights:
            name = getattr(variable, "path", variable.name)
            shape = tuple(map(int, variable.shape))
            dtype = str(getattr(variable.dtype, "name", variable.dtype))
            size = prod(shape) * _bytes(dtype)
            yield Dataset(f"model_weights/{layer.name}/{name}", shape, dtype, size, partial(_numbers, variable))


def _bytes(dtype: str) -> int:
    import numpy as np

    return np.dtype(dtype).itemsize if dtype in np.sctypeDict else np.dtype(np.float32).itemsize


def _numbers(variable: Any) -> "NDArray[Any]":
    """The numbers of a variable; as float32 if NumPy itself does not know their type."""
    import numpy as np

    found = np.asarray(variable.numpy())
    return found.astype(np.float32) if found.dtype.kind == "V" else found
