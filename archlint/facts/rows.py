"""The rows of the fact tables: what the analyses found, under the names that `schema.sql` explains."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from math import isinf, prod
from typing import Any

from archlint.analyses import field, ranges, runs, windows
from archlint.analyses.flow import Flow, flow, is_plain_stack
from archlint.analyses.parameters import Parameters, parameters
from archlint.analyses.shapes import infer
from archlint.analyses.trails import Link, Trail, trails
from archlint.analyses.wiring import wire
from archlint.evidence import Evidence
from archlint.facts import data_rows, measures
from archlint.facts.settings import settings
from archlint.facts.signal_rows import Prediction, adaptive
from archlint.facts.trust_rows import concern_rows
from archlint.facts.weight_rows import Weights
from archlint.graph import Layer, Loss, Model, Node, Optimizer, Tensor

Row = dict[str, Any]

_TRAITS = ("affine", "recurrent", "norm", "merge", "pass_through", "stochastic", "opaque", "weighted")

_FLOAT32 = 4

_SOFTMAXES = ("softmax", "log_softmax")


def _distinct(found: Iterable[Row]) -> list[Row]:
    """A layer that is called several times may have the same edge or link several times."""
    return list({tuple(row.values()): row for row in found}.values())


@dataclass
class Study:
    """All analyses of one model, and the rows that come out of them."""

    model: Model
    evidence: Evidence

    def __post_init__(self) -> None:
        self.wiring = wire(self.model)
        self.shapes = infer(self.model)
        self.flow: Flow = flow(self.wiring)
        self.trails, self.links = trails(self.wiring, self.shapes)
        self.weights = Weights(self.model, self.evidence)
        self.prediction = Prediction(self.wiring, self.flow, self.shapes, self.weights)
        data = self.evidence.data
        self.fit = data_rows.fit(self.model, self.shapes, data) if data else None

    def tables(self) -> dict[str, list[Row]]:
        """The rows of every table, by the table's name."""
        return {
            "layer": [self.layer(index) for index in range(len(self.model.layers))],
            "edge": _distinct(self.edges()),
            "link": _distinct(self.link(link) for link in self.links),
            "output": list(self.outputs()),
            "metric": list(self.metrics()),
            "sliding": list(self.sliding()),
            "field": list(self.fields()),
            "model": [self.model_row()],
            "node": list(self.nodes()),
            "tensor": list(self.tensors()),
            "operand": _distinct(self.operands()),
            "weight": self.weights.rows(),
            "concern": list(concern_rows(self.model)),
            "signal": list(self.prediction.rows()),
            "prospect": list(self.prediction.prospects()),
            **(self.fit.tables() if self.fit else {}),
        }

    def withheld(self) -> dict[str, str]:
        """The marks in the schema of facts that the evidence does not give, each with the reason."""
        return {
            **({"weights": self.weights.unread} if self.weights.unread else {}),
            **data_rows.withheld(self.fit),
        }

    @cached_property
    def parameters(self) -> list[Parameters]:
        """The parameters of each layer."""
        return parameters(self.wiring, self.shapes)

    @cached_property
    def chains(self) -> runs.Runs:
        """Runs of affine layers."""
        return runs.chains(self.wiring, self.links)

    @cached_property
    def stacks(self) -> runs.Runs:
        """Runs of dense layers over vectors."""
        return runs.stacks(self.model, self.links, self.shapes)

    @cached_property
    def classes(self) -> dict[int, int]:
        """The width of the softmax output that the only way from a layer leads to."""
        losses = self.model.training.losses if self.model.training else (None,) * len(self.model.outputs)
        heads = {
            trail.src
            for output, loss in zip(self.model.outputs, losses, strict=True)
            if (trail := self.trails[output.tensor]).activation in _SOFTMAXES or _takes_softmax_itself(loss)
            if self.model.layers[trail.src].traits.affine
        }
        return runs.classes(self.wiring, self.links, {index: self.units(index) for index in heads})

    def units(self, index: int) -> int | None:
        """Features that a layer with a kernel puts out."""
        layer = self.model.layers[index]
        if not layer.traits.weighted:
            return None
        shape = self.shapes.get(Tensor(self.wiring.calls_of[index][0]))
        if shape:
            return shape[measures.channel_axis(layer, shape)]
        return measures.declared_units(layer)

    def layer(self, index: int) -> Row:
        """The row of a layer."""
        layer, numbers = self.model.layers[index], self.wiring.calls_of[index]
        return {
            "id": index,
            "name": layer.name,
            "kind": layer.kind,
            "class_name": layer.class_name,
            "wrapper": layer.wrapper,
            "role": self._role(layer, numbers),
            "live": any(self.wiring.live[number] for number in numbers),
            "calls": len(numbers),
            **{trait: getattr(layer.traits, trait) for trait in _TRAITS},
            "gate": any(self.flow.gate[number] for number in numbers),
            "residual": any(self.flow.residual[number] for number in numbers),
            **settings(layer),
            "units": self.units(index),
            "effective_activation": self._effective_activation(layer, numbers),
            "trainable": layer.trainable,
            "dtype": layer.args.get("dtype"),
            **self._measures(layer, self.parameters[index], numbers[0]),
            **dict(zip(("chain", "chain_length"), self.chains.of(index), strict=True)),
            **dict(zip(("stack", "stack_length"), self.stacks.of(index), strict=True)),
            "classes": self.classes.get(index),
            "trainable_before": any(self.flow.trainable_before[number] for number in numbers),
            "frozen_before": any(self.flow.frozen_before[number] for number in numbers),
        }

    def _role(self, layer: Layer, numbers: Sequence[int]) -> str:
        if layer.kind == "input":
            return "input"
        return "hidden" if any(self.flow.feeds_kernel[number] for number in numbers) else "output"

    def _effective_activation(self, layer: Layer, numbers: Sequence[int]) -> str | None:
        own = layer.activation
        if own != "linear":
            return own
        met = {self.flow.next_activation[number] for number in numbers}
        return met.pop() if len(met) == 1 else None

    def _measures(self, layer: Layer, found: Parameters, number: int) -> Row:
        inputs = self.model.calls[number].inputs
        first = self.shapes.get(inputs[0]) if inputs else None
        made = self.shapes.get(Tensor(number))
        return {
            "input_shape": measures.shape_text(first),
            "output_shape": measures.shape_text(made),
            "rank": None if made is None else len(made),
            "features": first[measures.channel_axis(layer, first)] if first else None,
            "positions": measures.positions(layer, made),
            "steps": measures.steps(layer, first),
            "fan_in": found.fans[0] if found.fans else None,
            "fan_out": found.fans[1] if found.fans else None,
            "init_gain": measures.init_gain(layer, found),
            "params": found.count,
            "trainable_params": found.trainable,
        }

    def edges(self) -> Iterator[Row]:
        """The rows of `edge`."""
        for call in self.model.calls:
            for slot, tensor in enumerate(call.inputs):
                src = self.model.calls[tensor.call].layer
                yield {"src": src, "dst": call.layer, "slot": slot, "sole": self.wiring.sole(tensor)}

    def link(self, link: Link) -> Row:
        """A row of `link`."""
        trail = {field.name: getattr(link.trail, field.name) for field in fields(Trail)}
        return {"src": trail.pop("src"), "dst": link.dst, "slot": link.slot, **trail}

    def outputs(self) -> Iterator[Row]:
        """The rows of `output`."""
        trained = self.model.training
        widths = {
            shape[-1]
            for number, call in enumerate(self.model.calls)
            if not call.inputs and (shape := self.shapes.get(Tensor(number)))
        }
        for number, output in enumerate(self.model.outputs):
            trail, shape = self.trails[output.tensor], self.shapes.get(output.tensor)
            last = self.model.layers[trail.prev]
            loss = trained.losses[number] if trained else None
            yield {
                "id": number,
                "name": output.name,
                "layer": trail.prev,
                "src": trail.src,
                "activation": _last_activation(last, trail),
                "units": shape[-1] if shape else None,
                "softmax_units": measures.softmax_units(last, shape),
                "rank": len(shape) if shape else None,
                "like_input": shape[-1] in widths if shape and shape[-1] else None,
                "target_low": self.fit.target_low(number) if self.fit else None,
                "loss": loss.name if loss else None,
                "loss_family": loss.family if loss else None,
                "from_logits": loss.from_logits if loss else None,
                "compute_dtype": _compute_dtype(last),
            }

    def metrics(self) -> Iterator[Row]:
        """The rows of `metric`."""
        for number, found in enumerate(self.model.training.metrics if self.model.training else ()):
            for metric in found:
                yield {"output": number, **asdict(metric)}

    def sliding(self) -> Iterator[Row]:
        """The rows of `sliding`."""
        for layer, axes in windows.of_layers(self.model, self.shapes).items():
            for axis, window in enumerate(axes):
                sizes = asdict(window)
                yield {"layer": layer, "axis": axis, **sizes, "reach": window.reach, "covered": window.covered}

    def fields(self) -> Iterator[Row]:
        """The rows of `field`."""
        for layer, axes in field.fields(self.model, self.shapes).items():
            for axis, (incoming, outgoing) in enumerate(axes):
                yield {
                    "layer": layer,
                    "axis": axis,
                    "input_size": outgoing.size,
                    "incoming_least": measures.finite(incoming.least),
                    "incoming_most": measures.finite(incoming.most),
                    "least": measures.finite(outgoing.least),
                    "most": measures.finite(outgoing.most),
                    "jump": None if outgoing.jump is None else float(outgoing.jump),
                }

    def model_row(self) -> Row:
        """The one row of `model`."""
        model, kernels = self.model, [layer for layer in self.model.layers if layer.traits.weighted]
        optimizer = (model.training.optimizer if model.training else None) or Optimizer("")
        compiled = asdict(optimizer)
        return {
            "name": model.name,
            "format": model.format,
            "producer": model.producer,
            "producer_version": model.producer_version,
            "target": self.evidence.target,
            "stage": model.stage,
            "compiled": model.training is not None,
            "layers": len(model.layers),
            "depth": self.flow.depth,
            "plain_stack": is_plain_stack(self.wiring),
            "params": _total(found.count for found in self.parameters),
            "trainable_params": _total(found.trainable for found in self.parameters),
            "dtype_policy": next((layer.args.get("dtype") for layer in kernels), None),
            "adaptive": adaptive(model.training),
            "trained": self.weights.trained,
            "samples": self.evidence.data.samples if self.evidence.data else None,
            "file_bytes": model.size,
            "declared_bytes": self._declared(),
            "optimizer": compiled.pop("name") or None,
            **compiled,
            **self._versions(),
        }

    def _declared(self) -> int | None:
        """What the weights of a Keras model take in memory, as declared."""
        if self.model.exchange:
            return None
        counted = [found.count for found in self.parameters if found.count is not None]
        return max(_FLOAT32 * sum(counted), self.weights.declared)

    def _versions(self) -> Row:
        found = self.model.exchange
        return {
            "opset": found.opset if found else None,
            "ir_version": found.ir_version if found else None,
            "nodes": len(found.nodes) if found else None,
            "lifted": found.lifted if found else None,
            "gradients": found.gradients if found else None,
        }

    def nodes(self) -> Iterator[Row]:
        """The rows of `node`."""
        columns = [field.name for field in fields(Node)]
        for number, node in enumerate(self.model.exchange.nodes if self.model.exchange else ()):
            yield {"id": number, **{column: getattr(node, column) for column in columns}}

    def tensors(self) -> Iterator[Row]:
        """The rows of `tensor`."""
        for number, tensor in enumerate(self.model.exchange.tensors if self.model.exchange else ()):
            yield {
                "id": number,
                "name": tensor.name,
                "dtype": tensor.dtype,
                "shape": "x".join(map(str, tensor.shape)),
                "elements": prod(tensor.shape),
                "bytes": tensor.nbytes,
                "readers": tensor.readers,
                "layer": tensor.layer,
                "is_input": tensor.is_input,
                "external": tensor.external,
                "location": tensor.location,
                "fault": tensor.fault,
            }

    def operands(self) -> Iterator[Row]:
        """The rows of `operand`."""
        for layer, op, values, domain in ranges.operands(self.model) if self.model.exchange else ():
            yield {
                "layer": layer,
                "op": op,
                "low": _bounded(values.low.value),
                "high": _bounded(values.high.value),
                "reaches_low": bool(values.low.reach),
                "reaches_high": bool(values.high.reach),
                "safe_low": _bounded(domain.least),
                "safe_high": _bounded(domain.most),
                "safe_zero": domain.zero,
            }


def _last_activation(last: Layer, trail: Trail) -> str | None:
    if last.traits.pool and trail.norms == trail.others == 0:
        return trail.activation  # pooling picks or averages values and leaves them in their range
    return last.activation


def _takes_softmax_itself(loss: Loss | None) -> bool:
    return loss is not None and loss.from_logits is True and "categorical_" in loss.name


def _compute_dtype(last: Layer) -> str | None:
    policy = last.args.get("dtype")
    return policy.removeprefix("mixed_") if isinstance(policy, str) else None


def _bounded(end: float) -> float | None:
    return None if isinf(end) else end + 0.0  # -0.0 is 0.0


def _total(counts: Iterable[int | None]) -> int | None:
    listed = list(counts)
    return None if None in listed else sum(count for count in listed if count is not None)
