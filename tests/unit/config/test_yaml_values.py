"""Plain values of YAML files mean one thing, or are refused with their line."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

from mlpipes_cli.config.dataset.config import load_dataset
from mlpipes_cli.config.yaml_source import ComposeLoader, dump_flow, dump_yaml, parse_yaml
from mlpipes_cli.errors import ConfigError

READ = {
    "12:30": "12:30",
    "22:22": "22:22",
    "1:30.5": "1:30.5",
    "1_000": 1000,
    "-1_000_000": -1_000_000,
    "2024_01": "2024_01",
    "1_0.5": "1_0.5",
    "0": 0,
    "+5": 5,
    "0x1F": 31,
    "1e-3": 0.001,
    ".5": 0.5,
    "0.5": 0.5,
    "1.": 1.0,
    "0123.5": 123.5,
    "-.inf": float("-inf"),
    "True": True,
    "false": False,
    "y": "y",
    "n": "n",
    "~": None,
    "2024-01-31": datetime.date(2024, 1, 31),
}
REFUSED = ("010", "-010", "08", "00501", "0_1", "0b11", "0o10", "yes", "No", "on", "OFF")


@pytest.mark.parametrize(("text", "value"), READ.items())
def test_a_plain_value_is_what_yaml_1_2_says(text: str, value: Any) -> None:
    found = parse_yaml(f"a: {text}\n", "f").data["a"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("text", REFUSED)
def test_a_value_with_two_meanings_is_refused_and_quotes_make_it_a_text(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_yaml(f"a: 1\nb:\n  - {text}\n", "f.yaml")
    (problem,) = refused.value.problems
    assert problem.startswith(f"f.yaml:3: b -> 0: {text} is ") and f"'{text}' for the text" in problem
    assert parse_yaml(f"a: '{text}'\n", "f").data == {"a": text}


def test_all_such_values_and_keys_of_a_dataset_are_named_at_once(tmp_path: Path) -> None:
    file = tmp_path / "dataset.yaml"
    file.write_text(
        "dataset: loans\nsource: a.csv\ncolumns:\n  010: {min: 010, max: 12}\n  flag: {values: [yes, no]}\n"
    )
    with pytest.raises(ConfigError) as refused:
        load_dataset(file, "dataset.yaml")
    assert [problem.split(" is ")[0] for problem in refused.value.problems] == [
        "dataset.yaml:4: columns -> 010: 010",
        "dataset.yaml:4: columns -> 010 -> min: 010",
        "dataset.yaml:5: columns -> flag -> values -> 0: yes",
        "dataset.yaml:5: columns -> flag -> values -> 1: no",
    ]


@pytest.mark.parametrize("text", [*READ, *REFUSED, "null", "a: b", "1.5"])
def test_texts_are_written_so_that_they_are_read_again(text: str) -> None:
    assert parse_yaml(dump_yaml({text: text}), "f").data == {text: text}
    assert parse_yaml(f"a: {dump_flow([text])}", "f").data == {"a": [text]}


def test_a_compose_file_has_octal_modes_and_ports_as_docker_reads_them() -> None:
    text = "mode: 0440\nports: [22:22]\nrestart: no\n"
    assert parse_yaml(text, "f", ComposeLoader).data == {"mode": 0o440, "ports": ["22:22"], "restart": False}
