-- The facts about one model: everything a rule can ask.
--
-- Conventions. A name is a path (`encoder/block1/conv`). Booleans are 0 or 1. NULL means "not known from this
-- file"; a comparison with NULL is never true, so a rule that needs an unknown value stays silent. A column whose
-- comment begins with [training] is only there when the file carries a training configuration; [shape] only when
-- the file tells the shape of its inputs. Otherwise every rule that reads such a column is reported as not checked.
-- [onnx] columns and tables are filled for ONNX files only; they are NULL or empty for Keras files. [weights]: only when
-- the stored weights were read (--weights), [data]: only when training data was given (--data), [targets]: only
-- when that data has targets; otherwise rules that read them are reported as not checked, too.
-- Names are those of Keras 3 and ONNX in snake_case, whatever dialect the file was written in.

-- One row: the file as a whole.
CREATE TABLE model (
    name             TEXT,              -- the model's own name
    format           TEXT NOT NULL,     -- keras_h5 | keras_zip | keras (in memory) | onnx
    producer         TEXT,              -- keras, pytorch, tf2onnx …
    producer_version TEXT,              -- as the file states it; never to be trusted to silence a rule
    target           TEXT,              -- the runtime named with --target: onnxruntime | tensorrt | coreml | nnapi; NULL: none
    stage            TEXT NOT NULL,     -- training: it can be trained as it is (every Keras file, an ONNX export in training mode);
                                        -- inference: it was exported to be run, dropout and the like are taken out
    compiled         INTEGER NOT NULL,  -- 1: the file carries a training configuration
    layers           INTEGER NOT NULL,  -- rows in `layer`
    depth            INTEGER NOT NULL,  -- layers with a kernel on the longest path from an input to an output
    plain_stack      INTEGER NOT NULL,  -- 1: one chain from one input to one output, no layer called twice
    params           INTEGER,           -- [shape] all parameters, trainable or not
    trainable_params INTEGER,           -- [shape] the parameters that training can change
    dtype_policy     TEXT,              -- float32, mixed_float16 … of the first layer that has a kernel
    optimizer        TEXT,              -- [training] adam, adam_w, sgd, rms_prop …; custom:NAME for others
    learning_rate    REAL,              -- [training] as saved: callbacks may have lowered it since compile(); a schedule's peak
    schedule         TEXT,              -- [training] cosine_decay … where learning_rate comes from a schedule
    momentum         REAL,              -- [training] of SGD and RMSprop
    clipnorm         REAL,              -- [training] NULL: not set (0 in a file means not set, too)
    clipvalue        REAL,              -- [training] NULL: not set
    global_clipnorm  REAL,              -- [training] NULL: not set
    weight_decay     REAL,              -- [training] NULL: not set
    loss_scaled      INTEGER,           -- [training] 1: the optimizer scales the loss up, as float16 needs; 0: it does not; NULL: a
                                        -- .keras file, which leaves it to Keras and the dtype policy of the process
    opset            INTEGER,           -- [onnx] version of ONNX's own operators that the file asks for; 0: it names none
    ir_version       INTEGER,           -- [onnx] version of the file format
    nodes            INTEGER,           -- [onnx] nodes of the graph, functions unfolded
    lifted           INTEGER,           -- [onnx] nodes whose meaning is known: they are part of a layer that is not opaque,
                                        -- or work out constants and shapes
    gradients        INTEGER,           -- [onnx] 1: the graph computes gradients or carries a training procedure
    adaptive         INTEGER NOT NULL,  -- 0: it is compiled with plain SGD, with or without momentum; 1: with an optimizer that
                                        -- scales its steps (Adam …), or the file does not say
    trained          INTEGER,           -- 1: its kernels have visibly left their initialization, or biases and norms theirs; 0: they are
                                        -- as drawn; NULL: that cannot be told, or the stored weights were not read. An ONNX file
                                        -- names no initializers: there the shape of the kernels' distributions decides
    samples          INTEGER,           -- of the training data given with --data; NULL: none was given
    file_bytes       INTEGER,           -- length of the file; NULL: a model in memory
    declared_bytes   INTEGER            -- what its weights take in memory, going by the settings of its layers (in float32) or by the
                                        -- shapes of the stored weights, whichever is more; NULL: not known, and of ONNX files
) STRICT;

