"""The cells of the notebook that show a data set."""

from __future__ import annotations

import json
from pathlib import Path

from mlpipes_cli.metric_catalog import Task


def add_rows(path: Path, dataset: str, column: str, task: Task) -> None:
    """Add cells that read the rows of a data set, after the one that connects.

    Args:
        path: The notebook.
        dataset: The data set.
        column: The target, by its name in the tables.
        task: What the target is.
    """
    shown = f"rows.groupby({column!r}).mean(numeric_only=True)"
    if task == "regression":
        shown = f"rows.corr(numeric_only=True)[{column!r}].sort_values()"
    code = (
        'database = os.environ["MLPIPES_DATABASE_URL"].replace("://", "+psycopg2://", 1)\n'
        f'rows = pd.read_sql_table("{dataset}", database, schema="clean_data")\n'
        f'display(rows.groupby("_split").size())\ndisplay({shown})'
    )
    text = (
        f"## The rows of `{dataset}`\n\nThe newest version that `mlpipes data prepare` made,"
        " with the part of each row."
    )
    book = json.loads(path.read_text(encoding="utf-8"))
    after = [cell["id"] for cell in book["cells"]].index("connect") + 1
    book["cells"][after:after] = [
        {"cell_type": "markdown", "id": "rows-about", "metadata": {}, "source": _lines(text)},
        {
            "cell_type": "code",
            "id": "rows",
            "metadata": {},
            "execution_count": None,
            "outputs": [],
            "source": _lines(code),
        },
    ]
    path.write_text(json.dumps(book, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)
