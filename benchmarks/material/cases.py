"""All passages, in the order of the page."""

from benchmarks.material import activations, initialization, normalization, recurrent, regularization, transfer

PASSAGES = (
    *initialization.PASSAGES,
    *activations.PASSAGES,
    *normalization.PASSAGES,
    *regularization.PASSAGES,
    *recurrent.PASSAGES,
    *transfer.PASSAGES,
)

EXPERIMENTS = {experiment.slug: experiment for passage in PASSAGES for experiment in passage.experiments}
