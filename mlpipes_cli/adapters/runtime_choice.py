"""Chooses the runtime of a project: where its data is, else the setting, else what is available."""

from __future__ import annotations

from mlpipes_cli import stack_state
from mlpipes_cli.adapters.processes.json_files import read_json
from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.project import ProjectFolder
from mlpipes_cli.suggest import did_you_mean

RUNTIMES = ("docker", "embedded", "remote")


def current(project: ProjectFolder) -> tuple[str, str]:
    """Return the runtime that a command uses, and why.

    Once a stack was started, its data decides, whatever ``mlpipes.yaml`` says now: ``up`` reports
    the difference, and every other command uses the runtime with the data.

    Raises:
        MlpipesError: Two runtimes hold data, and nothing says which is the project's.
    """
    held = home(project)
    if held is not None:
        return held, f"{held}: this project's data is there"
    return wished(project, None)


def for_up(project: ProjectFolder, asked: str | None) -> tuple[str, str]:
    """Return the runtime to start, and why.

    Args:
        project: Its settings apply if ``asked`` is None.
        asked: The value of ``--runtime``.

    Raises:
        UsageError: There is no such runtime, or the project's data is in another one.
        MlpipesError: Two runtimes hold data, and nothing says which is the project's; or the choice is
            automatic, and the engine that the user names does not answer.
    """
    if asked is not None and asked not in ("auto", *RUNTIMES):
        raise UsageError(
            f"--runtime: unknown runtime {asked!r}{did_you_mean(asked, ('auto', *RUNTIMES))}",
            f"choose one of: {', '.join((*RUNTIMES, 'auto'))}",
        )
    held = home(project)
    name = asked or project.config.runtime
    if held is None:
        return _named_engine_answers(wished(project, asked), name)
    if name in ("auto", held):
        return held, f"{held}: this project's data is there"
    stay = f"`runtime: {held}` in mlpipes.yaml" if asked is None else f"`up --runtime {held}`"
    raise UsageError(
        f"{_source(project, asked)} is {name}, but this project's data is in the {held} runtime",
        f"`mlpipes migrate --to {name}` moves the data; {stay} keeps the present runtime; "
        "`mlpipes down --volumes` deletes the data",
    )


def home(project: ProjectFolder) -> str | None:
    """Return the runtime that holds the project's data; None if no stack was started or no data is left.

    Raises:
        MlpipesError: Two runtimes hold data, and nothing says which is the project's.
    """
    remembered = stack_state.read(project).runtime
    if remembered == "remote" or (remembered in RUNTIMES and _holds(project, str(remembered))):
        return remembered
    found = [name for name in ("docker", "embedded") if _holds(project, name)]
    if len(found) > 1 and project.config.runtime not in found:
        lost = project.shown(project.state / "choices.json")
        raise MlpipesError(
            f"{lost} is missing, and there is data of both runtimes, {' and '.join(found)}",
            "set `runtime:` in mlpipes.yaml to the one that this project uses",
        )
    return project.config.runtime if project.config.runtime in found else next(iter(found), None)


def _holds(project: ProjectFolder, runtime: str) -> bool:
    """Return whether a runtime has data of this project, without asking an engine or a server."""
    if runtime == "docker":
        return "id" in read_json(project.state / "docker.json")
    return (project.state / "postgres").is_dir()


def wished(project: ProjectFolder, asked: str | None) -> tuple[str, str]:
    """Return the runtime of a project without data, and why."""
    name = asked or project.config.runtime
    if name != "auto":
        return name, f"{_source(project, asked)} says so"
    from mlpipes_cli.adapters.docker.engine.connection import available

    there, how = available()
    return ("docker", f"auto: Docker answers ({how})") if there else ("embedded", f"auto: {how}")


def _named_engine_answers(found: tuple[str, str], name: str) -> tuple[str, str]:
    """Return the choice, but fail if the user names an engine that does not answer: no silent fallback.

    Raises:
        MlpipesError: The named engine does not answer.
    """
    from mlpipes_cli.adapters.docker.engine import contexts

    variable = contexts.named() if name == "auto" and found[0] != "docker" else ""
    if variable:
        why = found[1].removeprefix("auto: ")
        raise MlpipesError(
            f"{why}; since {variable} is set, `auto` does not fall back to another runtime",
            f"start the engine, correct or unset {variable}, or use `--runtime embedded`",
        )
    return found


def _source(project: ProjectFolder, asked: str | None) -> str:
    return "--runtime" if asked else f"{project.shown(project.root / 'mlpipes.yaml')}: runtime"
