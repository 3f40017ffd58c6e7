"""The whole report: the verdict first, then the columns by effect, performance, and earlier checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlpipes_cli.html_page.document import document
from mlpipes_cli.html_page.text import marked, plain
from mlpipes_cli.monitoring.report import history, performance
from mlpipes_cli.monitoring.report.cards import card, p_value

COMMAND = "mlpipes monitor"
_LEGEND = (
    '<p class="legend"><span class="reference"></span> reference'
    ' <span class="current"></span> current rows</p>'
)
_NAMED = 5  # changed columns that the line of a window names
_SHOWN = 300  # columns with a card, so that the page stays below a megabyte
_OPEN = 40  # cards of columns without a change that stand open; the page stays readable with more


def page(
    result: Mapping[str, Any],
    *,
    previous: Sequence[Mapping[str, Any]] = (),
    promotions: Sequence[Mapping[str, Any]] | None = None,
    retrainings: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Return the report of a check as one HTML document that loads nothing and runs no script.

    Args:
        result: What ``mlpipes monitor --json`` prints.
        earlier: The same documents of earlier checks of the model, in any order.
        promotions: When which version took an alias: ``at`` (ISO 8601), ``version`` and ``alias``; None if
            only the checks tell, by their versions.
        retrainings: When the model was trained again: ``at`` (ISO 8601), ``cause``, ``outcome``.
    """
    style = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    title = _title(result)
    body = (
        f"<header><h1>{title}</h1><small>{_window(result)}</small>"
        f'<p class="verdict {_state(result)}">{plain(result["verdict"], 600)}</p></header>\n<main>\n'
        f"{_facts(result)}{_windows(result)}{_notes(result)}{_quality(result)}{_columns(result)}{_joint(result)}"
        f"{_predictions(result)}{performance.section(result.get('performance'))}"
        f"{history.section([result, *previous], promotions, retrainings)}</main>"
    )
    return document(title, COMMAND, body, style)


def _title(result: Mapping[str, Any]) -> str:
    if result.get("model"):
        return f"{plain(result['model'])}, version {result['version']}"
    window = result["window"]
    return f"{plain(Path(window['file']).name)} compared with {plain(Path(window['reference']).name)}"


def _state(result: Mapping[str, Any]) -> str:
    return "alarm" if result["alarm"] else "calm" if result["enough"] else "unknown"


def _window(result: Mapping[str, Any]) -> str:
    window = result["window"]
    parts = []
    if window.get("first") and window.get("last"):
        parts.append(f"predictions from {_moment(window['first'])} to {_moment(window['last'])}")
    parts.append(f"checked {_moment(result['checked_at'])}")
    return ", ".join(parts)


def _moment(text: str) -> str:
    return plain(text[:16].replace("T", " ") + (" UTC" if text.endswith(("Z", "+00:00")) else ""))


def _facts(result: Mapping[str, Any]) -> str:
    columns = result["columns"]
    changed = sum(bool(column["alarm"]) for column in columns)
    facts = [
        ("rows compared", f"{result['rows']:,}"),
        ("reference rows", f"{result['reference_rows']:,}"),
        ("columns changed", f"{changed} of {len(columns)}"),
        ("chance of a false alarm", f"{100 * result['alpha']:.3g} %"),
    ]
    listed = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts)
    return f'<dl class="facts">{listed}</dl>\n'


def _windows(result: Mapping[str, Any]) -> str:
    """Return a line for each window of a scheduled check; nothing where there is one window."""
    windows = result.get("windows") or []
    if not windows:
        return ""
    lines = "".join(
        f"<tr{' class=worse' if window['alarm'] else ''}><th scope=row>{window['periods']} times"
        f"{', shown below' if window['since'] == result['window'].get('since') else ''}</th>"
        f"<td>{_moment(window['since'])}</td><td>{window['rows']:,}</td>"
        f"<td>{'ALARM' if window['alarm'] else 'no alarm' if window['enough'] else 'too few rows'}</td>"
        f"<td>{', '.join(f'<bdi>{plain(name)}</bdi>' for name in window['columns'][:_NAMED])}</td></tr>"
        for window in windows
    )
    heads = ("times the set window", "since", "rows", "result", "changed")
    return f'<h2 id="windows">Windows</h2>\n{performance.table(heads, lines)}'


def _notes(result: Mapping[str, Any]) -> str:
    items = "".join(f"<li>{marked(note)}</li>" for note in result.get("notes") or [])
    return f'<ul class="attention">{items}</ul>\n' if items else ""


def _quality(result: Mapping[str, Any]) -> str:
    lines = [
        f'<li><a href="#c{position}"><bdi>{plain(column["name"])}</bdi></a>:'
        f" {plain(finding['words'], 300)}</li>"
        for position, column in enumerate(result["columns"][:_SHOWN])
        for finding in column.get("quality") or []
    ]
    listed = f'<ul class="attention">{"".join(lines)}</ul>' if lines else '<p class="note">No faults.</p>'
    return f'<h2 id="quality">Data quality</h2>\n{listed}\n'


def _columns(result: Mapping[str, Any]) -> str:
    columns = result["columns"]
    cards = [card(column, f"c{position}") for position, column in enumerate(columns[:_SHOWN])]
    shown = f'<div class="cards">\n{"".join(cards[:_OPEN])}</div>\n'
    rest = cards[_OPEN:]
    folded = f'<div class="cards">\n{"".join(rest)}</div>'
    more = f"<details><summary>{len(rest)} more columns</summary>{folded}</details>\n"
    if left := columns[_SHOWN:]:
        changed = sum(bool(column["alarm"]) for column in left)
        more += (
            f'<p class="note">{len(left):,} more columns, of which {changed:,} changed, are not shown;'
            " <code>mlpipes monitor --json</code> has them.</p>\n"
        )
    return f'<h2 id="columns">Inputs, by effect</h2>\n{_LEGEND}\n{shown}{more if rest else ""}'


def _joint(result: Mapping[str, Any]) -> str:
    joint = result.get("joint")
    if not joint:
        return ""
    if joint["p"] is None:
        text = plain(joint["note"], 300)
    else:
        what = "changed" if joint["alarm"] else "no change found"
        names = ", ".join(f"<bdi>{plain(name)}</bdi>" for name in joint["columns"])
        text = f"{what}, p {p_value(joint['p'])}, effect {joint['effect']:.3f}" + (
            f": {names}" if names else ""
        )
    return f'<h2>How columns go together</h2>\n<p class="note">{text}</p>\n'


def _predictions(result: Mapping[str, Any]) -> str:
    cards = "".join(
        card(prediction, f"p{position}")
        for position, prediction in enumerate((result.get("predictions") or {}).values())
    )
    return (
        f'<h2 id="predictions">Predictions and scores</h2>\n<div class="cards">\n{cards}</div>\n'
        if cards
        else ""
    )
