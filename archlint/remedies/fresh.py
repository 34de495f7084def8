"""New layers, with the settings that Keras gives them, in the place of a neighbour."""

from typing import Any

from archlint.graph import Layer


def outer_axes(layer: Layer) -> int:
    """How many axes the nested model that a layer is in is mapped over; what wraps the layer itself is left out."""
    return layer.time_distributed - (layer.wrapper or "").count("TimeDistributed")


def channel_axis(layer: Layer) -> int:
    """The axis of the channels in what a layer puts out, as a layer beside it counts."""
    if layer.args.get("data_format") != "channels_first":
        return -1
    return 1 + layer.time_distributed - outer_axes(layer)


def dropout(path: str, rate: float, neighbour: Layer) -> Layer:
    """A dropout layer."""
    return _layer(path, "dropout", "Dropout", {"rate": rate}, neighbour)


def activation(path: str, name: str, neighbour: Layer) -> Layer:
    """A layer that applies an activation."""
    return _layer(path, "activation", "Activation", {"activation": name}, neighbour)


def batch_norm(path: str, axis: int, neighbour: Layer) -> Layer:
    """A batch normalization over an axis."""
    settings = {"axis": axis, "momentum": 0.99, "epsilon": 0.001, "center": True, "scale": True}
    return _layer(path, "batch_norm", "BatchNormalization", settings, neighbour)


def layer_norm(path: str, axis: int, neighbour: Layer) -> Layer:
    """A layer normalization over an axis."""
    settings = {"axis": axis, "epsilon": 0.001, "center": True, "scale": True}
    return _layer(path, "layer_norm", "LayerNormalization", settings, neighbour)


def normalization(path: str, mean: list[float], variance: list[float], neighbour: Layer) -> Layer:
    """A layer that standardizes features, the last axis, by their known means and variances."""
    settings = {"axis": -1, "mean": mean, "variance": variance, "invert": False}
    return _layer(path, "normalization", "Normalization", settings, neighbour)


def _layer(path: str, kind: str, class_name: str, settings: dict[str, Any], neighbour: Layer) -> Layer:
    policy = {"dtype": neighbour.args["dtype"]} if neighbour.args.get("dtype") else {}
    return Layer(path, kind, class_name, {**settings, **policy}, time_distributed=outer_axes(neighbour))