-- One row per layer, in topological order. A layer that is called several times (shared) has one row.
CREATE TABLE layer (
    id             INTEGER PRIMARY KEY, -- topological: an input comes before what reads it
    name           TEXT NOT NULL,       -- path: nested models, wrappers and cells are joined by `/`
    kind           TEXT NOT NULL,       -- input dense einsum_dense conv depthwise_conv separable_conv conv_transpose
                                        -- locally_connected embedding lstm gru simple_rnn conv_lstm rnn
                                        -- batch_norm layer_norm group_norm rms_norm unit_norm instance_norm
                                        -- dropout spatial_dropout alpha_dropout gaussian_dropout gaussian_noise stochastic_depth
                                        -- activation max_pool avg_pool global_max_pool global_avg_pool
                                        -- add subtract multiply divide average maximum minimum concat stack dot where
                                        -- attention additive_attention multi_head_attention
                                        -- reshape flatten permute identity masking activity_regularization cast
                                        -- zero_padding cropping upsampling repeat_vector slice split reduce arithmetic
                                        -- rescaling normalization preprocessing augmentation layer_scale operation lambda custom
    class_name     TEXT NOT NULL,       -- as the file says: Dense, Convolution2D, TFOpLambda …
    wrapper        TEXT,                -- Bidirectional, TimeDistributed … around it
    role           TEXT NOT NULL,       -- input | hidden (a layer with a kernel comes later) | output (none does)
    live           INTEGER NOT NULL,    -- 0: no output of the model depends on it
    calls          INTEGER NOT NULL,    -- how often it is called; more than 1: shared
    -- traits of the kind
    affine         INTEGER NOT NULL,    -- weights times input plus bias: dense, conv and their relatives
    recurrent      INTEGER NOT NULL,
    norm           INTEGER NOT NULL,
    merge          INTEGER NOT NULL,    -- several tensors become one: add, concat, multiply, dot …
    pass_through   INTEGER NOT NULL,    -- one tensor in, the same values out: dropout, reshape, identity …
    stochastic     INTEGER NOT NULL,    -- random during training: dropout, noise, augmentation
    opaque         INTEGER NOT NULL,    -- custom, lambda or operation: what it computes is not in the file, or not known to archlint
    weighted       INTEGER NOT NULL,    -- has a kernel: affine, recurrent, embedding, attention with weights
    -- where its value goes
    gate           INTEGER NOT NULL,    -- its value is multiplied onto another one (attention weights, squeeze-excite)
    residual       INTEGER NOT NULL,    -- its value is added to another one (the end of a residual branch)
    -- settings
    units          INTEGER,             -- features it puts out: units, filters, embedding size; NULL for weightless layers
    kernel         TEXT,                -- kernel or pool size, `3x3`
    strides        TEXT,                -- `2x2`
    dilation       TEXT,                -- `1x1`
    groups         INTEGER,
    padding        TEXT,                -- valid | same | causal; explicit: as no word of Keras's says
    data_format    TEXT,                -- channels_last | channels_first
    axis           INTEGER,             -- of a norm, softmax or concat, as the file says (of a time-distributed one: within a
                                        -- step); a norm over several axes: NULL
    activation     TEXT,                -- its own activation: relu, softmax … `linear` where it has none; NULL: cannot have one
    effective_activation TEXT,          -- what its value meets first, seen through norms, pools, padding and pass_through:
                                        -- its own, or the next activation layer's; `linear` if a layer with a kernel
                                        -- or the output comes first; NULL: undecidable (fork, merge, opaque layer)
    recurrent_activation TEXT,          -- of the gates of an LSTM or GRU
    negative_slope REAL,                -- of a leaky ReLU, below zero; NULL: not stated, or no leaky ReLU
    use_bias       INTEGER,
    initializer    TEXT,                -- of the kernel: glorot_uniform, he_normal, variance_scaling, constant …
    initializer_family TEXT,            -- he | glorot | lecun | scaling | orthogonal | constant | fixed | custom;
                                        -- a VarianceScaling that equals one of the named three is called by that name
    init_gain      REAL,                -- [shape] variance of a kernel element times fan_in: 1 keeps the variance of a
                                        -- linear layer, 2 that of a ReLU layer; NULL, too, for layers with several
                                        -- kernels (attention, separable) and for einsum_dense
    recurrent_initializer TEXT,
    recurrent_gain REAL,                -- variance of an element of the recurrent kernel times units; of a simple RNN 1 keeps the
                                        -- variance of a linear state; NULL, too, for constants and convolutional LSTMs
    forget_bias    REAL,                -- what the bias of an LSTM's forget gate starts at; NULL: not known, or no bias
    l1             REAL,                -- L1 factor on the kernel, 0: none; NULL: a regularizer of another kind
    l2             REAL,                -- L2 factor on the kernel, 0: none; NULL: a regularizer of another kind
    regularized    TEXT,                -- its other parameters that have a regularizer: bias, gamma, beta, alpha, recurrent, joined
                                        -- by `, `; NULL: none
    rate           REAL,                -- of dropout: the share that is dropped; NULL for every other kind
    whole_samples  INTEGER,             -- of dropout: 1 if noise_shape drops more than single values together
    recurrent_rate REAL,                -- recurrent_dropout
    unroll         INTEGER,             -- of a recurrent layer: 1 if its steps are laid out as a graph, not run as a loop
    reset_after    INTEGER,             -- of a GRU: 1 if the reset gate comes after the product with the recurrent kernel
    momentum       REAL,                -- of batch normalization, in Keras's sense (share of the old value kept)
    epsilon        REAL,
    return_sequences INTEGER,
    steps          INTEGER,             -- [shape] time steps a recurrent layer runs over; NULL: any
    trainable      INTEGER NOT NULL,    -- 0: frozen. An ONNX file tells it only of a batch norm that is in evaluation mode in an export
                                        -- in training mode; all else counts as trainable
    dtype          TEXT,                -- float32, float16 … that its first output has; of a Keras layer the policy that it states
    -- shapes, without the batch dimension, `28x28x3`; `?` for an unknown dimension
    input_shape    TEXT,                -- [shape] of the first input
    output_shape   TEXT,                -- [shape] of the first output
    rank           INTEGER,             -- [shape] dimensions of the first output, batch included
    features       INTEGER,             -- [shape] size of the first input's channel axis
    positions      INTEGER,             -- [shape] places of a feature map the first output has: 7x7x512 has 49; 1 where there is no map
    fan_in         INTEGER,             -- [shape] of the kernel, as Keras's initializers count it
    fan_out        INTEGER,             -- [shape]
    params         INTEGER,             -- [shape] all its parameters
    trainable_params INTEGER,           -- [shape]
    -- its place among the others
    chain          INTEGER,             -- id of the first layer of the run of affine layers that it belongs to; a run ends
                                        -- at norms, merges, forks and recurrent layers; NULL if not affine
    chain_length   INTEGER,             -- affine layers in that run
    stack          INTEGER,             -- id of the first layer of the stack of dense layers it belongs to, seen through every
                                        -- layer without a kernel; NULL if not dense
    stack_length   INTEGER,             -- dense layers in that stack
    classes        INTEGER,             -- width of the softmax output (or of the logits whose loss takes the softmax) at the end of the
                                        -- only way from here; NULL: none, or several ways
    trainable_before INTEGER NOT NULL,  -- 1: its input depends on a trainable layer with a kernel
    frozen_before  INTEGER NOT NULL     -- 1: its input depends on a frozen layer with a kernel
) STRICT;

