"""``threshold:`` of an experiment file and of its runs."""

from __future__ import annotations

from typing import Any

import pytest

from mlpipes_cli.config.experiment import ExperimentConfig
from mlpipes_cli.config.problems import validate
from mlpipes_cli.config.yaml_source import YamlSource, parse_yaml
from mlpipes_cli.errors import ConfigError
from mlpipes_cli.lifecycle.training.checks import check_thresholds
from mlpipes_cli.lifecycle.training.spec import candidate, resolved, resolved_yaml

COST = {"cost": {"false_positive": 1.0, "false_negative": 20.0}}
FORMS = "f1, mcc, {cost: {false_positive: 1, false_negative: 20}}, {rate: 0.02}, a number, or none"


def read(whole: str = "", one: str = "") -> tuple[ExperimentConfig, YamlSource]:
    """A file with two runs; the second has a threshold of its own if one is given."""
    lines = ["experiment: rare", "data: {source: a.csv, target: y}"]
    lines += [f"threshold: {whole}"] if whole else []
    lines += ["runs:", "- {name: a, trainer: sklearn, estimator: sklearn.dummy.DummyClassifier}"]
    lines += ["- name: b", "  trainer: sklearn", "  estimator: sklearn.dummy.DummyClassifier"]
    lines += [f"  threshold: {one}"] if one else []
    source = parse_yaml("\n".join(lines), "experiment.yaml")
    return validate(ExperimentConfig, source), source


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("f1", "f1"), ("mcc", "mcc"), ("0.3", 0.3), ("1", 1.0), ("-2.5", -2.5),
        ("{rate: 0.02}", {"rate": 0.02}),
        ("{cost: {false_positive: 1, false_negative: 20}}", COST),
    ],
)  # fmt: skip
def test_every_form_for_the_file_or_for_a_run(text: str, wanted: Any) -> None:
    config, _ = read(text)
    assert [resolved(run, config)["threshold"] for run in config.runs] == [wanted, wanted]
    config, _ = read("", text)
    assert ["threshold" in resolved(run, config) for run in config.runs] == [False, True]
    config, _ = read("0.9", text)
    assert [resolved(run, config)["threshold"] for run in config.runs] == [0.9, wanted]


def test_a_run_may_keep_its_librarys_own_labels() -> None:
    config, _ = read("f1", "none")
    assert [resolved(run, config).get("threshold") for run in config.runs] == ["f1", None]


def test_without_one_a_run_is_what_it_was() -> None:
    config, _ = read()
    spec = resolved(config.runs[0], config)
    assert "threshold" not in spec
    assert spec == config.runs[0].model_dump(exclude={"threshold", "cross_validate"})


def test_the_rule_makes_another_candidate_which_its_own_file_makes_again() -> None:
    hashes = []
    for whole in ("", "f1", "mcc", "0.3", "{rate: 0.02}", "{cost: {false_positive: 1, false_negative: 20}}"):
        config, _ = read(whole)
        one = candidate(config.runs[0], config, "ks", ())
        again = resolved_yaml(config, one, "ks", "binary", 1)
        other = validate(ExperimentConfig, parse_yaml(again, "resolved"))
        assert candidate(other.runs[0], other, "ks", ()).hash == one.hash
        assert ("threshold" in one.params()) == bool(whole)
        hashes.append(one.hash)
    assert len(set(hashes)) == len(hashes)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("f2", f": expected {FORMS}; got 'f2'"),
        ("true", f": expected {FORMS}; got True"),
        (".inf", f": expected {FORMS}; got inf"),
        ("{share: 0.1}", f": expected {FORMS}; got {{'share': 0.1}}"),
        ("{rate: 2}", " -> rate: input should be less than 1, got 2"),
        ("{cost: {false_positive: 1}}", " -> cost: 'false_negative' is missing"),
        ("{cost: {false_positive: 0, false_negative: 1}}",
         " -> cost -> false_positive: input should be greater than 0, got 0"),
    ],
)  # fmt: skip
def test_what_it_cannot_be_is_told_with_its_line(text: str, told: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(text)
    assert error.value.lines() == [f"experiment.yaml:3: threshold{told}"]
    with pytest.raises(ConfigError) as error:
        read("", text)
    assert error.value.lines() == [f"experiment.yaml:8: runs -> 1 -> threshold{told}"]


@pytest.mark.parametrize(
    ("task", "kind"), [("multiclass", "of several classes"), ("regression", "a quantity")]
)
def test_it_is_for_binary_targets(task: Any, kind: str) -> None:
    config, source = read("f1", "0.3")
    check_thresholds(config, source, "binary")
    with pytest.raises(ConfigError) as error:
        check_thresholds(config, source, task)
    text = f"a threshold needs a binary target, and this one is {kind}; remove `threshold`"
    assert error.value.lines() == [
        f"experiment.yaml:3: threshold: {text}", f"experiment.yaml:9: runs -> 1 -> threshold: {text}"
    ]  # fmt: skip
    check_thresholds(*read("none", "none"), task)
