"""Files that a scanner should warn of, and others that look a little like them and are honest.

    python benchmarks/attacks.py FOLDER

Writes them into `FOLDER/harmful` and `FOLDER/honest`; the name of each says what it is. The code in them does nothing.
"""

import base64
import marshal
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from fixtures.hostile import exchange  # beside the package, not in it
from fixtures.hostile.models import called, fill_h5, functional, layer, sequential, text, write_h5, write_keras

Json = dict[str, Any]
Write = Callable[[Path, str], object]

CODE = base64.encodebytes(marshal.dumps(compile("__import__('os').getpid()", "<lambda>", "eval"))).decode()
LAMBDA_2 = layer("Lambda", "l", function=[CODE, None, None], function_type="lambda", module="m", arguments={})
HELD = {"class_name": "__lambda__", "config": {"code": CODE, "value": CODE, "defaults": None, "closure": None}}
LAMBDA_3 = {"module": "keras.layers", **layer("Lambda", "l", function=HELD)}


def function(module: str, name: str) -> Json:
    """A function as Keras 3 names it."""
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


def h5(*layers: Any) -> Write:
    """Writes an `.h5` file of these layers."""
    return lambda folder, name: write_h5(folder, sequential(*layers), f"{name}.h5")


def keras(*layers: Any, **more: Any) -> Write:
    """Writes a `.keras` archive of these layers."""
    return lambda folder, name: write_keras(folder, {**sequential(*layers), **more}, f"{name}.keras")


def _bare_list(folder: Path, name: str) -> None:
    write_h5(folder, {"class_name": "Sequential", "config": [LAMBDA_2]}, f"{name}.h5")


def _in_a_call(folder: Path, name: str) -> None:
    node = {"args": [{"class_name": "__keras_tensor__", "config": {"keras_history": ["start", 0, 0]}}], "kwargs": HELD}
    dense = {**called("Dense", "d", units=4), "inbound_nodes": [node]}
    write_keras(folder, functional(dense, reads="d"), f"{name}.keras")


def _second_configuration(folder: Path, name: str) -> None:
    path = write_keras(folder, sequential(), f"{name}.keras")
    with zipfile.ZipFile(path, "a") as archive, warnings.catch_warnings(action="ignore"):
        archive.writestr("config.json", text(sequential(LAMBDA_3)))


def _pickled_weights(folder: Path, name: str) -> None:
    held = np.array([{"weights": 1}], dtype=object)
    np.savez(folder / "model.weights.npz", dense=held)
    path = write_keras(folder, sequential(), f"{name}.keras")
    with zipfile.ZipFile(path, "a") as archive:
        archive.write(folder / "model.weights.npz", "model.weights.npz")
    (folder / "model.weights.npz").unlink()


def _wrong_ending(folder: Path, name: str) -> None:
    write_h5(folder, sequential(LAMBDA_2), f"{name}.keras")


def _link(folder: Path, name: str) -> None:
    with h5py.File(folder / f"{name}.h5", "w") as file:
        fill_h5(file)["softmax"] = h5py.ExternalLink("/etc/passwd", "/x")


def _storage(folder: Path, name: str) -> None:
    with h5py.File(folder / f"{name}.h5", "w") as file:
        fill_h5(file).create_dataset("softmax/kernel:0", (4,), "f4", external=[("/etc/passwd", 0, 16)])


def _data(location: str) -> Write:
    data = [exchange.message(f1="location", f2=location)]
    tensor = exchange.message(f1=[4], f2=1, f8="elsewhere", f13=data, f14=1)
    content = exchange.model(exchange.graph(tensors=[tensor]))
    return lambda folder, name: exchange.write(folder, content, f"{name}.onnx")