-- One row per tensor that one layer hands straight to another.
CREATE TABLE edge (
    src            INTEGER NOT NULL REFERENCES layer,
    dst            INTEGER NOT NULL REFERENCES layer,
    slot           INTEGER NOT NULL,    -- which input of dst, from 0
    sole           INTEGER NOT NULL     -- 1: nothing else reads src's value, and it is no output of the model
) STRICT;

-- One row per tensor that arrives at a layer (dst), traced back to the layer that made it (src): the nearest one
-- upstream that has a kernel, several inputs, or no input, or is opaque. Between them lie only single-input layers without a kernel
-- (norms, dropout, activations, pools, reshapes); the columns tell what they were. Every layer with one input has
-- exactly one row as dst.
CREATE TABLE link (
    src            INTEGER NOT NULL REFERENCES layer,
    dst            INTEGER NOT NULL REFERENCES layer,
    slot           INTEGER NOT NULL,    -- which input of dst, from 0
    sole           INTEGER NOT NULL,    -- 1: on the whole way nothing else reads the value, and it is no output of the model
    prev           INTEGER NOT NULL REFERENCES layer, -- the nearest layer before dst that is not pass_through (may be src)
    activation     TEXT,                -- the last non-linear activation on the way, src's own included; `linear`: none;
                                        -- NULL: src is opaque or a merge and none came since
    dropout        INTEGER REFERENCES layer, -- the last dropout layer on the way (dropout, spatial, alpha, gaussian); NULL: none
    dropout_rate   REAL,                -- its rate; NULL: none
    norm           INTEGER REFERENCES layer, -- the last norm layer on the way; NULL: none
    norms          INTEGER NOT NULL,    -- how many norm layers
    stochastics    INTEGER NOT NULL,    -- how many layers that are random in training: dropouts, noise
    reshapes       INTEGER NOT NULL,    -- reshape, flatten, permute, repeat_vector, slice
    flattens       INTEGER NOT NULL,    -- flatten, or a reshape to one axis
    pools          INTEGER NOT NULL,    -- pooling layers, the global ones included
    global_pools   INTEGER NOT NULL,    -- global pooling layers
    others         INTEGER NOT NULL     -- layers of any other kind that are no activation: padding, upsampling, rescaling, arithmetic …
) STRICT;

