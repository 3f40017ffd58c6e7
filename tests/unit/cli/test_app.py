from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import typer.main
from pydantic_core import SchemaError, SchemaValidator, core_schema

from mlpipes_cli.cli import commands
from mlpipes_cli.cli.app import app, hoist, run


def test_global_options_may_stand_anywhere() -> None:
    assert hoist(["train", "e.yaml", "--json", "-C", "dir", "--only", "a"]) == [
        *["--json", "-C", "dir"],
        *["train", "e.yaml", "--only", "a"],
    ]
    assert hoist(["x", "--", "--json"]) == ["x", "--", "--json"]
    assert hoist(["x", "-C"]) == ["x", "-C"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["trian"], "No such command 'trian'; did you mean 'train'?"),
        (["--bad"], "No such option: --bad; see `mlpipes --help`"),
        (["open"], "Missing argument"),
        (["train", "e.yaml", "--parallel", "many"], "--parallel"),
    ],
)
def test_wrong_words_get_one_line_and_exit_code_2(
    words: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert expected in err
    assert len(err.splitlines()) == 1


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("mlpipes ")


def every_command(group: Any, name: str = "mlpipes") -> Iterator[tuple[str, Any]]:
    for word, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from every_command(command, f"{name} {word}")
        else:
            yield f"{name} {word}", command


def test_no_help_has_words_in_brackets_which_rich_takes_for_a_style() -> None:
    commands.register(app)
    found = list(every_command(typer.main.get_command(app)))
    texts = [(name, command.help) for name, command in found]
    texts += [(f"{name} {one.name}", one.help) for name, command in found for one in command.params]
    assert len(found) > 20
    assert len(texts) > 100
    assert [(where, text) for where, text in texts if text and "[" in text] == []


class Interrupting:
    """Its text, which pydantic asks for in the middle of its own work, is where Ctrl-C comes."""

    def __repr__(self) -> str:
        raise KeyboardInterrupt


@pytest.mark.parametrize("where", ["mlpipes_cli.cli.commands.register", "mlpipes_cli.cli.app.hoist"])
def test_ctrl_c_in_a_library_that_makes_an_error_of_it(
    where: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def importing(*_: object) -> None:
        SchemaValidator(core_schema.literal_schema([Interrupting()]))

    with pytest.raises(SchemaError, match="KeyboardInterrupt"):
        importing()
    monkeypatch.setattr(where, importing)
    assert run(["status"]) == 130
    assert capsys.readouterr().err == "stopped\n"


def test_ctrl_c_in_a_command_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mlpipes_cli.cli.context.Context.project", pressed)
    assert run(["status"]) == 130
    assert capsys.readouterr().err == "stopped\n"
