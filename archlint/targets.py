"""The runtimes that a model may be meant for."""

from enum import StrEnum


class Target(StrEnum):
    """A runtime that `--target` can name; the rules about a runtime speak only of the one that is named."""

    onnxruntime = "onnxruntime"
    tensorrt = "tensorrt"
    coreml = "coreml"
    nnapi = "nnapi"
