"""The lab decides rightly from few numbers, and says so in a sentence."""

from collections.abc import Sequence
from math import inf, log

import msgspec
import pytest

from archlint.lab.events import common_ends
from archlint.lab.statistics import (
    Decision,
    count,
    decide,
    holm,
    interval,
    log_ratios,
    looks,
    student,
    student_quantile,
)
from archlint.lab.verdict import Answer, Effect, Outcome, Part, Reason, Scope, Verdict

YES, NO, UNCLEAR, UNTESTED = (Part(answer=answer) for answer in Answer)
SCOPE = Scope(data="train.npz", optimizer="adam", epochs=20)


@pytest.mark.parametrize(
    ("degrees", "quantile"),
    [(1, 12.7062), (2, 4.30265), (3, 3.18245), (4, 2.77645), (5, 2.57058), (7, 2.36462), (30, 2.04227)],
)
def test_the_quantiles_are_those_of_students_table(degrees: int, quantile: float) -> None:
    assert student_quantile(0.95, degrees) == pytest.approx(quantile, rel=1e-5)
    assert student(quantile, degrees) == pytest.approx(0.95, rel=1e-5)


def test_an_interval_is_students() -> None:
    found = interval([0.10, 0.12, 0.14])
    assert (found.mean, found.low, found.high) == pytest.approx((0.12, 0.070317, 0.169683), abs=1e-6)
    assert found.p == pytest.approx(0.009133, abs=1e-6)
    assert found.k == 3


def test_an_interval_and_its_p_value_agree_on_whether_it_is_zero() -> None:
    for samples in ([0.1, 0.2, 0.35], [0.1, 0.2, 0.6], [-0.1, 0.2, 0.1, 0.12]):
        found = interval(samples)
        assert (found.low > 0) == (found.p < 0.05)


def test_equal_samples_have_an_interval_without_width() -> None:
    assert interval([0.25, 0.25, 0.25])[:3] == (0.25, 0.25, 0.25)
    assert interval([0.25, 0.25, 0.25]).p == 0
    assert interval([0.0, 0.0, 0.0]).p == 1


def test_a_log_ratio_is_positive_where_the_change_helps() -> None:
    assert log_ratios([2.0, 1.0], [1.0, 2.0]) == pytest.approx([log(2), -log(2)])
    assert interval(log_ratios([1.14] * 3, [1.0] * 3)).effect == pytest.approx(0.14)


@pytest.mark.parametrize("loss", [0.0, -1.0, inf, float("nan")])
def test_losses_without_a_logarithm_are_refused(loss: float) -> None:
    with pytest.raises(ValueError, match="Received"):
        log_ratios([1.0, loss], [1.0, 1.0])


@pytest.mark.parametrize(
    ("samples", "decision"),
    [
        ([0.14, 0.13], Decision.more),
        ([0.14, 0.13, 0.15], Decision.confirmed),
        ([0.01, 0.011, 0.012], Decision.refuted),  # there, but not worth a change
        ([-0.1, -0.11, -0.12], Decision.refuted),
        ([0.3, -0.2, 0.1], Decision.more),
        ([0.3, -0.2, 0.1, 0.2, -0.1, 0.1], Decision.noisy),
        ([0.14, 0.13, 0.15, -9.0, -9.0, -9.0], Decision.confirmed),  # it would have ended at three
    ],
)
def test_the_rule_looks_after_each_seed(samples: Sequence[float], decision: Decision) -> None:
    assert decide(samples) is decision


@pytest.mark.parametrize(
    ("fewest", "most", "found"),
    [(3, 6, (3, 4, 5, 6)), (3, 8, (3, 4, 5, 6, 8)), (5, 8, (5, 6, 8)), (4, 4, (4,)), (7, 7, (7,))],
)
def test_it_is_looked_at_from_the_fewest_seeds_on_and_at_the_last(
    fewest: int, most: int, found: tuple[int, ...]
) -> None:
    assert looks(fewest, most) == found


