"""Every number by which the lab decides, with its evidence.

All were measured on two cores (TensorFlow 2.21, Keras 3.15), over synthetic and scikit-learn data. "False" is what
healthy controls gave. What others use was tried and fails: a gap of 0.1 between training and validation loss is found
on every one of two healthy controls; the ratio of the first to the last gradient does not see ReLU under Glorot at any
depth; a mean absolute gradient below 1e-7, and 70 % of activations at zero, fare no better.
"""

LEVEL = 0.95
"""Of each confidence interval. With the looks below, 4 % of pairs of equal arms are confirmed to differ [2, 8]. By
simulation of 20,000 pairs each (`benchmarks/lab_null.py`), 4 % where their log-ratios spread by 3 %, and at most 6 %
whatever the spread, 7.0 % [6.6, 7.4] with the thorough look; without further looks it would be 2.5 %."""

EFFECT = 0.02
"""The least difference that is worth a change: a remedy is confirmed above, refuted if it is surely below.

Without this, equal arms whose log-ratios spread by 2 % are confirmed three times as often (6 % instead of 2 %); on its
own, without an interval, it is passed by a quarter of equal arms that spread by 5 %."""

LOOKS = (3, 4, 5, 6)
"""Seeds after which the interval is looked at. That of two would be nearly four times as wide as that of three."""

THOROUGH = 8
"""Seeds of the one more look of a thorough run. It finds half of what six leave open at +3.5 %."""

COUNTED = 5
"""Seeds before non-finite outcomes are counted; of fewer, half is one or two."""

FAILING = 0.5
"""Share of seeds that fail where a network is unstable. Raw inputs under SGD: 6 of 7 networks; controls: 0 of 15."""

RISE = 0.03
"""By which the validation loss rises from its lowest to its end, where a network overfits: the interval of the log of
1 + rise must lie above that of 1.03. At 3 seeds 12 of 12 on classification, 0 of 48 false."""

END = 0.1
"""Share of the last epochs whose mean is the end of a curve: one epoch alone is as noisy as the rise is large."""

LATE, FALLING = 0.2, 0.002
"""A run whose lowest validation loss is in the last fifth of its epochs, and lies by 0.2 % or more below the lowest of
their first half, was still falling: it cannot have risen yet, whatever it would do next.

Arms that overfit in the end (`benchmarks/material/record.json`), cut off after 1 to 20 epochs, have not yet risen by
`RISE` in 144 cases: 136 of these are told so; with a fall of 1 % 117, with one of 3 % 110. Without asking for a fall it
is 140, but then a curve that has come to rest and creeps on could not be refuted. Of noise alone the lowest point is so
late in one seed of five, and in two of three once in ten times."""

PAST_MINIMUM = 30
"""Epochs after the lowest validation loss, at which a run that has risen by `RISEN` ends: it only rises further.

Of 90 runs over 150 epochs (noisy labels and targets, breast cancer, diabetes, digits; with dropout and without) none
that ends so has a lower loss still to come, and 55 % of the epochs are saved. At 10 epochs 62 % are, but 5 of the runs
end too early, and their lowest loss is up to 150 % too high. That would be 1 run if both arms waited for each other,
with 56 % saved; but then a curve would depend on what it is compared with, and could not be shared by findings."""

RISEN = 0.2
"""Rise at which nothing more is learned from a run; six times `RISE`."""

LOSS_RATIO = 10.0
"""Highest to initial loss of a run that explodes. Raw inputs under SGD: 6 of 7 above or non-finite, 0 of 15 controls;
recurrent networks with a spectral radius above one: 5 of 5, with clipping 0 of 25."""

STEPS = 20
"""Steps of a probe: what explodes on raw inputs does so within ten, and of the units that are dead at step 100 four in
five are dead at step 20."""

RECURRENT_STEPS = 100
"""Steps for recurrent networks, whose gradients explode on rare batches."""

SLOW_STEPS = 150
"""Steps over which the area under the loss curve is compared."""

SLOW_AREA = 0.1
"""The least difference of log areas that is worth a change. Under Adam depth 3 is refuted, depth 20 confirmed."""

INITIALIZATIONS = 5
"""Of a probe that draws initial weights. The median over five decides like that over ten for stacks of ReLU (Glorot or
He), sigmoid and tanh at depths 3, 5, 10 and 20."""

PROBE_SAMPLES = 512
"""Samples of a probe's batch: a unit that is active on one in a hundred is seen with 99.4 %."""

PROFILED_SAMPLES, PROFILED_DRAWS = 64, 3
"""Samples and initializations of a profile, which no decision depends on."""

SIGNAL_SUSPECT = 1e-2
"""`usd`, the spread over samples of the units of the last hidden layer, below which a network learns late if at all."""

SIGNAL_FAILS = 3e-4
"""`usd` below which Adam does not train it either."""

SIGNAL_SLOW_SGD = 5e-2
"""`usd` below which plain SGD is slow. Adam, which scales gradients up, is not. Separates depths 5, 10 and 20."""

DRIFT_OCTAVES = 1.0
"""Doublings or halvings of the spread from the first layer to the last, above which a network does not normalise
itself. Nearly the same for every draw of the weights."""

REDUNDANT_BIAS = 1e-3
"""Norm of a bias's gradient over that of its kernel, below which a normalization takes the bias out again. Redundant:
at most 6e-6, of convolutions 2e-5; others: at least 5e-2."""

VARIANCE_SHIFT = 1.4
"""Variance that a batch normalization has stored over the one it sees in use, above which dropout has shifted it.
Behind dropout of 0.3: 1.5 to 2.1; of 0.1: 1.1; without: 0.94 to 1.01. With a dense layer between, training can make
1.6 into 1.3, so it is measured before."""

ALIKE = 1e-2
"""How much units differ from each other after `STEPS`, over how far they have moved, below which they stay alike. Dense
and convolutional layers that begin constant, under Adam and SGD: 0 to 1e-5, which is rounding, where nothing pulls them
apart (11 of 11); 0.05 to 0.08 with dropout of 0.1 behind them, at least 0.8 with a kernel that is drawn (12 of 12)."""

INACTIVE = 0.5
"""Share of units of a layer that no sample activates, at which it is dying. Healthy: at most 0.28."""

TIMED_STEPS = 10
"""Steps that are timed to predict how long a plan takes."""

FEWEST_SEEDS = LOOKS[0]
"""If the budget allows fewer, nothing is trained."""

TRACE_REMAINS = 1e-2
"""Share of a change of a bias that is left behind a normalization, below which it takes the bias out. In 15 layers as
exporters write them: at most 7e-8, in half precision 4e-4, which is rounding; with an activation between, in 21 others:
at least 0.36."""

TRACE_ALIKE = 1e-2
"""How much the units of a layer differ from each other, over how much they vary, below which they are alike. Units with
the same weights: at most 1e-15, which is rounding; those of 350 layers as exporters write them: at least 0.48."""
