"""Write the pages of the reference before Sphinx reads the folder: they are made, never kept in Git."""

from pathlib import Path
from typing import Any

import commands
import metric_table
import rest
import trainer_pages
import yaml_keys


def setup(app: Any) -> dict[str, bool]:
    """What Sphinx calls."""
    app.connect("config-inited", lambda made, _: write(Path(made.srcdir)))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write(folder: Path) -> None:
    """Write every page whose text has changed."""
    pages = {
        "commands": commands.page(),
        "mlpipes-yaml": yaml_keys.page("mlpipes"),
        "experiment-yaml": yaml_keys.page("experiment"),
        "dataset-yaml": yaml_keys.page("dataset"),
        "pipeline-yaml": yaml_keys.page("pipeline"),
        "metrics": metric_table.page(),
        "rest": rest.page(),
    }
    _write(folder / "reference" / "generated", {f"{name}.md": text for name, text in pages.items()})
    guides = {f"{name}.md": text for name, text in trainer_pages.pages().items()}
    _write(folder / "how-to" / "training" / "generated", guides | {"table.txt": trainer_pages.table()})


def _write(folder: Path, texts: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
