"""The neutral vocabulary: a model as layers, calls and tensors, whatever file it came from.

A *layer* is a thing with settings and perhaps weights; a *call* is one use of it. A layer that is called twice
(shared weights, siamese towers) is one `Layer` and two `Call`s. All of it is frozen: readers make it, nobody
changes it. Settings use Keras 3's argument names in every format.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from numpy.typing import NDArray

Shape = tuple[int | None, ...]
"""A tensor's dimensions, the batch first; None where the file leaves one open."""


class Tensor(NamedTuple):
    """A value in the graph: output number `output` of call number `call`."""

    call: int
    output: int = 0


@dataclass(frozen=True, slots=True)
class Traits:
    """What rules need to know of a kind without knowing the kind."""

    affine: bool = False
    recurrent: bool = False
    norm: bool = False
    merge: bool = False
    pass_through: bool = False
    stochastic: bool = False
    pool: bool = False
    opaque: bool = False
    weighted: bool = False
    activation: bool = False


def _kinds() -> Mapping[str, Traits]:
    groups: dict[str, Traits] = {
        "dense einsum_dense conv depthwise_conv separable_conv conv_transpose locally_connected": Traits(
            affine=True, weighted=True
        ),
        "lstm gru simple_rnn conv_lstm rnn": Traits(recurrent=True, weighted=True),
        "embedding": Traits(weighted=True),
        "multi_head_attention": Traits(weighted=True, merge=True),
        "batch_norm layer_norm group_norm rms_norm unit_norm instance_norm": Traits(norm=True),
        "dropout spatial_dropout alpha_dropout gaussian_dropout gaussian_noise stochastic_depth": Traits(
            stochastic=True, pass_through=True
        ),
        "identity reshape flatten permute masking activity_regularization cast": Traits(pass_through=True),
        "activation": Traits(activation=True),
        "max_pool avg_pool global_max_pool global_avg_pool": Traits(pool=True),
        "add subtract multiply divide average maximum minimum concat stack dot where": Traits(merge=True),
        "attention additive_attention": Traits(merge=True),
        "input zero_padding cropping upsampling repeat_vector slice split reduce arithmetic": Traits(),
        "rescaling normalization preprocessing layer_scale": Traits(),
        "augmentation": Traits(stochastic=True),
        "operation lambda custom": Traits(opaque=True),
    }
    return {kind: traits for names, traits in groups.items() for kind in names.split()}


KINDS: Mapping[str, Traits] = _kinds()
"""Every neutral kind with its traits."""

DROPOUTS = frozenset({"dropout", "spatial_dropout", "alpha_dropout", "gaussian_dropout"})


@dataclass(frozen=True, slots=True)
class Weight:
    """One weight; `trainable` is before `Layer.trainable` is applied (moving statistics: False).

    Names and the order of dimensions are Keras 3's, whatever the format: a dense kernel is (inputs, units).
    """

    name: str
    shape: tuple[int, ...]
    trainable: bool = True


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: its path, what kind of thing it is, and its settings under Keras 3's argument names.

    `args` holds plain JSON values, with two exceptions made by readers: initializers and regularizers are
    `{"name": snake_case, **config}`, and `activation` is a snake_case name (`custom` where the file names a function
    of its own). `wrapper` is the class of a wrapper that was taken off; `time_distributed` counts how many axes after
    the batch the layer is mapped over; `backward` holds the settings of the second direction of a bidirectional layer.
    `weights` are those that the file itself shows the layer to have; None where they follow from its settings.
    """

    name: str
    kind: str
    class_name: str
    args: Mapping[str, Any] = field(default_factory=dict)
    wrapper: str | None = None
    time_distributed: int = 0
    backward: "Layer | None" = None
    trainable: bool = True
    weights: tuple[Weight, ...] | None = None

    @property
    def traits(self) -> Traits:
        """The traits of this layer's kind."""
        return KINDS[self.kind]

    @property
    def activation(self) -> str | None:
        """Its own activation, `linear` if it has none, None for a layer that cannot have one."""
        traits, own = self.traits, self.args.get("activation")
        if isinstance(own, str) and (traits.affine or traits.recurrent or traits.activation):
            return own
        return "linear" if traits.affine else None


@dataclass(frozen=True, slots=True)
class Call:
    """One use of a layer.

    `constants` are the plain values among the call's arguments, positional ones under their number ("0", "1", …).
    `recorded` are the shapes the file itself states for the outputs, where it states any.
    """

    layer: int
    inputs: tuple[Tensor, ...] = ()
    constants: Mapping[str, Any] = field(default_factory=dict)
    recorded: Mapping[int, Shape] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Output:
    """One output of the model: its name and the tensor that it is."""

    name: str
    tensor: Tensor