def test_nothing_is_decided_before_the_fewest_seeds_and_by_their_look() -> None:
    samples = [0.14, 0.13, 0.15, 0.1]
    assert decide(samples, fewest=5) is Decision.more
    assert decide([*samples, -1.5], fewest=5) is Decision.more
    assert decide([*samples, 0.12], fewest=5) is Decision.confirmed


def test_a_thorough_run_looks_once_more() -> None:
    samples = [0.3, -0.2, 0.1, 0.2, -0.1, 0.1]
    assert decide(samples, most=8) is Decision.more
    assert decide([*samples, 0.1, 0.1], most=8) is Decision.noisy


@pytest.mark.parametrize(
    ("failed", "remedied", "decision"),
    [
        ([True] * 4, [False] * 4, Decision.more),
        ([True, True, True, False, False], [False] * 5, Decision.confirmed),
        ([True, True, False, False, False], [False] * 5, Decision.noisy),
        ([True] * 5, [False, False, False, False, True], Decision.noisy),
        ([True] * 5, None, Decision.confirmed),
        ([False] * 5, None, Decision.refuted),
    ],
)
def test_failures_are_counted(failed: Sequence[bool], remedied: Sequence[bool] | None, decision: Decision) -> None:
    assert count(failed, remedied) is decision


def test_holm_multiplies_the_smallest_the_most_and_keeps_the_order() -> None:
    assert holm([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.09, 0.09, 0.5])
    assert holm([0.04]) == [0.04]
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@pytest.mark.parametrize(
    ("mechanism", "symptom", "remedy", "outcome"),
    [
        (YES, YES, YES, Outcome.confirmed),
        (YES, UNTESTED, UNTESTED, Outcome.confirmed),
        (UNTESTED, YES, YES, Outcome.confirmed),
        (YES, NO, UNTESTED, Outcome.mechanism_only),
        (YES, NO, YES, Outcome.mechanism_only),
        (YES, YES, NO, Outcome.remedy_refuted),
        (NO, UNTESTED, UNTESTED, Outcome.refuted),
        (UNTESTED, NO, UNTESTED, Outcome.refuted),
        (YES, UNCLEAR, YES, Outcome.inconclusive),
        (YES, YES, UNCLEAR, Outcome.inconclusive),
        (UNTESTED, UNTESTED, YES, Outcome.inconclusive),
        (UNTESTED, UNTESTED, UNTESTED, Outcome.inconclusive),
    ],
)
def test_the_outcome_follows_from_the_three_parts(
    mechanism: Part, symptom: Part, remedy: Part, outcome: Outcome
) -> None:
    assert verdict(mechanism=mechanism, symptom=symptom, remedy=remedy).outcome is outcome


def test_a_reason_makes_it_inconclusive() -> None:
    found = verdict(mechanism=YES, reason=Reason.data)
    assert found.outcome is Outcome.inconclusive
    assert (
        found.sentence
        == "whether the network overfits at dense is undecided: it takes training data; give it with --data"
    )


def test_without_a_reason_what_is_inconclusive_is_noisy() -> None:
    assert verdict(symptom=UNCLEAR).reason is Reason.noisy


def test_refuted_always_says_where_and_for_how_long() -> None:
    sentence = verdict(symptom=Part(answer=Answer.no, metric="rise", value=0.011), seeds=3).sentence
    assert sentence == (
        "the network overfits at dense: refuted, within 20 epochs, on train.npz, with adam and 3 seeds: rise 0.011"
    )


def test_a_confirmed_remedy_says_by_how_much() -> None:
    effect = Effect.of("best loss", interval([0.13, 0.13, 0.14]))
    found = verdict(symptom=YES, remedy=YES, remedy_name="add-dropout", effects=(effect,), seeds=3)
    assert "overfits at dense: confirmed, and add-dropout helps" in found.sentence
    assert "best loss +14.3% [+12.6%, +15.9%]" in found.sentence


