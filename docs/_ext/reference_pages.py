"""Write the pages of the reference before Sphinx reads the folder: they are made, never kept in Git."""

from pathlib import Path
from typing import Any

import commands
import metric_table
import rest
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
        "metrics": metric_table.page(),
        "rest": rest.page(),
    }
    target = folder / "reference" / "generated"
    target.mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        path = target / f"{name}.md"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
