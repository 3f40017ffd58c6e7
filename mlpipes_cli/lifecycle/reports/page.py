"""A model card as one HTML page that loads nothing and runs no script."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlpipes_cli.html_page.document import document
from mlpipes_cli.html_page.text import plain
from mlpipes_cli.lifecycle.reports import sections
from mlpipes_cli.lifecycle.reports.metric_cells import number
from mlpipes_cli.lifecycle.reports.sections import Table

if TYPE_CHECKING:
    from mlpipes_cli.lifecycle.reports.card import ModelCard

COMMAND = "mlpipes report"
_LONGEST = 500
_TYPES = {"png": "image/png", "svg": "image/svg+xml"}
_STATES = {"would promote": "better", "refused": "refused", "unchanged": "unchanged"}


def page(card: ModelCard, plots: Mapping[str, bytes]) -> str:
    """Return the page.

    Args:
        card: The card.
        plots: The content of its plots by file name.
    """
    style = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    title = plain(sections.title(card), _LONGEST)
    state = _STATES.get(card.verdict.outcome, "unchanged")
    body = (
        f"<header><h1>{title}</h1><small>{plain(card.experiment, _LONGEST)}, trained "
        f"{plain(card.trained_at[:16].replace('T', ' '))} UTC</small>"
        f'<p class="verdict {state}">{plain(sections.decision(card), 2000)}</p></header>\n<main>\n'
        f"{_facts(card)}"
        f"<h2>Promotion test</h2>\n{_table(sections.verdict(card))}"
        f"<h2>Metrics on the holdout</h2>\n{_table(sections.metrics(card))}"
        f"{_plots(card, plots)}"
        f"<h2>Leaderboard</h2>\n{_table(sections.leaderboard(card))}"
        f"<h2>Data</h2>\n{_table(sections.data(card.data))}"
        f"<h2>Model</h2>\n{_table(sections.about(card))}"
        f"{_params(card)}</main>"
    )
    return document(title, COMMAND, body, style)


def _facts(card: ModelCard) -> str:
    rows = card.data.holdout_rows
    facts = [(one.title, number(one.value)) for one in card.metrics[:3]]
    facts.append(("holdout rows", "unknown" if rows is None else f"{rows:,}"))
    facts.append(("candidates", f"{card.verdict.candidates:,}"))
    listed = "".join(f"<div><dt>{plain(name)}</dt><dd>{plain(value)}</dd></div>" for name, value in facts)
    return f'<dl class="facts">{listed}</dl>\n'


def _plots(card: ModelCard, plots: Mapping[str, bytes]) -> str:
    if not plots:
        return ""
    captions = sections.captions(card)
    figures = "".join(
        f'<figure><img src="{_embedded(name, content)}" alt="{plain(captions[name])}">'
        f"<figcaption>{plain(captions[name])}</figcaption></figure>\n"
        for name, content in plots.items()
    )
    return f'<h2>Plots</h2>\n<div class="plots">\n{figures}</div>\n'


def _embedded(name: str, content: bytes) -> str:
    kind = _TYPES[name.rpartition(".")[2]]
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _table(table: Table) -> str:
    cells = "".join(f"<th scope=col>{plain(head)}</th>" for head in table.heads)
    head = f"<thead><tr>{cells}</tr></thead>" if table.heads else ""
    rows = "".join(
        f"<tr{' class=own' if position == table.strong else ''}>{_row(row)}</tr>\n"
        for position, row in enumerate(table.rows)
    )
    kind = "columns" if table.heads else "pairs"
    return f'<div class="table"><table class="{kind}">{head}<tbody>\n{rows}</tbody></table></div>\n'


def _row(row: Sequence[str]) -> str:
    first, *rest = row
    values = "".join(f"<td><bdi>{plain(cell, _LONGEST)}</bdi></td>" for cell in rest)
    return f"<th scope=row><bdi>{plain(first, _LONGEST)}</bdi></th>{values}"


def _params(card: ModelCard) -> str:
    if not card.params:
        return ""
    return f"<details><summary>Parameters</summary>\n{_table(sections.params(card))}</details>\n"
