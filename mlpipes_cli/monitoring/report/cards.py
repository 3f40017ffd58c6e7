"""The part of the page for one column: what changed in words, then as a picture, then in numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlpipes_cli.html_page import pictures
from mlpipes_cli.html_page.text import number, plain, share
from mlpipes_cli.monitoring import wording
from mlpipes_cli.monitoring.report import charts

_SHOWN_LEVELS = 12


def card(column: Mapping[str, Any], position: str) -> str:
    """Return the card of a column.

    Args:
        one: A ``ColumnCheck`` in JSON's types.
        position: Its name in the page, by which other parts point to it.
    """
    state, label = state_of(column)
    effects = column.get("effects") or []
    words = f'<p class="words">{plain(effects[0]["words"], 300)}</p>' if effects and column["effect"] else ""
    findings = "".join(f"<li>{plain(finding['words'], 300)}</li>" for finding in column.get("quality") or [])
    note = f'<p class="note">{plain(column["note"], 300)}</p>' if column.get("note") else ""
    return (
        f'<article class="card {state}" id="{position}"><h3><bdi>{plain(column["name"], 200)}</bdi>'
        f' <span class="type">{plain(column["kind"])}</span><span class="role {state}">{label}</span></h3>'
        f"{words}{note}{f'<ul class=hints>{findings}</ul>' if findings else ''}"
        f"{_pictures(column.get('shape') or {}, column)}{_figures(column)}{_effects(effects)}</article>\n"
    )


def state_of(column: Mapping[str, Any]) -> tuple[str, str]:
    """Return what a column is shown as, for CSS and in words."""
    if column["p"] is None:
        return "unknown", "no statement"
    if column["alarm"]:
        return "alarm", "changed"
    return ("small", "changed, small") if column["significant"] else ("calm", "no change found")


def p_value(value: float | None) -> str:
    """Return a p-value for HTML."""
    return "–" if value is None else plain(wording.p_value(value))


def _pictures(shape: Mapping[str, Any], column: Mapping[str, Any]) -> str:
    if "parts" in shape:
        return "".join(_picture(part, column, plain(name)) for name, part in shape["parts"].items())
    return _picture(shape, column, "")


def _picture(shape: Mapping[str, Any], column: Mapping[str, Any], part: str) -> str:
    name = plain(column["name"]) + (f", {part}" if part else "")
    if "edges" in shape and shape["reference"]:
        ends = [shape["edges"][0], shape["edges"][-1]]
        low, high = (wording.date(end) if column["kind"] == "date" else number(float(end)) for end in ends)
        label = f"distribution of {name} from {low} to {high}: reference and current rows"
        drawn = charts.overlaid(shape["reference"], shape["current"], label)
        title = f"<span>{part}</span>" if part else ""
        return (
            f"<figure>{drawn}<figcaption><span>{low}</span>{title}<span>{high}</span></figcaption></figure>"
        )
    return _levels(shape, part) if "levels" in shape else ""


def _levels(shape: Mapping[str, Any], part: str) -> str:
    found = list(zip(shape["levels"], shape["reference"], shape["current"], strict=True))
    most = max((max(before, now) for _, before, now in found), default=0.0) or 1.0
    lines = "".join(
        f"<tr><th scope=row><bdi>{plain(str(level)) or '<i>empty</i>'}</bdi></th><td class=picture>"
        f'<div class="before">{pictures.bar(before / most)}</div>'
        f'<div class="now">{pictures.bar(now / most)}</div></td>'
        f"<td>{share(before, 1)}</td><td>{share(now, 1)}</td></tr>"
        for level, before, now in found[:_SHOWN_LEVELS]
    )
    more = len(found) - _SHOWN_LEVELS
    rest = f'<p class="note">and {more} more</p>' if more > 0 else ""
    heads = (
        f"<th scope=col>{part or 'value'}</th><td></td><th scope=col>reference</th><th scope=col>current</th>"
    )
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>{rest}"


def _figures(column: Mapping[str, Any]) -> str:
    found = [
        ("effect", "–" if column["effect"] is None else f"{column['effect']:.3f}"),
        ("p", p_value(column["p"])),
        ("current rows", f"{column['rows']:,}"),
        ("reference rows", f"{column['reference_rows']:,}"),
    ]
    listed = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in found)
    words = column.get("detectable_words")
    seen = (
        f"<div class=whole><dt>would have been seen</dt><dd>{plain(words, 200)}</dd></div>" if words else ""
    )
    return f"<dl>{listed}{seen}</dl>"


def _effects(effects: Sequence[Mapping[str, Any]]) -> str:
    if len(effects) < 2:
        return ""
    lines = "".join(
        f"<tr><th scope=row>{plain(effect['words'], 300)}</th><td>{plain(effect['change'])}</td>"
        f"<td>{effect['size']:.3f}</td></tr>"
        for effect in effects
    )
    heads = "<th scope=col>what</th><th scope=col>kind of change</th><th scope=col>effect</th>"
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>"
    return f"<details><summary>every kind of change</summary>{table}</details>"
