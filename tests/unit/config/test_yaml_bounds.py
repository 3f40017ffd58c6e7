"""YAML that is small and stands for much, on every door that it comes through."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from mlpipes_cli.config import yaml_bounds
from mlpipes_cli.config.yaml_source import parse_yaml
from mlpipes_cli.errors import ConfigError
from mlpipes_cli.server.models.signature import describe

LETTERS = "abcdefghijklm"


def grown(line: str) -> str:
    """Each line refers to the one before nine times."""
    lines = [line.format(name=new, many=",".join(["*" + old] * 9)) for old, new in pairwise(LETTERS)]
    return "\n".join(lines)


BOMBS = {
    "lists": "a: &a [x,x,x,x,x,x,x,x,x]\n" + grown("{name}: &{name} [{many}]"),
    "merges": "a: &a {x: 1}\n" + grown("{name}: &{name} {{<<: [{many}]}}"),
    "keys": "a: &a {x: 1}\n" + grown("{name}: &{name} [{many}, {{? *a : 1}}]"),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_aliases_that_unfold_to_billions_are_refused_in_bounded_memory(kind: str, tmp_path: Path) -> None:
    text = BOMBS[kind]
    assert len(text) < 600
    (tmp_path / "MLmodel").write_text(text)
    tracemalloc.start()
    with pytest.raises(ConfigError) as refused:
        parse_yaml(text, "experiment.yaml")
    with pytest.raises(yaml.YAMLError):
        yaml_bounds.load(text)
    with pytest.raises(ValueError, match="expand to more than"):
        describe(tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000
    (line,) = refused.value.lines()
    assert line.startswith("experiment.yaml:") and line.endswith(
        "its aliases expand to more than 10000 values"
    )


def test_merges_of_merges_cost_what_they_stand_for() -> None:
    text = "k0: &k0 {x: 1}\n" + "".join(f"k{i}: &k{i} {{<<: *k{i - 1}, y{i}: 1}}\n" for i in range(1, 60))
    source = parse_yaml(text, "f.yaml")
    assert source.data["k59"]["x"] == 1 and len(source.data["k59"]) == 60
    assert source.line(("k59", "x")) == 1 and source.line(("k59", "y30")) == 31


@pytest.mark.parametrize(
    "text", ["a: " + "[" * 200_000, "a: " + "{b: " * 150 + "1" + "}" * 150, "- " * 200 + "x"]
)
def test_deep_nesting_is_refused_and_does_not_end_the_process(text: str) -> None:
    with pytest.raises(ConfigError, match="nested deeper than 100 levels"):
        parse_yaml(text, "f.yaml")


def test_aliases_as_people_use_them_are_read() -> None:
    text = "base: &b {params: {C: 1, max_iter: 100}}\nruns:\n" + "".join(
        f"  - {{<<: *b, name: r{i}}}\n" for i in range(500)
    )
    source = parse_yaml(text, "f.yaml")
    assert source.data["runs"][499] == {"params": {"C": 1, "max_iter": 100}, "name": "r499"}
    assert source.line(("runs", 7, "params", "C")) == 1 and source.line(("runs", 7, "name")) == 10
    assert yaml_bounds.load(text) == source.data == yaml.safe_load(text)