@dataclass(frozen=True, slots=True)
class Optimizer:
    """An optimizer as compiled, under Keras 3's names; None where the file does not state a value."""

    name: str
    learning_rate: float | None = None
    schedule: str | None = None
    momentum: float | None = None
    clipnorm: float | None = None
    clipvalue: float | None = None
    global_clipnorm: float | None = None
    weight_decay: float | None = None
    loss_scaled: bool | None = None


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss: its snake_case name (`custom:NAME` for a function of the author's), family, from_logits if any."""

    name: str
    family: str
    from_logits: bool | None = None


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric: its snake_case name, the value above which an output counts as a yes, from_logits if any."""

    name: str
    threshold: float | None = None
    from_logits: bool | None = None


@dataclass(frozen=True, slots=True)
class Training:
    """How the model was compiled. `losses` and `metrics` hold one entry per output of the model."""

    optimizer: Optimizer | None = None
    losses: tuple[Loss | None, ...] = ()
    metrics: tuple[tuple[Metric, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class StoredWeight:
    """A weight whose numbers are in the file; they are read when `read` is called, and not before.

    `layer` is the layer it belongs to (None: none that was recognised), `path` the layer's path as the file says it,
    `name` that of `Weight`, else the file's own. `shape` is as stored; `unit_axis` is the axis of the layer's units in
    it (None: it has none, or they are not known). `nbytes` is what its numbers take in memory.

    Exporters store equal weights once: `also` holds layer and name of the others that it is.

    `read` raises ReadError where the file does not hold what it declares; always where `unreadable` says why not.
    """

    layer: int | None
    path: str
    name: str
    shape: tuple[int, ...]
    dtype: str
    nbytes: int
    read: "Callable[[], NDArray[Any]]"
    unit_axis: int | None = None
    unreadable: str | None = None
    also: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Node:
    """One operation as an ONNX file stores it, before operations were put together to layers.

    `layer` is the layer it became part of, None if it only prepares constants or nothing depends on it. `idle`: it
    hands its input on unchanged. `training`: it does what is only right while training. `random`: it draws numbers.
    `defined`: some runtime may know its operator.
    """

    name: str
    op_type: str
    domain: str
    layer: int | None
    live: bool
    idle: bool = False
    training: bool = False
    random: bool = False
    defined: bool = True


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor as an ONNX file stores it. `readers` are the nodes that read it; `fault` is what is wrong with where
    its bytes are said to be; `location` is that place, of bytes in another file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    nbytes: int
    readers: int
    layer: int | None
    is_input: bool = False
    external: bool = False
    location: str | None = None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Exchange:
    """What only a file in an exchange format (ONNX) has: its versions, nodes and stored tensors.

    `lifted` counts the nodes whose meaning is known: they are part of a layer that is not opaque, or prepare constants.
    """

    ir_version: int
    opset: int
    nodes: tuple[Node, ...]
    tensors: tuple[StoredTensor, ...]
    lifted: int
    gradients: bool = False


@dataclass(frozen=True, slots=True)
class Concern:
    """Something in a file that loading it would run, look up, open, or take for something else.

    `category` is `code`, `foreign`, `outside`, `ambiguous` or `name`; `kind` and `found` say more, as the schema
    explains (`concern`); a name of kind `member` is that of any file in an archive. `route` is where in the file it is:
    an attribute and the keys and numbers that lead on from there, or the path of an object. `layer` is the path of the
    layer that it is part of, `digest` a digest of the layer's settings, or of as much as belongs to it.
    """

    category: str
    kind: str
    route: str
    found: str
    digest: str
    layer: str | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """A whole model. `calls` are in topological order, `layers` in the order of their first call.

    `absent` names the facts the file cannot supply (`model.optimizer`), each with the reason in words.
    `stored` lists, on demand, all weights in the file, with the means to read their numbers. `shapes` are those of all
    tensors, where the reader has to know them anyway; None: they follow from the layers' settings. `stage` is
    `training` for a model that can be trained as it is, `inference` for one that was exported to be run. `concerns` are
    what those who load the file have to trust; `size` is the length of the file in bytes, None if it is none.
    """

    name: str | None
    format: str
    producer: str | None
    producer_version: str | None
    layers: tuple[Layer, ...]
    calls: tuple[Call, ...]
    outputs: tuple[Output, ...]
    training: Training | None = None
    absent: Mapping[str, str] = field(default_factory=dict)
    stored: Callable[[], tuple[StoredWeight, ...]] = tuple
    shapes: Mapping[Tensor, Shape] | None = None
    stage: str = "training"
    exchange: Exchange | None = None
    concerns: tuple[Concern, ...] = ()
    size: int | None = None


def release(version: str | None) -> tuple[int, ...]:
    """`2.2.4-tf` to (2, 2, 4); empty if there is none."""
    parts = (version or "").split("-")[0].split(".")
    return tuple(int(part) for part in parts if part.isascii() and part.isdigit() and len(part) < 6)
