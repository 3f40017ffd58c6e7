from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlpipes_cli.adapters import runtime_choice
from mlpipes_cli.adapters.docker.engine import connection
from mlpipes_cli.adapters.wiring import make_runtime
from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.project import ProjectFolder, find_project
from mlpipes_cli.stack_state import StackState

Make = Callable[..., ProjectFolder]


@pytest.fixture
def make(make_project: Callable[..., Path]) -> Make:
    def made(
        runtime: str = "auto", remembered: str | None = None, data: tuple[str, ...] = ()
    ) -> ProjectFolder:
        root = make_project(f"project: p\nruntime: {runtime}\n", "p")
        state = root / ".mlpipes"
        state.mkdir()
        if "embedded" in data:
            (state / "postgres").mkdir()
        if "docker" in data:
            (state / "docker.json").write_text('{"id": "p-123456"}')
        if remembered:
            (state / "choices.json").write_text(json.dumps({"runtime": remembered}))
        return find_project(root)

    return made


@pytest.fixture(params=[True, False])
def there(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether a Docker engine answers: the one thing here that is the machine's."""
    monkeypatch.setattr(connection, "available", lambda: (request.param, "the reason"))
    return bool(request.param)


def test_auto_without_data_takes_what_there_is(make: Make, there: bool) -> None:
    wanted = ("docker", "auto: Docker answers (the reason)") if there else (
        "embedded", "auto: the reason"
    )  # fmt: skip
    project = make()
    assert runtime_choice.current(project) == runtime_choice.for_up(project, None) == wanted
    assert runtime_choice.for_up(project, "auto") == wanted


@pytest.mark.parametrize("variable", ["DOCKER_HOST", "DOCKER_CONTEXT"])
def test_an_engine_that_is_named_and_dead_is_an_error_of_up(
    make: Make, there: bool, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "something")
    project = make()
    for asked in (None, "auto"):
        if there:
            assert runtime_choice.for_up(project, asked)[0] == "docker"
            continue
        with pytest.raises(MlpipesError) as caught:
            runtime_choice.for_up(project, asked)
        assert caught.value.lines() == [
            f"the reason; since {variable} is set, `auto` does not fall back to another runtime; "
            f"start the engine, correct or unset {variable}, or use `--runtime embedded`"
        ]
    assert runtime_choice.for_up(project, "embedded")[0] == "embedded"
    assert runtime_choice.for_up(project, "docker")[0] == "docker"
    monkeypatch.setenv(variable, " ")
    assert runtime_choice.for_up(project, None)[0] == ("docker" if there else "embedded")


def test_up_names_the_dead_engine_and_changes_nothing(make: Make, cli: Any) -> None:
    root = make().root
    done = cli("up", cwd=root, env={"DOCKER_HOST": "tcp://127.0.0.1:9"})
    assert done.code == 1
    (line,) = done.err.splitlines()
    assert line.startswith("error: DOCKER_HOST=tcp://127.0.0.1:9: the Docker engine is not running; since ")
    assert not (root / ".env").exists()
    assert cli("status", cwd=root, env={"DOCKER_HOST": "tcp://127.0.0.1:9"}).ok()


def test_a_dead_engine_does_not_matter_where_the_data_is_elsewhere(
    make: Make, there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    assert runtime_choice.for_up(make(remembered="embedded", data=("embedded",)), None)[0] == "embedded"


@pytest.mark.parametrize("data", ["docker", "embedded"])
def test_auto_goes_where_the_data_is(make: Make, there: bool, data: str) -> None:
    project = make(remembered=data, data=("docker", "embedded"))
    assert runtime_choice.for_up(project, None) == (data, f"{data}: this project's data is there")
    assert make_runtime(project).name == data


def test_a_project_of_the_last_release_is_embedded(make: Make, there: bool) -> None:
    assert runtime_choice.for_up(make(data=("embedded",)), None)[0] == "embedded"


@pytest.mark.parametrize("asked", [None, "docker"])
def test_another_runtime_than_that_of_the_data_is_refused(make: Make, asked: str | None) -> None:
    project = make(runtime="embedded" if asked else "docker", remembered="embedded", data=("embedded",))
    with pytest.raises(UsageError, match="data is in the embedded runtime") as refused:
        runtime_choice.for_up(project, asked)
    assert "`mlpipes migrate --to docker`" in refused.value.hint
    assert runtime_choice.current(project)[0] == "embedded"


@pytest.mark.parametrize("remembered", ["docker", "embedded", "gibberish"])
def test_a_choice_without_data_binds_nobody(make: Make, remembered: str) -> None:
    project = make(runtime="embedded", remembered=remembered)
    assert runtime_choice.for_up(project, None) == ("embedded", runtime_choice.for_up(project, None)[1])
    assert runtime_choice.for_up(project, "docker") == ("docker", "--runtime says so")


def test_a_remote_stack_is_remembered(make: Make) -> None:
    project = make(runtime="auto", remembered="remote")
    assert runtime_choice.current(project)[0] == "remote"
    with pytest.raises(UsageError, match="remote"):
        runtime_choice.for_up(project, "embedded")


def test_data_of_two_and_no_word_which(make: Make) -> None:
    with pytest.raises(MlpipesError, match="data of both runtimes, docker and embedded"):
        runtime_choice.current(make(data=("docker", "embedded")))


def test_the_file_says_which_of_two(make: Make) -> None:
    assert runtime_choice.current(make(runtime="docker", data=("docker", "embedded")))[0] == "docker"


def test_an_unknown_runtime(make: Make) -> None:
    with pytest.raises(UsageError) as caught:
        runtime_choice.for_up(make(), "dokcer")
    (line,) = caught.value.lines()
    assert line.endswith("'dokcer'; did you mean 'docker'? choose one of: docker, embedded, remote, auto")


def test_what_was_chosen_goes_to_the_runtime(make: Make) -> None:
    made = make_runtime(make(), StackState("docker", ("jupyter",), True))
    assert (made.name, made.services, made.auth) == ("docker", ("jupyter",), True)  # type: ignore[attr-defined]
