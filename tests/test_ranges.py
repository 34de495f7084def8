"""An operation is said to give NaN or infinity where a reference evaluation gives them, and not where it does not."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper, parser
from onnx.reference import ReferenceEvaluator
from support import FIXTURES

from archlint.pipeline import check
from archlint.rules import choose, load

NETWORK = """<ir_version: 8, opset_import: ["" : 17]>
net (float[N,8] x) => (float[N,M] y) <int64[1] axes = {{1}}, float zero = {{0}}, float one = {{1}}, float two = {{2}},
  float half = {{0.5}}, float third = {{0.3333}}, float minus_half = {{-0.5}}, float three = {{3}}, float six = {{6}},
  float ten = {{10}}, float hundred = {{100}}, float tiny = {{0.000001}}, float[1,6] mixed = {{-1, 1, 2, 3, 4, 5}}>
{{ h = Gemm (x, w, b)  g = Gemm (x, v, c)  {body} }}"""
"""`h` and `g` are layers that read the same input; `f` and `f6` are filter banks, without negative weights."""

REACHES = {
    "log of a linear layer": "y = Log (h)",
    "log of a ReLU": "a = Relu (h) y = Log (a)",
    "log of a ReLU that sees a second layer": "a = Relu (h) d = Gemm (a, u, b) e = Relu (d) y = Log (e)",
    "log of a sigmoid": "a = Sigmoid (h) y = Log (a)",
    "log of one minus a sigmoid": "a = Sigmoid (h) d = Sub (one, a) y = Log (d)",
    "log of a softmax": "a = Softmax <axis=1> (h) y = Log (a)",
    "log of a softmax that was reshaped": "a = Softmax <axis=1> (h) d = Unsqueeze (a, axes) y = Log (d)",
    "log of a shifted tanh": "a = Tanh (h) d = Add (a, one) y = Log (d)",
    "log of a product with a ReLU": "a = Relu (h) d = Sigmoid (g) e = Mul (a, d) y = Log (e)",
    "log of a concatenation of ReLUs": "a = Relu (h) d = Relu (g) e = Concat <axis=1> (a, d) y = Log (e)",
    "log of a clip to zero": "a = Clip (h, zero, one) y = Log (a)",
    "log of a ReLU's mean": "a = Relu (h) d = ReduceMean <axes=[1]> (a) y = Log (d)",
    "log of the largest of some ReLUs": "a = Relu (h) d = ReduceMax <axes=[1]> (a) y = Log (d)",
    "log of a sum of two ReLUs": "a = Relu (h) d = Relu (g) e = Add (a, d) y = Log (e)",
    "log of a square behind a ReLU": "a = Relu (h) d = Mul (a, a) y = Log (d)",
    "root of a linear layer": "y = Sqrt (h)",
    "root of a linear layer with an epsilon": "a = Add (h, tiny) y = Sqrt (a)",
    "root of an unbounded value and a bounded one": "a = Sigmoid (h) d = Add (h, a) y = Sqrt (d)",
    "root of the difference of two layers": "a = Sub (h, g) y = Sqrt (a)",
    "root of a GELU": "a = Sigmoid (h) d = Mul (a, h) y = Sqrt (d)",
    "division by a ReLU": "a = Relu (h) y = Div (g, a)",
    "division by the sum of a ReLU": "a = Relu (h) d = ReduceSum (a, axes) y = Div (a, d)",
    "division by the length of a ReLU": "a = Relu (h) d = ReduceL2 <axes=[1]> (a) y = Div (a, d)",
    "division by zero": "y = Div (h, zero)",
    "reciprocal of a ReLU": "a = Relu (h) y = Reciprocal (a)",
    "ReLU to a negative power": "a = Relu (h) y = Pow (a, minus_half)",
    "linear layer to a broken power": "y = Pow (h, third)",
    "exponential of what is clipped too high": "a = Clip (h, zero, hundred) y = Exp (a)",
    "exponential of a scaled ReLU6": "a = Clip (h, zero, six) d = Mul (a, hundred) y = Exp (d)",
    "arc cosine of a linear layer": "y = Acos (h)",
    "norm of a ReLU without epsilon": "a = Relu (h) s = Mul (a, a) m = ReduceMean <axes=[1]> (s) d = Add (m, zero) "
    "r = Sqrt (d) y = Div (a, r)",
}

SAFE = {
    "log with an epsilon": "a = Relu (h) d = Add (a, tiny) y = Log (d)",
    "log of a larger one": "a = Relu (h) d = Max (a, tiny) y = Log (d)",
    "log of a larger one of three": "d = Max (h, g, tiny) y = Log (d)",
    "log of a clip": "a = Softmax <axis=1> (h) d = Clip (a, tiny) y = Log (d)",
    "log of a clip with both ends": "a = Sigmoid (h) d = Clip (a, tiny, one) y = Log (d)",
    "log of one and a ReLU": "a = Relu (h) d = Add (one, a) y = Log (d)",
    "log of a filter bank": "a = Mul (x, x) d = MatMul (a, f) y = Log (d)",
    "log of a filter bank with an epsilon": "a = Relu (h) d = MatMul (a, f6) e = Add (d, tiny) y = Log (e)",
    "log of an exponential of something bounded": "a = Tanh (h) d = Exp (a) y = Log (d)",
    "log of a sum over a softmax": "a = Softmax <axis=1> (h) d = ReduceSum (a, axes) y = Log (d)",
    "log of a bounded softmax": "a = Tanh (h) d = Softmax <axis=1> (a) y = Log (d)",
    "log of a sigmoid of something bounded": "a = Tanh (h) d = Sigmoid (a) y = Log (d)",
    "log where there is something": "a = Relu (h) p = Greater (a, tiny) d = Where (p, a, one) y = Log (d)",
    "log of a scaled and shifted tanh": "a = Tanh (h) d = Mul (a, half) e = Add (d, one) y = Log (e)",
    "log of a softplus with an epsilon": "a = Softplus (h) d = Add (a, tiny) y = Log (d)",
    "root of a ReLU": "a = Relu (h) y = Sqrt (a)",
    "root of a square": "a = Mul (h, h) y = Sqrt (a)",
    "root of a variance": "m = ReduceMean <axes=[1]> (h) a = Sub (h, m) s = Mul (a, a) q = ReduceMean <axes=[1]> (s) "
    "y = Sqrt (q)",
    "root of what is left of one": "a = Tanh (h) s = Mul (a, a) d = Sub (one, s) y = Sqrt (d)",
    "root of a difference that is none": "a = Relu (h) s = Relu (a) d = Sub (a, s) y = Sqrt (d)",
    "division by an exponential": "a = Tanh (h) d = Exp (a) y = Div (g, d)",
    "division by one and a ReLU": "a = Relu (h) d = Add (a, one) y = Div (g, d)",
    "division by a linear layer, which is never quite zero": "y = Div (g, h)",
    "division by a constant": "y = Div (h, mixed)",
    "division by the sum of a softmax": "a = Softmax <axis=1> (h) d = ReduceSum (a, axes) y = Div (a, d)",
    "division by the length of a linear layer": "d = ReduceL2 <axes=[1]> (h) y = Div (h, d)",
    "division of a ReLU": "a = Relu (h) y = Div (a, ten)",
    "square of a linear layer": "y = Pow (h, two)",
    "cube of a linear layer": "y = Pow (h, three)",
    "ReLU to a broken power": "a = Relu (h) y = Pow (a, third)",
    "exponential of what is clipped": "a = Clip (h, zero, ten) y = Exp (a)",
    "exponential of a log variance": "a = Mul (h, tiny) y = Exp (a)",
    "arc cosine of a tanh": "a = Tanh (h) y = Acos (a)",
    "norm of a ReLU": "a = Relu (h) s = Mul (a, a) m = ReduceMean <axes=[1]> (s) d = Add (m, tiny) r = Sqrt (d) "
    "y = Div (a, r)",
}

WEIGHTS = {"w": (8, 6), "v": (8, 6), "u": (6, 6), "b": 6, "c": 6}
FILTERS = {"f": (8, 6), "f6": (6, 6)}


def model(body):
    """The network with this body; its layers put out some ten to a hundred."""
    made, random = parser.parse_model(NETWORK.format(body=body)), np.random.default_rng(0)
    weights = {name: random.normal(0, 1, shape) for name, shape in WEIGHTS.items()}
    weights |= {name: random.uniform(0.1, 1, shape) for name, shape in FILTERS.items()}
    made.graph.initializer.extend(
        numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()
    )
    return made


def is_finite(made):
    """Whether the model puts out numbers for 2,000 inputs within 50 of zero."""
    inputs = np.random.default_rng(1).uniform(-50, 50, (2_000, 8)).astype(np.float32)
    with np.errstate(all="ignore"):
        (found,) = ReferenceEvaluator(made).run(None, {"x": inputs})
    return bool(np.isfinite(found).all())


@pytest.fixture(scope="module")
def unsafe_domain():
    return choose(load(), ["NUM001"])


@pytest.fixture
def fires(tmp_path, unsafe_domain):
    def on(made):
        path = tmp_path / "model.onnx"
        path.write_bytes(made.SerializeToString())
        return found_in(path, unsafe_domain)

    return on


def found_in(path, rules):
    report = check(path, rules)
    assert report.error is None
    assert not report.not_checked
    return [finding.message for finding in report.findings]


@pytest.mark.parametrize("name", REACHES)
def test_what_fires_gives_nan_or_infinity(name, fires):
    made = model(REACHES[name])
    assert fires(made)
    assert not is_finite(made)


@pytest.mark.parametrize("name", SAFE)
def test_what_gives_numbers_does_not_fire(name, fires):
    made = model(SAFE[name])
    assert is_finite(made)
    assert not fires(made)


UNDECIDED = {
    "log of what the caller passes": "y = Log (x)",
    "log of a ReLU of what the caller passes": "a = Relu (x) y = Log (a)",
    "log of a filter bank": "a = MatMul (x, f) y = Log (a)",
    "root of the mean square less the squared mean": "s = Mul (h, h) p = ReduceMean <axes=[1]> (s) "
    "m = ReduceMean <axes=[1]> (h) q = Mul (m, m) d = Sub (p, q) y = Sqrt (d)",
    "exponential of a log variance": "y = Exp (h)",
    "division by a layer that may be zero": "y = Reciprocal (h)",
    "log that is mended": "a = Relu (h) d = Log (a) p = Greater (a, zero) y = Where (p, d, zero)",
}


@pytest.mark.parametrize("name", UNDECIDED)
def test_what_depends_on_the_input_or_is_meant_does_not_fire(name, fires):
    assert not fires(model(UNDECIDED[name]))


# -- half precision --


HALF = """<ir_version: 8, opset_import: ["" : 15]>
net (TYPE[N,8] x) => (TYPE[N,8] y)
{ m = ReduceMean <axes = [-1]> (x)  d = Sub (x, m)  s = Mul (d, d)
  v = ReduceMean <axes = [-1]> (s)  e = Add (v, epsilon)  r = Sqrt (e)  n = Div (d, r)  k = Mul (n, gamma)
  y = Add (k, beta) }"""
"""A layer norm that is written out, as PyTorch does it for old opsets."""


def norm(epsilon, dtype):
    made = parser.parse_model(HALF.replace("TYPE", {"float16": "float16", "float32": "float"}[dtype]))
    stored = {"epsilon": np.array([[epsilon]]), "gamma": np.ones(8), "beta": np.zeros(8)}
    made.graph.initializer.extend(numpy_helper.from_array(value.astype(dtype), name) for name, value in stored.items())
    return made


@pytest.mark.parametrize(
    ("epsilon", "dtype", "expected"), [(1e-12, "float16", True), (1e-5, "float16", False), (1e-12, "float32", False)]
)
def test_the_epsilon_of_a_norm_vanishes_in_half_precision(epsilon, dtype, expected, fires):
    made = norm(epsilon, dtype)
    near = np.linspace(0, 1e-4, 8, dtype=dtype)[None]
    with np.errstate(all="ignore"):
        (found,) = ReferenceEvaluator(made).run(None, {"x": near})
    assert np.isfinite(found).all() != expected
    assert bool(fires(made)) is expected


# -- sound networks --

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
NETWORKS = sorted([*(FIXTURES / "exports").glob("*.onnx"), *LIGHT.glob("*.onnx")])


@pytest.mark.parametrize("path", NETWORKS, ids=[path.stem for path in NETWORKS])
def test_sound_networks_do_not_fire(path, unsafe_domain):
    assert found_in(path, unsafe_domain) == []