-- One row per output of the model.
CREATE TABLE output (
    id             INTEGER PRIMARY KEY,
    name           TEXT NOT NULL,       -- of the output, else of the layer
    layer          INTEGER NOT NULL REFERENCES layer, -- the last layer on the way to it that is not pass_through
    src            INTEGER NOT NULL REFERENCES layer, -- traced back as in `link`
    activation     TEXT,                -- the last thing done to the value, seen through pass_through and pools; `linear`: a kernel
                                        -- without activation; NULL: undecidable (merge, norm, opaque layer)
    units          INTEGER,             -- [shape] size of its last axis
    softmax_units  INTEGER,             -- [shape] size of the axis its softmax runs over; NULL: no softmax
    rank           INTEGER,             -- [shape] batch included
    like_input     INTEGER,             -- [shape] 1: as wide as an input (an autoencoder)
    target_low     REAL,                -- least of its targets in the data given with --data; NULL: not known
    loss           TEXT,                -- [training] mean_squared_error, sparse_categorical_crossentropy …; custom:NAME for others;
                                        -- NULL: this output has none
    loss_family    TEXT,                -- [training] crossentropy | regression | other (known, none of these) | custom
    from_logits    INTEGER,             -- [training] 1: the loss applies the activation itself; NULL for losses that know no logits
    compute_dtype  TEXT                 -- float32, float16 … that the output's activation is computed in; NULL: not stated
) STRICT;

-- One row per metric of an output.
CREATE TABLE metric (
    output         INTEGER NOT NULL REFERENCES output, -- [training] the output it measures
    name           TEXT NOT NULL,       -- [training] accuracy, binary_accuracy, mean_absolute_error …
    threshold      REAL,                -- [training] an output above it counts as a yes; NULL: the metric has none, or several
    from_logits    INTEGER              -- [training] 1: it takes logits; 0: probabilities; NULL: it tells no difference
) STRICT;

