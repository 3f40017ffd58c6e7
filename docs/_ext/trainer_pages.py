"""The pages of the trainers, from their folders: a table from the definitions, and each one's guide."""

import re

from mlpipes_cli import package_files, trainer_registry
from mlpipes_cli.trainers.pinned_environments import carried

_FOLDER = package_files.package() / "trainers"
_IN_DOCS = "../../../docs/how-to/training/"  # how a guide names the pages beside which its own is put
_OUR_OWN = "the package's environment, or the run's own"


def pages() -> dict[str, str]:
    """The guide of each trainer by its name, with links that hold where the pages are put."""
    return {name: _guide(name) for name in trainer_registry.built_in()}


def table() -> str:
    """The trainers, and where they run, as Markdown; for a page in the folder above the guides' pages."""
    rows = ["| trainer | trains | runs in |", "| --- | --- | --- |"]
    for name in trainer_registry.built_in():
        own = carried(name)
        place = _OUR_OWN if own is None or own.python is None else "its own environment"
        rows.append(
            f"| [`{name}`](generated/{name}.md) | {trainer_registry.definition(name).summary} | {place} |"
        )
    return "\n".join(rows) + "\n"


def _guide(name: str) -> str:
    text = (_FOLDER / name / "guide.md").read_text(encoding="utf-8")
    text = text.replace(f"]({_IN_DOCS}", "](../")
    return re.sub(r"\]\(\.\./(\w+)/guide\.md", r"](\1.md", text)
