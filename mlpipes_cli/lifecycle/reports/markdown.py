"""A model card as Markdown, for the summary of a CI job, a comment or a file beside the plots."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlpipes_cli.html_page.text import visible
from mlpipes_cli.lifecycle.reports import sections
from mlpipes_cli.lifecycle.reports.sections import Table

if TYPE_CHECKING:
    from mlpipes_cli.lifecycle.reports.card import ModelCard

MARK = "<!-- Written by `mlpipes report` -->"
_LONGEST = 500  # characters of a cell
_BARS = 12  # candidates of the chart
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&])")
_REFERENCE = re.compile(r"[\"\\\r\n`;#&<>]")  # characters that end or change a text of Mermaid


def text(card: ModelCard, plots: Mapping[str, str] | None = None) -> str:
    """Return the card.

    Args:
        card: The card.
        plots: The path of each plot, relative to the file; None draws the leaderboard as a Mermaid chart
            instead, which GitHub and GitLab show.
    """
    parts = [
        MARK,
        f"# {escaped(sections.title(card))}",
        f"**{escaped(sections.decision(card))}**",
        "## Promotion test",
        _table(sections.verdict(card)),
        f"## Metrics on {_rows(card)}the holdout",
        _table(sections.metrics(card)),
        "## Leaderboard",
        _table(sections.leaderboard(card)),
    ]
    if plots is None:
        parts.append(_chart(card))
    elif plots:
        captions = sections.captions(card)
        parts.append("## Plots")
        parts += [f"![{escaped(captions[name])}](<{path}>)" for name, path in plots.items()]
    parts += ["## Data", _table(sections.data(card.data)), "## Model", _table(sections.about(card))]
    if card.params:
        folded = _table(sections.params(card))
        parts.append(f"<details><summary>Parameters</summary>\n\n{folded}\n\n</details>")
    return "\n\n".join(part for part in parts if part) + "\n"


def _rows(card: ModelCard) -> str:
    rows = card.data.holdout_rows
    return "" if rows is None else f"the {rows:,} row{'' if rows == 1 else 's'} of "


def escaped(value: str, longest: int = 2000) -> str:
    """Return a text that Markdown shows as it is; it mentions no account and refers to nothing."""
    shown = value if len(value) <= longest else f"{value[: longest - 1]}…"
    plain = _SPECIAL.sub(r"\\\1", visible(shown))
    return re.sub(r"(@|://|www\.)", lambda found: f"{found[0]}<!-- -->", plain)


def _table(table: Table) -> str:
    if not table.rows:
        return ""
    heads = table.heads or ("", "")
    ends = ["--:" if column in table.numbers else "---" for column in range(len(heads))]
    lines = [heads, ends]
    for position, row in enumerate(table.rows):
        cells = [escaped(cell, _LONGEST) for cell in row]
        if position == table.strong:
            cells = [f"**{cell}**" if cell else "" for cell in cells]
        lines.append(cells)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _chart(card: ModelCard) -> str:
    """Return the leaderboard as bars; nothing if fewer than two candidates have the metric."""
    metric = card.leaderboard["metric"]
    shown = [
        (run["name"], run["metrics"][metric])
        for run in card.leaderboard["runs"]
        if run["status"] == "FINISHED" and metric in run["metrics"]
    ][:_BARS]
    if len(shown) < 2:
        return ""
    names = ", ".join(f'"{_REFERENCE.sub(" ", visible(name))[:40]}"' for name, _ in shown)
    values = [value for _, value in shown]
    low, high = min(0.0, *values), max(0.0, *values) or 1.0
    if all(0 <= value <= 1 for value in values):
        high = 1.0
    return (
        f'```mermaid\nxychart-beta horizontal\n  title "{metric} on the holdout"\n  x-axis [{names}]\n'
        f"  y-axis {low:.6g} --> {high:.6g}\n  bar [{', '.join(f'{value:.6g}' for value in values)}]\n```"
    )