-- [onnx] One row per node of the file, those in the bodies of If, Loop and Scan included, before nodes are put together
-- to layers. Constant nodes are no rows here: they are constants.
CREATE TABLE node (
    id             INTEGER PRIMARY KEY, -- topological
    name           TEXT NOT NULL,       -- its path; nodes without a name are called after their operator
    op_type        TEXT NOT NULL,       -- Conv, Gemm …
    domain         TEXT NOT NULL,       -- empty for ONNX's own operators
    layer          INTEGER REFERENCES layer, -- the layer it became part of; NULL: it works out constants or shapes, or changes nothing
    live           INTEGER NOT NULL,    -- 0: no output of the model depends on it
    idle           INTEGER NOT NULL,    -- 1: it hands on what it gets: Identity, a cast to the same type, a reshape to the same
                                        -- shape, times one, plus zero
    training       INTEGER NOT NULL,    -- 1: a dropout or batch norm that does what it does in training
    random         INTEGER NOT NULL,    -- 1: it draws numbers
    defined        INTEGER NOT NULL     -- 0: its operator is called as if it were one of ONNX's own, and neither ONNX nor a
                                        -- runtime that adds to them has it; 1 for newer opsets than archlint knows
) STRICT;

-- [onnx] One row per stored tensor (initializer), and one per other tensor anywhere in the file whose bytes are in another one.
CREATE TABLE tensor (
    id             INTEGER PRIMARY KEY,
    name           TEXT NOT NULL,
    dtype          TEXT NOT NULL,       -- float, double, float16, int64 … as in ONNX's text syntax
    shape          TEXT NOT NULL,       -- `64x3x7x7`; empty for a single number
    elements       INTEGER NOT NULL,
    bytes          INTEGER NOT NULL,    -- that its elements take; for strings 0
    readers        INTEGER NOT NULL,    -- nodes that read it, and 1 if it is an output of the model; 0: unused. Of what is no
                                        -- initializer 1: it is part of a node, or of something else
    layer          INTEGER REFERENCES layer, -- the first layer that reads it
    is_input       INTEGER NOT NULL,    -- 1: it is listed among the graph's inputs, too, so a caller may replace it
    external       INTEGER NOT NULL,    -- 1: its bytes are in another file
    location       TEXT,                -- that file, as the model says
    fault          TEXT                 -- what is wrong with it: missing, bad-range, outside …; NULL: nothing
) STRICT;

-- One row per layer and axis of places along which it slides a window: convolutions, pools and their relatives.
CREATE TABLE sliding (
    layer          INTEGER NOT NULL REFERENCES layer,
    axis           INTEGER NOT NULL,    -- 0: the first axis of the layer's places (height, or time), 1: the second …
    kernel         INTEGER NOT NULL,    -- taps of the window
    stride         INTEGER NOT NULL,    -- of a transposed convolution: on the side of its output, like all of this but `places`
    dilation       INTEGER NOT NULL,
    reach          INTEGER NOT NULL,    -- places from the first tap to the last one, both included
    covered        INTEGER NOT NULL,    -- of `stride` neighbouring places, how many some tap meets; fewer than stride: gaps
    places         INTEGER              -- [shape] places of its input along the axis (the fewest, if it is called several times)
) STRICT;

-- One row per layer and axis of the input's map: how wide a stretch of that map one value of the layer can depend on. The
-- map is what the first window slides over: the model's input, or what reshaping, resizing or an embedding have made of
-- it by then. Layers before it, behind a layer that is not understood, or in models without a map have no rows. A norm's
-- statistics of the whole map are not counted. `least` and `most` differ where several ways lead to the layer.
CREATE TABLE field (
    layer          INTEGER NOT NULL REFERENCES layer, -- [shape]
    axis           INTEGER NOT NULL,    -- [shape] 0: the first axis of the map (height, or time), 1: the second …
    input_size     INTEGER,             -- [shape] places of the map along the axis; NULL: any
    incoming_least REAL,                -- [shape] what one value of its input sees, by the narrowest way. It can exceed input_size, because
                                        -- a window may lie half beside the map. Where everything is seen (behind a flatten and
                                        -- dense, a global pool, recurrence, attention): at least input_size, NULL if that is NULL
    incoming_most  REAL,                -- [shape] by the widest way
    least          REAL,                -- [shape] what one value of its output sees, by the narrowest way
    most           REAL,                -- [shape] by the widest way
    jump           REAL                 -- [shape] places of the map from what one place of the output sees to what the next one
                                        -- sees; NULL: the output has one place only, or places in no regular order
) STRICT;

