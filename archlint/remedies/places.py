"""Where in a model a change belongs: its hidden kernels and activations."""

from archlint.analyses.flow import Flow, flow
from archlint.analyses.wiring import Wiring, is_transparent, wire
from archlint.graph import Layer, Model


class Places:
    """The layers of a model by what they are for; all by their paths."""

    def __init__(self, model: Model) -> None:
        self._wiring: Wiring = wire(model)
        self._flow: Flow = flow(self._wiring)
        self._numbers = {layer.name: number for number, layer in enumerate(model.layers)}

    def is_hidden(self, layer: Layer) -> bool:
        """Whether what a layer makes goes to a kernel further on, and is no gate."""
        return self.feeds_kernel(layer) and not any(self._flow.gate[call] for call in self._calls(layer))

    def feeds_kernel(self, layer: Layer) -> bool:
        """Whether a layer with weights depends on what a layer makes."""
        return any(self._flow.feeds_kernel[call] for call in self._calls(layer))

    def is_hidden_kernel(self, layer: Layer) -> bool:
        """Whether it is a hidden dense or convolutional layer that training changes."""
        return layer.traits.affine and layer.trainable and self.is_hidden(layer)

    def meets(self, layer: Layer) -> str | None:
        """The activation that the values of a layer meet first, its own if it has one; None where it is not known."""
        own = layer.activation
        return own if own not in ("linear", None) else self._flow.next_activation[self._calls(layer)[0]]

    def is_normed(self, layer: Layer) -> bool:
        """Whether a norm reads what a layer makes, or what becomes of it before the next kernel or fork."""
        (call, *_), readers = self._calls(layer), self._wiring.readers
        while len(readers[call]) == 1:
            (call,) = readers[call]
            reader = self._wiring.layer_of(call)
            if reader.traits.norm or not is_transparent(reader, len(self._wiring.model.calls[call].inputs)):
                return reader.traits.norm
        return False

    def _calls(self, layer: Layer) -> tuple[int, ...]:
        return self._wiring.calls_of[self._numbers[layer.name]]
