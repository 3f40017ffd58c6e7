"""``init``: makes a working project from an example, completely or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from mlpipes_cli import package_files
from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.lifecycle.examples import EXAMPLES, Example
from mlpipes_cli.lifecycle.secrets import ensure_secrets
from mlpipes_cli.project import PROJECT_FILE
from mlpipes_cli.suggest import did_you_mean

COMMON = "_common"
_MEANING = {"ks": " # the two-sample Kolmogorov-Smirnov statistic, 0 to 1"}
DEFAULT_EXAMPLE = "breast-cancer"


@dataclass(frozen=True)
class NewProject:
    """The project that ``init`` made.

    Attributes:
        project: The project's name, derived from its folder's.
        directory: The absolute folder.
        example: The example that it was made from; None for a table of one's own.
        files: The files that were made, each with a description.
        next: The commands to continue with.
        dataset: The data set of a table of one's own; None for an example.
        target: The column to predict, by its name in the tables.
        task: What it is: binary, multiclass or regression.
    """

    project: str
    directory: Path
    example: str | None
    files: dict[str, str]
    next: tuple[str, ...]
    dataset: str | None = None
    target: str | None = None
    task: str | None = None


def make_project(directory: Path, example: str = DEFAULT_EXAMPLE) -> NewProject:
    """Make a project in a folder, which may exist but may hold none of the files to be made.

    Everything is made in a temporary folder beside it and then moved, so an interrupted call leaves
    nothing behind.

    Args:
        directory: The folder; it and its parents are made if they are missing.
        example: One of the names in ``EXAMPLES``.

    Raises:
        UsageError: No such example, there is a project here or above, or files would be overwritten.
        MlpipesError: The folder cannot be written.
    """
    if example not in EXAMPLES:
        hint = did_you_mean(example, EXAMPLES).removeprefix("; ") or f"use one of {', '.join(EXAMPLES)}"
        raise UsageError(f"unknown example {example!r}", hint)
    directory = target_folder(directory)
    chosen = EXAMPLES[example]
    name = project_name(directory)
    made = written(directory, lambda folder: _fill(folder, name, chosen))
    train = (*chosen.before_training, "mlpipes train experiment.yaml")
    steps = ("mlpipes up", *train, f"mlpipes promote --metric {chosen.metric}", "mlpipes serve")
    return NewProject(name, directory, example, described(made, chosen.files), following(directory, steps))


def target_folder(directory: Path) -> Path:
    """Return the absolute path of a folder that may become a project.

    Raises:
        UsageError: It is a file, or there is a project in it or above.
    """
    directory = Path(os.path.normpath(directory.absolute()))
    _check_target(directory)
    return directory


def written(directory: Path, fill: Callable[[Path], None]) -> list[Path]:
    """Let ``fill`` make the files in a temporary folder, and move all to their place or none.

    Returns:
        The files, relative to the folder.

    Raises:
        UsageError: Files would be overwritten.
        MlpipesError: The folder cannot be written.
    """
    try:
        with _temporary_folder(directory) as temporary:
            fill(temporary)
            made = _listed(temporary)
            _move(temporary, directory)
    except OSError as error:
        what = (error.strerror or str(error)).lower()
        raise MlpipesError(
            f"{directory}: cannot be written ({what})", "check its mode and the free disk space"
        ) from None
    return made


def project_name(directory: Path) -> str:
    """Return a valid value for ``project:``, derived from the folder's name."""
    slug = re.sub(r"[^a-z0-9_-]+", "-", directory.name.lower()).strip("-_")[:63]
    return slug or "project"


def _check_target(directory: Path) -> None:
    if directory.exists() and not directory.is_dir():
        raise UsageError(f"{directory}: is a file", "choose a folder")
    for folder in (directory, *directory.parents):
        if (folder / PROJECT_FILE).exists():
            where = f"{folder}: already contains a project"
            if folder != directory:
                where = f"{directory}: is inside the project {folder}"
            raise UsageError(where, "use that project, or choose another folder")


@contextlib.contextmanager
def _temporary_folder(directory: Path) -> Iterator[Path]:
    """Yield a temporary folder on the same disk; it and the parents that were made are removed on failure."""
    home = directory if directory.is_dir() else directory.parent
    lacking = [folder for folder in (home, *home.parents) if not folder.exists()]
    home.mkdir(parents=True, exist_ok=True)
    temporary: Path | None = None
    try:
        temporary = Path(tempfile.mkdtemp(prefix=".mlpipes-init-", dir=home))
        yield temporary
    except BaseException:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
        for folder in lacking:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise
    shutil.rmtree(temporary, ignore_errors=True)