-- [onnx] One row per operation that is not finite for all numbers (Log, Sqrt, Div, Reciprocal, Pow with a constant
-- exponent, Exp, Acos, Asin, Acosh, and norms that are written out), and what it is given. Model inputs are taken to be
-- within 50 of zero, but never to reach that. Where values that belong together are combined, as in x - mean(x), the
-- ends of the interval are not reached.
CREATE TABLE operand (
    layer          INTEGER NOT NULL REFERENCES layer,
    op             TEXT NOT NULL,       -- ONNX's name of the operation; Div for a norm
    low            REAL,                -- the least value it is given: of a Div the divisor's, of a Pow the base's, of a norm that of the
                                        -- variance and epsilon; NULL: no bound is known
    high           REAL,                -- the greatest one
    reaches_low    INTEGER NOT NULL,    -- 1: values come down to `low`; 0: they may stay above it
    reaches_high   INTEGER NOT NULL,    -- 1: values come up to `high`
    safe_low       REAL,                -- below it the operation gives NaN; NULL: nowhere
    safe_high      REAL,                -- above it the operation gives NaN, or more than `dtype` can hold; NULL: nowhere
    safe_zero      INTEGER NOT NULL     -- 0: it is infinite at zero
) STRICT;

-- One row per layer: what is predicted of its first output at initialization, in training mode, for standardized
-- inputs (mean 0, mean square 1; raw bytes where the model rescales them itself) in batches of 32, in expectation over
-- weights and data. Nothing is run. Of an ONNX file, which says nothing of initializers, the stored numbers count; without
-- them, or once they are trained, what they make is partial. Error bars: rms and std within a factor of 1.4, gradients of
-- 2. Source: signal propagation, He et al. 2015, Poole et al. 2016, Schoenholz et al. 2017.
CREATE TABLE signal (
    layer          INTEGER NOT NULL REFERENCES layer, -- [shape]
    certainty      TEXT NOT NULL,       -- [shape] exact: all before it is understood; partial: something before it is not, and was taken to
                                        -- hand on a standardized signal; unknown: nothing can be said of the layer itself
    mean           REAL,                -- [shape] E[x]; NULL where unknown, like all that follow
    std            REAL,                -- [shape] over samples, positions and units
    rms            REAL,                -- [shape] square root of E[x²]
    input_std      REAL,                -- [shape] the part of it that depends on the sample: standard deviation over samples of one unit
    gain           REAL,                -- [shape] rms over that of its first input
    gradient       REAL,                -- [shape] norm of a sample's gradient at its output, relative to that at the model's outputs, all of
                                        -- them together (before their final activation); NULL: no output depends on it, or it
                                        -- takes whole numbers
    gradient_certainty TEXT NOT NULL,   -- [shape] exact | partial | unknown: likewise, by what comes behind
    horizon        REAL                 -- [shape] recurrent layers: steps after which 1/e of a state is left
) STRICT;

