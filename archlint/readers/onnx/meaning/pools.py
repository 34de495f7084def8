"""Pools, and reductions that are pools."""

from archlint.readers.onnx.meaning.terms import Meaner, Meaning, padding_of, per_axis, reduced_axes, wholes_of
from archlint.readers.onnx.steps import Program, Step
from archlint.shape_terms import axes_of, positive


def pool(kind: str) -> Meaner:
    """A pool with a window."""

    def mean(_prog: Program, step: Step) -> Meaning | None:
        window = [positive(size) for size in wholes_of(step, "kernel_shape")]
        if not window:
            return None
        args = {
            "pool_size": window,
            "strides": per_axis(step, "strides", len(window)),
            "data_format": "channels_last" if step.channels_last else "channels_first",
            **padding_of(step, window),
        }
        return Meaning(kind, args)

    return mean


def global_pool(kind: str) -> Meaner:
    """A pool over the whole map, whose size of 1 stays."""

    def mean(_prog: Program, step: Step) -> Meaning:
        return Meaning(kind, {"data_format": "channels_last" if step.channels_last else "channels_first"})

    return mean


def reduction(prog: Program, step: Step) -> Meaning:
    """A mean or maximum over all places of a map or sequence is a global pool."""
    shape, axes = prog.shape(step.inputs[0]), reduced_axes(prog, step)
    kinds = {"ReduceMean": "global_avg_pool", "ReduceMax": "global_max_pool"}
    if shape is not None and axes is not None and step.op in kinds and len(shape) > 2:
        places = set(axes_of(axes, len(shape)))
        if places == set(range(2, len(shape))) and len(shape) > 3:
            return Meaning(kinds[step.op], {"data_format": "channels_first"})
        if places == set(range(1, len(shape) - 1)):
            return Meaning(kinds[step.op], {"data_format": "channels_last"})
    return Meaning("reduce", {"op": step.op, **({} if axes is None else {"axes": axes})})
