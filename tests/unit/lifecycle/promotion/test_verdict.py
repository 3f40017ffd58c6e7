"""Gates and the yes or no."""

import pytest

from mlpipes_cli.config.project import Gate
from mlpipes_cli.lifecycle.promotion import verdict
from mlpipes_cli.lifecycle.promotion.verdict import AliasHolder
from mlpipes_cli.ports import RunRecord
from mlpipes_cli.scoring.compare import ModelComparison

RUN = RunRecord("r", "e", "forest", "FINISHED", 1, {"ks": 0.5, "log_loss": 0.3, "mcc": float("nan")}, {}, {})
HOLDER = AliasHolder(3, "old")


def comparison(better: bool) -> ModelComparison:
    return ModelComparison(
        metric="ks", incumbent=0.4, challenger=0.5, difference=0.1, lower=0.02 if better else -0.05,
        p_value=0.01 if better else 0.3, candidates=4, rows=200, better=better, reason="the reason",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("bounds", "passed"),
    [
        ({"metric": "ks", "min": 0.5}, True),
        ({"metric": "ks", "min": 0.500001}, False),
        ({"metric": "log_loss", "max": 0.3}, True),
        ({"metric": "log_loss", "max": 0.29}, False),
        ({"metric": "ks", "min": 0.4, "max": 0.6}, True),
        ({"metric": "ks", "min": 0.1, "max": 0.4}, False),
        ({"metric": "rmse", "max": 1.0}, False),
        ({"metric": "mcc", "min": -1.0}, False),
    ],
)
def test_gates(bounds: dict[str, object], passed: bool):
    (result,) = verdict.check_gates([Gate(**bounds)], RUN)
    assert result.passed is passed
    assert bool(verdict.failures([result])) is not passed


def test_what_a_failed_gate_says():
    gates = [Gate(metric="ks", min=0.7), Gate(metric="log_loss", max=0.1), Gate(metric="rmse", max=1)]
    assert verdict.failures(verdict.check_gates(gates, RUN)) == [
        "ks 0.5 is below the gate's min 0.7",
        "log_loss 0.3 is above the gate's max 0.1",
        "the gate on rmse cannot be checked: the run does not have that metric",
    ]
    gates += [Gate(metric="mcc", min=0), Gate(metric="mcc", max=1)]
    assert verdict.failures(verdict.check_gates(gates, RUN))[2:] == [
        "the gates on rmse and mcc cannot be checked: the run does not have those metrics"
    ]


def test_a_first_promotion_needs_the_gates_alone():
    good, bad = (verdict.check_gates([Gate(metric="ks", min=bound)], RUN) for bound in (0.1, 0.9))
    assert verdict.judge((), None, None)[0]
    assert verdict.judge(good, None, None)[0]
    assert not verdict.judge(bad, None, None)[0]


def test_against_an_incumbent():
    assert verdict.judge((), HOLDER, comparison(True)) == (True, "the reason")
    assert verdict.judge((), HOLDER, comparison(False)) == (False, "the reason")
    assert not verdict.judge((), HOLDER, None)[0], "no comparison is no yes"


def test_better_but_past_a_gate():
    bad = verdict.check_gates([Gate(metric="ks", min=0.9)], RUN)
    assert verdict.judge(bad, HOLDER, comparison(True)) == (False, "ks 0.5 is below the gate's min 0.9")


def test_every_objection_is_told():
    bad = verdict.check_gates([Gate(metric="ks", min=0.9)], RUN)
    yes, why = verdict.judge(bad, HOLDER, None, "they cannot be compared")
    assert not yes and why == "ks 0.5 is below the gate's min 0.9; they cannot be compared"