RISE = Part(answer=Answer.yes, metric="rise", value=0.83, low=0.32, high=1.53, threshold=0.03)


def test_a_shown_harm_is_told_where_only_the_remedy_is_open() -> None:
    """With its number and interval, and what the remedy came to."""
    effect = Effect.of("best loss", interval([-0.1, 0.1, 0.05]))
    found = verdict(symptom=RISE, remedy=UNCLEAR, remedy_name="add-dropout", effects=(effect,), seeds=3)
    assert found.outcome is Outcome.inconclusive
    assert found.sentence.startswith(
        "the network overfits at dense: shown, within 20 epochs, on train.npz, with adam and 3 seeds: "
        "rise +83.0% [+32.0%, +153.0%]; whether add-dropout helps is undecided: "
        "the runs differ more from each other than the arms do: best loss "
    )


def test_a_harm_that_does_not_hold_beside_other_claims_is_not_told_as_shown() -> None:
    found = verdict(symptom=RISE, remedy=UNCLEAR, reason=Reason.seeds)
    assert found.sentence.startswith("whether the network overfits at dense is undecided: more seeds are needed")


def test_without_a_second_arm_nothing_is_said_of_arms() -> None:
    """The interval tells why it is open."""
    rise = Part(answer=Answer.unclear, metric="rise", value=0.098, low=-0.01, high=0.22, threshold=0.03)
    assert verdict(symptom=rise).sentence == (
        "whether the network overfits at dense is undecided: the seeds do not agree: rise +9.8% [-1.0%, +22.0%]"
    )


@pytest.mark.parametrize(("mechanism", "symptom"), [(YES, UNTESTED), (YES, YES), (UNTESTED, YES)])
def test_what_is_shown_is_said_where_the_remedy_does_not_help(mechanism: Part, symptom: Part) -> None:
    sentence = verdict(mechanism=mechanism, symptom=symptom, remedy=NO, remedy_name="clip").sentence
    assert sentence.startswith("the network overfits at dense: shown, but clip does not help, within 20 epochs")


def test_seeds_that_were_counted_are_told_as_such() -> None:
    part = Part(answer=Answer.yes, metric="it explodes", value=0.6, threshold=0.5, seeds=5)
    assert part.amount() == "3 of 5 seeds"
    assert verdict(symptom=part, seeds=5).sentence.endswith("5 seeds: it explodes in 3 of 5 seeds")


def test_an_effect_has_the_differences_that_it_is_the_mean_of() -> None:
    effect = Effect.of("end", interval([0.0, 0.1, 0.2]), [0.0, 0.1, 0.2])
    assert effect.differences == pytest.approx((0, 0.1052, 0.2214), abs=1e-4)
    assert min(effect.differences) <= effect.mean <= max(effect.differences)


def test_ends_are_compared_over_the_epochs_that_both_runs_have() -> None:
    """The mean of their last tenth; what one of them did afterwards does not count."""
    long = [5.0] * 18 + [1.0, 3.0] + [100.0] * 10
    assert common_ends(long, [4.0] * 20) == (2.0, 4.0)
    assert common_ends([4.0] * 20, long) == (4.0, 2.0)


def test_what_is_measured_before_training_says_so() -> None:
    scope = Scope(data="random inputs", optimizer="adam")
    assert "before training, on random inputs" in verdict(mechanism=NO, scope=scope).sentence


def test_a_verdict_survives_json() -> None:
    found = verdict(symptom=YES, effects=(Effect.of("best", interval([0.1, 0.2, 0.3])),), numbers={"usd": 1e-5})
    assert msgspec.json.decode(msgspec.json.encode(found), type=Verdict) == found


def verdict(scope: Scope = SCOPE, **found: object) -> Verdict:
    return Verdict(rule="OVF001", claim="overfits", layer="dense", scope=scope, **found).concluded()  # type: ignore[arg-type]