def _fill(folder: Path, name: str, example: Example) -> None:
    values = {
        "example": example.name,
        "rows": example.rows_file.ljust(20),
        "files": "\n".join(f"| `{file}` | {about} |" for file, about in example.files.items()),
        "about": example.about,
    }
    copy_templates(
        (COMMON, example.name), folder, values | settings(name, example.model, example.metric, example.gates)
    )
    (folder / "data").mkdir(exist_ok=True)
    if example.generator is not None:
        _module(folder / example.generator).generate(folder / "data")
    ensure_secrets(folder)


def settings(project: str, model: str, metric: str, gates: Sequence[str]) -> dict[str, str]:
    """Return what the templates of every project leave open."""
    return {
        "project": project,
        "model": model,
        "metric": metric,
        "gates": "\n".join(f"    {gate}" if gate.startswith("#") else f"    - {gate}" for gate in gates),
        "promote": f"mlpipes promote --metric {metric}".ljust(39),
        "judge": (f"metric: {metric}".ljust(23) + _MEANING.get(metric, "")).rstrip(),
        "compare": "pd.crosstab(holdout.target, holdout.prediction)",
    }


def copy_templates(folders: Sequence[str], folder: Path, values: dict[str, str]) -> None:
    """Copy folders of templates; a later one's files take the place of an earlier one's.

    Args:
        folders: Their names; in those that begin with ``_``, the words between two @ get their values.
        folder: The folder to fill.
        values: The values.
    """
    for name in folders:
        _copy(package_files.templates() / name, folder, values)


def _copy(origin: Path, folder: Path, values: dict[str, str]) -> None:
    for path in sorted(origin.rglob("*")):
        if path.is_dir() or "__pycache__" in path.parts:
            continue
        relative = path.relative_to(origin)
        if relative == Path("gitignore"):  # under its own name it would apply to the package's files
            relative = Path(".gitignore")
        text = path.read_text(encoding="utf-8")
        if origin.name.startswith("_"):
            text = re.sub(r"@(\w+)@", lambda found: values.get(found[1], found[0]), text)
        target = folder / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")


def _module(path: Path) -> ModuleType:
    """Run the example's own script as a module, without leaving a compiled copy."""
    module = ModuleType(path.stem)
    module.__file__ = str(path)
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), module.__dict__)  # noqa: S102 (ours)
    return module


def _listed(folder: Path) -> list[Path]:
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def _move(temporary: Path, directory: Path) -> None:
    """Move the files to their place: a rename if nothing is there, else file by file."""
    if not directory.exists():
        temporary.chmod(0o777 & ~_umask())
        temporary.rename(directory)
        return
    files = _listed(temporary)
    if there := [str(file) for file in files if os.path.lexists(directory / file)]:
        shown = ", ".join(there[:5])
        raise UsageError(
            f"{directory}: already contains {shown}; nothing was written", "choose another folder"
        )
    done: list[Path] = []
    made: list[Path] = []
    try:
        for file in sorted(
            files, key=lambda file: file == Path(PROJECT_FILE)
        ):  # the last one makes it a project
            target = directory / file
            if not target.parent.exists():
                target.parent.mkdir(parents=True)
                made.append(target.parent)
            (temporary / file).rename(target)
            done.append(target)
        if not (directory / "data").exists():
            (directory / "data").mkdir()
    except BaseException:
        for target in done:
            target.unlink(missing_ok=True)
        for folder in reversed(made):
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def described(made: Sequence[Path], about: dict[str, str]) -> dict[str, str]:
    """Return the files that were made, each with a description.

    Args:
        made: The files.
        about: The descriptions of a project's own files; a folder of many ends with ``/``.
    """
    known = {
        "mlpipes.yaml": "the stack, serving and promotion gates",
        "experiment.yaml": "the data, the split and the candidates",
        "README.md": "how to use the project",
        "explore.ipynb": "a notebook that reads runs and predictions",
        ".env": "generated passwords; never commit it",
        ".gitignore": "keeps them and the stack's data out of git",
        **about,
    }
    folders = tuple(name for name in about if name.endswith("/"))  # reported as a whole
    files = [path.as_posix() for path in made]
    files = [next((f for f in folders if name.startswith(f)), name) for name in files]
    return {name: known[name] for name in known if name in files} | {
        name: "" for name in files if name not in known
    }


def following(directory: Path, steps: Sequence[str]) -> tuple[str, ...]:
    """Return the commands to continue with, the first of which goes to the folder."""
    where = os.path.relpath(directory)
    where = where if len(where) < len(str(directory)) else str(directory)
    return (*(() if where == "." else (f"cd {where}",)), *steps)