HARMFUL: dict[str, Write] = {
    "Lambda of Keras 2": h5(LAMBDA_2),
    "Lambda of Keras 3": keras(LAMBDA_3),
    "Lambda in a nested model": h5({"class_name": "Sequential", "config": {"name": "inner", "layers": [LAMBDA_2]}}),
    "Lambda in a TimeDistributed": keras(layer("TimeDistributed", "t", layer=LAMBDA_3)),
    "Lambda in a model that is a list": _bare_list,
    "Lambda in an h5 file named keras": _wrong_ending,
    "Lambda in a second configuration": _second_configuration,
    "code in the loss": keras(compile_config={"optimizer": "adam", "loss": HELD}),
    "code in the arguments of a call": _in_a_call,
    "system as a function": keras(layer("Activation", "a", activation=function("os", "system"))),
    "Popen as a layer": keras({"module": "subprocess", **layer("Popen", "p", args=["true"])}),
    "get_file as a function": keras(layer("Lambda", "l", function=function("keras.utils", "get_file"))),
    "another class registered as Dense": keras(
        {"module": "keras.layers", **layer("Dense", "d", units=4), "registered_name": "helpers>Other"}
    ),
    "TFSMLayer": keras({"module": "keras.layers", **layer("TFSMLayer", "t", filepath="/tmp/saved")}),
    "TorchModuleWrapper": keras({"module": "keras.layers", **layer("TorchModuleWrapper", "t", module="UEsDBA==")}),
    "vocabulary that is a file": keras(layer("StringLookup", "s", vocabulary="/etc/passwd")),
    "link to another HDF5 file": _link,
    "numbers in another file": _storage,
    "ONNX data at an absolute path": _data("/etc/passwd"),
    "ONNX data above the folder": _data("../../../etc/passwd"),
    "layer named as a path": h5(layer("Dense", "../../../tmp/x", units=4)),
    # Those below were found by somebody who looked for what archlint missed; it missed each of them then.
    "Lambda with a character before its code": h5(layer("Lambda", "l", function=["!" + CODE, None, None])),
    "system behind a path": keras(layer("Lambda", "l", function=function("tf_keras.src.backend", "os.system"))),
    "loadmat as a class": keras(layer("Lambda", "l", function={"module": "scipy.io", **layer("loadmat", "f")})),
    "MobileNet as a function": keras(
        layer("Lambda", "l", function=function("keras.applications.mobilenet", "MobileNet"))
    ),
    "plugin by TFOpLambda": h5(layer("TFOpLambda", "o", function="experimental.register_filesystem_plugin")),
    "library by SlicingOpLambda": h5(layer("SlicingOpLambda", "o", function="load_op_library")),
    "ReadFile in a message": h5(layer("TensorFlowOpLayer", "o", node_def="\n\1x\x12\x08ReadFile", constants={})),
    "Dense registered as Dropout": h5({**layer("Dense", "d", units=4), "registered_name": "Dropout"}),
    "pickled weights": _pickled_weights,
}

_OWN = {"module": "mine.layers", "class_name": "Scale", "registered_name": "mine>Scale", "config": {"name": "s"}}

HONEST: dict[str, Write] = {
    "registered class": keras(_OWN),
    "class of one's own": h5(layer("Scale", "s", factor=0.5)),
    "class named LambdaNorm": h5(layer("LambdaNorm", "n")),
    "class of an addon": h5(layer("Addons>WeightNormalization", "w", layer=layer("Dense", "d", units=4))),
    "loss of one's own": keras(compile_config={"optimizer": "adam", "loss": function("builtins", "my_loss")}),
    "Lambda with a function of Keras": keras(
        {"module": "keras.layers", **layer("Lambda", "l", function=function("keras.ops", "relu"))}
    ),
    "operation of TensorFlow": h5(layer("TFOpLambda", "o", function="math.reduce_sum")),
    "vocabulary of words": keras(layer("StringLookup", "s", vocabulary=["/etc/passwd", "https://keras.io/", "eval"])),
    "layer named exec": h5(layer("Dense", "exec/os.system", units=4)),
    "words that look like base64": h5(layer("Note", "n", text="4wheel drive vehicles and 4WD cars, gAS prices")),
}


def main(folder: Path) -> None:
    """Write all of them."""
    for kind, files in (("harmful", HARMFUL), ("honest", HONEST)):
        (folder / kind).mkdir(parents=True)
        for name, write in files.items():
            write(folder / kind, name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
