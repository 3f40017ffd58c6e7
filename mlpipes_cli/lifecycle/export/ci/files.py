"""Writes workflows as YAML: scripts stay readable, and files of others are not replaced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli import output_files
from mlpipes_cli.errors import MlpipesError

if TYPE_CHECKING:
    from mlpipes_cli.project import ProjectFolder


@dataclass(frozen=True)
class CiExport:
    """What was written.

    Attributes:
        files: The files.
        kept: Files that are there already and stay: a person's.
        secrets: Names of the secrets or variables that have to be set in the CI system.
        left_out: Steps of the pipeline that a pull request does not run.
    """

    files: tuple[str, ...]
    kept: tuple[str, ...]
    secrets: tuple[str, ...]
    left_out: tuple[str, ...]


def repository(project: ProjectFolder) -> Path:
    """Return the folder of the repository that has the project; the project's own without one."""
    for folder in (project.root, *project.root.parents):
        if (folder / ".git").exists():
            return folder
    return project.root


def below(project: ProjectFolder, root: Path) -> str:
    """Return the project's folder relative to the repository; ``.`` if it is not in there."""
    inside = project.root.is_relative_to(root.resolve())
    return project.root.relative_to(root.resolve()).as_posix() if inside else "."


def mark(command: str) -> str:
    """Return the text by which the files of a command are known."""
    return f"Written by `mlpipes export {command}`"


def rendered(command: str, content: Mapping[str, Any], comments: str = "") -> str:
    """Return a file of YAML with its head.

    Args:
        command: The command that writes it, such as ``github``.
        content: The file's content.
        comments: Further comments below the head.
    """
    import yaml

    class Dumper(yaml.SafeDumper):
        """Writes scripts as they are."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
            super().increase_indent(flow, False)

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        style = "|" if "\n" in value else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    body = yaml.dump(content, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=10_000)
    head = f"# {mark(command)}; the next export replaces it.\n"
    return f"{head}{comments}---\n{body}"


def write(command: str, root: Path, files: Mapping[str, str], *, force: bool) -> None:
    """Write files, all or none if one would replace a file of somebody else.

    Raises:
        UsageError: One would; or the folder's parent does not exist.
        MlpipesError: A file cannot be written.
    """
    output_files.make_folder(root)
    for name in files:
        if (root / name).exists():
            what = f"a file of `mlpipes export {command}`"
            output_files.check(root / name, mark(command), what, force=force)
    for name, text in files.items():
        try:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MlpipesError(
                f"{(root / name).parent}: {error.strerror}", "choose another --output"
            ) from None
        output_files.write(root / name, text)