-- How well the model can start to learn, predicted from `signal`; one row as it is (remedy none) and, where that is not
-- well, one for each change that may help. It is told by one way through the model: the longest to an output, along
-- shortcuts and features, not along the residual branches and gates beside them. No row where something on it is not
-- exact, recurrent or attention, where a kernel before the head is frozen, where there is no hidden kernel, and for ONNX
-- files: partial predictions judge nobody. Grades are those of 490 measured trainings of plain nets, deserved in
-- spite of the error bars.
CREATE TABLE prospect (
    remedy         TEXT NOT NULL,       -- [shape] none | initializers (every hidden kernel drawn for the activation behind it: He for ReLU
                                        -- and its relatives, else LeCun) | relu (hidden sigmoids and tanhs are ReLUs, drawn by He; only
                                        -- where there are any) | norm (a batch norm behind every hidden kernel)
    first          INTEGER NOT NULL REFERENCES layer, -- [shape] the first trainable layer with a kernel
    last           INTEGER NOT NULL REFERENCES layer, -- [shape] the layer whose value the output layer reads
    head           INTEGER NOT NULL REFERENCES layer, -- [shape] the output layer
    gradient       REAL NOT NULL,       -- [shape] norm of the gradient at first's output, relative to that at the outputs it leads to; what
                                        -- global averages take off it is left out, as kernels before them sum it up again, and what an
                                        -- output layer that starts small does, which is soon made good
    input_std      REAL,                -- [shape] of what head reads; NULL: it tells nothing, as there are other kernels than dense ones
                                        -- on the way, or pools
    normed         INTEGER NOT NULL,    -- [shape] 1: a norm follows every hidden kernel, so the gradient is not graded; with norms
                                        -- behind some kernels only, too large a gradient is not, and with skips only beyond 100
    grade          TEXT NOT NULL,       -- [shape] trains | weak | risky | fails
    mends          INTEGER NOT NULL     -- [shape] 1: the grade is better than that of none, and trains or weak
) STRICT;

-- One row per stored weight: what one pass over its numbers shows. Statistics leave out what is not finite.
CREATE TABLE weight (
    layer          INTEGER REFERENCES layer, -- [weights] NULL: it belongs to no layer that was recognised
    name           TEXT NOT NULL,       -- [weights] as in Keras 3: kernel, bias, gamma, moving_mean, query/kernel …; else the file's own
    shape          TEXT NOT NULL,       -- [weights] `3x3x64x128` as stored
    dtype          TEXT NOT NULL,       -- [weights] float32 …
    elements       INTEGER NOT NULL,    -- [weights]
    bytes          INTEGER NOT NULL,    -- [weights] in memory
    nans           INTEGER,             -- [weights] elements that are not a number
    infinities     INTEGER,             -- [weights]
    absmax         REAL,                -- [weights] greatest magnitude; NULL: nothing finite
    mean           REAL,                -- [weights]
    std            REAL,                -- [weights]
    magnitude      REAL,                -- [weights] mean of |w|
    zeros          REAL,                -- [weights] share of elements that are exactly 0
    units          INTEGER,             -- [weights] kernels: output units or filters it has; NULL for gates and attention heads
    dead_units     INTEGER,             -- [weights] kernels: units none of whose magnitudes reaches 1e-6; NULL if some are not finite, or
                                        -- there is none
    alike          INTEGER,             -- [weights] kernels: 1: all units, two or more, have the same numbers
    small          INTEGER,             -- [weights] moving_variance: elements below a hundredth of the norm's epsilon, so that what comes out
                                        -- of their channel is a tenth as large as it should be, or less
    constant       REAL,                -- [weights] the number that all elements are; NULL: they differ
    digest         TEXT,                -- [weights] equal for equal numbers and shapes of one file; NULL below 16 elements
    drawn_std      REAL,                -- [weights] kernels: standard deviation that its declared initializer gives; NULL: not known
    drawn_magnitude REAL,               -- [weights] kernels: mean of |w| that it gives
    drawn_fit      REAL                 -- [weights] kernels of at least 256: p-value of a Kolmogorov-Smirnov test against the
                                        -- declared initializer, 0 beyond its bounds; orthogonal ones: 1 or 0. What is
                                        -- declared constant (biases, gamma, beta): 0 once it is not; NULL: not testable
) STRICT;

