"""``source: dataset:NAME`` and what goes with it: weights, groups, cross-validation."""

from __future__ import annotations

from typing import Any

import pytest

from mlpipes_cli.config.experiment import ExperimentConfig
from mlpipes_cli.config.problems import validate
from mlpipes_cli.config.yaml_source import parse_yaml
from mlpipes_cli.errors import ConfigError
from mlpipes_cli.lifecycle.training.spec import candidate, resolved_yaml

TEXT = """experiment: x
data:
  source: {source}
  target: y{more}
{top}runs:
  - {{name: a, trainer: sklearn, estimator: sklearn.linear_model.Ridge{run}}}
"""


def config(source: str = "rows.csv", more: str = "", top: str = "", run: str = "") -> ExperimentConfig:
    return validate(
        ExperimentConfig, parse_yaml(TEXT.format(source=source, more=more, top=top, run=run), "e.yaml")
    )


def refused(**given: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        config(**given)
    (line,) = caught.value.lines()
    return line


@pytest.mark.parametrize(
    ("source", "name", "version"),
    [("dataset:loans", "loans", None), ("dataset:loans_2@13", "loans_2", 13), ("rows.csv", None, None)],
)
def test_a_data_set_and_its_version(source: str, name: str | None, version: int | None) -> None:
    found = config(source).data.dataset
    assert (found and found.name, found and found.version) == (name, version)


@pytest.mark.parametrize(
    "source", ["dataset:", "dataset:Loans", "dataset:loans@0", "dataset:loans@x", "dataset:a b"]
)
def test_a_name_that_is_none(source: str) -> None:
    told = f"{source!r}: write dataset:NAME, or dataset:NAME@3 for a version"
    assert refused(source=f"'{source}'") == f"e.yaml:3: data -> source: {told}"


def test_a_data_set_has_its_own_split() -> None:
    told = "a data set has its own split; remove `split`, or set it in dataset.yaml"
    assert (
        refused(source="dataset:loans", more="\n  split: {test: 0.3}") == f"e.yaml:5: data -> split: {told}"
    )


def test_a_group_excludes_other_ways_of_splitting() -> None:
    found = config(more="\n  split: {group: customer, seed: 3}").data.split
    assert (found.group, found.stratify, found.seed) == ("customer", False, 3)
    for other in ("by: day", "stratify: true"):
        line = refused(more=f"\n  split: {{group: customer, {other}}}")
        assert line == f"e.yaml:5: data -> split: `group` and `{other.split(':')[0]}` exclude each other"
    assert "`split: group` and `target` are both 'y'" in refused(more="\n  split: {group: y}")


def test_weights_are_a_column_or_none() -> None:
    assert config(more="\n  weights: w").data.weights == "w"
    assert config(more="\n  weights: false").data.weights is False
    assert config().data.weights is None
    assert "`weights` and `target` are both 'y'" in refused(more="\n  weights: y")


def test_a_run_is_cross_validated_as_it_says_or_else_as_the_file_says() -> None:
    for top, run, folds in (("", "", None), ("cross_validate: 5\n", "", 5), ("", ", cross_validate: 3", 3)):
        found = config(top=top, run=run)
        assert found.folds_of(found.runs[0]) == folds
    found = config(top="cross_validate: 5\n", run=", cross_validate: false")
    assert found.folds_of(found.runs[0]) is None
    assert "e.yaml:5: cross_validate: " in refused(top="cross_validate: 1\n")


def test_cross_validation_is_part_of_a_candidate_only_where_it_is_asked_for() -> None:
    plain, validated = config(), config(top="cross_validate: 5\n")
    made = [candidate(one.runs[0], one, "rmse", []) for one in (plain, validated)]
    assert "cross_validate" not in made[0].spec
    assert made[1].spec["cross_validate"] == 5
    assert made[0].hash != made[1].hash
    again = parse_yaml(resolved_yaml(validated, made[1], "rmse", "regression", None), "r.yaml")
    read = validate(ExperimentConfig, again)
    assert candidate(read.runs[0], read, "rmse", []).hash == made[1].hash


def test_a_resolved_file_with_a_data_set_or_a_group_can_be_read() -> None:
    for given in ({"source": "dataset:loans@3"}, {"more": "\n  split: {group: customer}"}):
        one = config(**given)
        made = candidate(one.runs[0], one, "rmse", [])
        read = validate(
            ExperimentConfig, parse_yaml(resolved_yaml(one, made, "rmse", "regression", None), "r.yaml")
        )
        assert read.data.dataset == one.data.dataset
        assert read.data.split == one.data.split
