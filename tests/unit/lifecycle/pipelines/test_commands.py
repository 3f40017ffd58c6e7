"""The command of a step is one that the command line takes, with the values of the file."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
import typer.main

from mlpipes_cli.cli import app, commands
from mlpipes_cli.config.pipeline.steps import Step
from mlpipes_cli.lifecycle.pipelines.commands import argv, shell_line

STEPS = [
    ({"data": "load", "file": "dataset.yaml"}, "data load dataset.yaml"),
    ({"data": "check"}, "data check dataset.yaml"),
    ({"data": "profile", "file": "a b.yaml", "output": "p.html"}, "data profile 'a b.yaml' --output p.html"),
    ({"data": "prepare", "file": "-x.yaml"}, "data prepare ./-x.yaml"),
    ({"train": "experiment.yaml"}, "train experiment.yaml"),
    (
        {"train": {"file": "e.yaml", "only": ["a", "b"], "parallel": 2}},
        "train e.yaml --only a --only b --parallel 2",
    ),
    ({"promote": {"metric": "ks", "to": "staging"}}, "promote --metric ks --to staging"),
    ({"promote": {}}, "promote"),
    ({"promote": {"reason": "--json"}}, "promote --reason=--json"),
    ({"monitor": {"since": "1d"}}, "monitor --since 1d"),
    (
        {"monitor": {"model": "m", "alias": "a", "rows": 500, "scheduled": True, "output": "r.html"}},
        "monitor --model m --alias a --rows 500 --scheduled --output r.html",
    ),
    (
        {"retrain": {"if": ["drift", "truth:500"], "to": "staging"}},
        "retrain --if drift,truth:500 --to staging",
    ),
    ({"build": {"alias": "production", "tag": "a:1"}}, "build --alias production --tag a:1"),
    (
        {"build": {"push": ["r.example/a:1", "r.example/a:2"]}},
        "build --push r.example/a:1 --push r.example/a:2",
    ),
    ({"promote": {"to_project": "../production"}}, "promote --to-project ../production"),
    ({"report": {}}, "report"),
    ({"report": "card.html"}, "report --output card.html"),
    (
        {"report": {"run": "forest", "to": "staging", "metric": "ks", "output": "c.md", "force": True}},
        "report forest --metric ks --to staging --output c.md --force",
    ),
]


def step(**given: Any) -> Step:
    return Step.model_validate({"name": "one", **given})


@pytest.mark.parametrize(("given", "expected"), STEPS)
def test_the_command_of_a_step(given: dict[str, Any], expected: str) -> None:
    found = argv(step(**given), project="/a b")
    assert (
        shlex.join(found)
        == f"mlpipes -C '/a b' --json {expected}"
        == shell_line(step(**given), project="/a b")
    )


@pytest.mark.parametrize(("given", "expected"), STEPS)
def test_the_command_line_takes_it(given: dict[str, Any], expected: str) -> None:
    commands.register(app.app)
    command: Any = typer.main.get_command(app.app)
    context = command.make_context("mlpipes", app.hoist(argv(step(**given))[1:]))
    while (left := [*context._protected_args, *context.args]) and hasattr(command, "resolve_command"):
        name, command, rest = command.resolve_command(context, left)
        context = command.make_context(name, rest, parent=context)
    assert command.name == (given.get("data") or next(iter(given)))


def test_causes_to_retrain_are_a_list_or_a_text() -> None:
    for causes in ("drift,truth:500", ["drift", "truth:500"]):
        found = argv(step(retrain={"if": causes, "to": "staging"}), program=("python", "-m", "mlpipes_cli"))
        assert found == (
            "python",
            "-m",
            "mlpipes_cli",
            "--json",
            "retrain",
            "--if",
            "drift,truth:500",
            "--to",
            "staging",
        )


def test_a_command_of_the_shell_stays_as_it_is() -> None:
    assert argv(step(run="a | b > '$c'"), project="/p") == ("/bin/sh", "-c", "a | b > '$c'")
    assert shell_line(step(run="a | b")) == "a | b"