-- One row if training data was given: the file as a whole.
CREATE TABLE data (
    name           TEXT NOT NULL,       -- [data] the file's name
    samples        INTEGER NOT NULL,    -- [data]
    seen           INTEGER NOT NULL,    -- [data] samples that were looked at: the first ones, where there are more than archlint reads
    validation     INTEGER,             -- [data] samples set apart for validation; NULL: none
    tabular        INTEGER NOT NULL     -- [data] 1: columns of a table, which training code may change on their way to the model: scale
                                        -- them, fill gaps, turn labels into one-hot rows; 0: arrays as they are trained with
) STRICT;

-- One row per feature of an input: per column of a table, per channel of a map, over all else. None of texts.
CREATE TABLE feature (
    layer          INTEGER NOT NULL REFERENCES layer, -- [data] the input it goes to
    number         INTEGER NOT NULL,    -- [data] place on the last axis, from 0
    name           TEXT,                -- [data] the table's name of it; NULL: it has none
    mean           REAL,                -- [data] of the finite values; NULL: there are none
    std            REAL,                -- [data]
    low            REAL,                -- [data] least
    high           REAL,                -- [data] greatest
    missing        INTEGER NOT NULL,    -- [data] values that are NaN or infinite
    whole          INTEGER NOT NULL     -- [data] 1: all values are whole numbers
) STRICT;

-- One row per output: what it is to learn.
CREATE TABLE target (
    output         INTEGER NOT NULL REFERENCES output, -- [targets]
    kind           TEXT NOT NULL,       -- [targets] labels (whole numbers, one for all units; texts count as such) | one_hot | multi_hot (rows of 0 and 1) |
                                        -- distribution (rows that sum to 1) | real
    width          INTEGER NOT NULL,    -- [targets] size of the last axis; 1 for labels
    classes        INTEGER,             -- [targets] different labels, or columns of one_hot that occur; NULL for the rest, and where
                                        -- only the first samples were looked at
    low            REAL,                -- [targets] least finite value
    high           REAL,                -- [targets] greatest
    missing        INTEGER NOT NULL     -- [targets] values that are NaN or infinite
) STRICT;

-- One row per thing that those who load the file have to trust. All of a Keras configuration is looked at, at any depth,
-- that of the compilation included; nothing is decoded further than its first bytes, and nothing followed. At most 1,000.
CREATE TABLE concern (
    category       TEXT NOT NULL,       -- code: Python code in the configuration; foreign: a class or function that is named, and none that
                                        -- networks are made of; outside: something outside of the file; ambiguous: what
                                        -- readers take for different things; name: a name that can do harm
    kind           TEXT NOT NULL,       -- of code: bytecode | pickle | text (none of both, in the place of bytecode)
                                        -- of foreign: library (of Python itself, or a package that can do anything) |
                                        -- tool (of Keras or TensorFlow, but no operation) | loader (a layer that loads or
                                        -- unpickles) | unknown (a function of another module) | python (a function or class that
                                        -- onnxruntime calls)
                                        -- of outside: place (a file or address that a setting is given as) | path (a text that
                                        -- looks like one) | operation (TensorFlow's, on files) | engine (a compiled model in a file
                                        -- beside an ONNX file) | external-link |
                                        -- external-storage | virtual-dataset (of HDF5) | data-absolute |
                                        -- data-outside | data-backslash | data-link | data-hardlink | data-unknown-key (of
                                        -- the external data of an ONNX file: its place, or what is there)
                                        -- of ambiguous: registered (a public class of Keras, registered as another) |
                                        -- ending (the name of the file says another format)
                                        -- of name: path | control (characters that move the cursor or the text)
    layer          INTEGER REFERENCES layer, -- that it is part of; NULL: of the compilation, the file, or a layer that is not called
    route          TEXT NOT NULL,       -- where: `model_config.config.layers[2].config.function`, a path in HDF5, a member of the archive
    found          TEXT NOT NULL,       -- what is there: `os.system`, `/etc/words.txt` …; cut to 120 characters
    bytes          INTEGER,             -- of code: its length
    digest         TEXT NOT NULL        -- first 32 hexadecimal digits of the SHA-256 of the settings of the object that it is in, or of
                                        -- what is there: another one, other content
) STRICT;
