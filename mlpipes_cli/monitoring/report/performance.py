"""The part of the page about performance: live metrics, segments, estimates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlpipes_cli.html_page.text import plain
from mlpipes_cli.monitoring.report.cards import p_value


def section(found: Mapping[str, Any] | None) -> str:
    """Return the section.

    Args:
        found: A ``PerformanceCheck`` in JSON's types, or None if nothing is known.
    """
    if not found:
        return ""
    head = (
        f'<h2 id="performance">Performance</h2>\n<p class="verdict {"alarm" if found["alarm"] else ""}">'
        f"{plain(found['verdict'], 400)}</p>\n"
        f'<p class="note">{found["with_truth"]:,} of {found["predictions"]:,} predictions have a ground'
        f" truth; {found['ids']:,} caller ids, each of which counts once.</p>\n"
    )
    return head + _metrics(found) + _estimates(found.get("estimates") or {}) + _segments(found)


def _metrics(found: Mapping[str, Any]) -> str:
    deciding = found["metric"]
    names = sorted(found["metrics"], key=lambda name: name != deciding)
    lines = "".join(_metric(plain(name), found["metrics"][name]) for name in names)
    return table(("metric", "live", "95 % interval", "holdout", "p"), lines) if lines else ""


def _metric(name: str, check: Mapping[str, Any]) -> str:
    cells = (_figure(check["live"]), _ends(check["interval"]), _figure(check["holdout"]), p_value(check["p"]))
    note = f'<br><span class="note">{plain(check["note"], 200)}</span>' if check.get("note") else ""
    row = "".join(f"<td>{cell}</td>" for cell in cells)
    return (
        f"<tr{' class=worse' if check['worse'] else ''}><th scope=row><bdi>{name}</bdi>{note}</th>{row}</tr>"
    )


def _estimates(estimates: Mapping[str, Mapping[str, Any]]) -> str:
    if not estimates:
        return ""
    lines = "".join(
        f"<tr><th scope=row>{plain(name)}</th><td>{_figure(estimate['value'])}</td>"
        f"<td>{_ends(estimate['interval'])}</td><td>{estimate['rows']:,}</td></tr>"
        for name, estimate in estimates.items()
    )
    method = plain(str(next(iter(estimates.values()))["method"]), 300)
    shown = table(("metric", "estimate", "95 % interval", "rows"), lines)
    return f'<h3>Estimated from scores, without ground truth</h3>\n<p class="note">{method}</p>{shown}'


def _segments(found: Mapping[str, Any]) -> str:
    segments: Sequence[Mapping[str, Any]] = found.get("segments") or []
    if not segments:
        return ""
    lines = "".join(
        _metric(
            f"{plain(str(segment['column']))} = {plain(str(segment['value']))} ({segment['rows']:,} rows)",
            segment["check"],
        )
        for segment in segments
    )
    shown = table(("segment", "live", "95 % interval", "holdout", "p"), lines)
    return f"<h3>{plain(found['metric'])} by segment</h3>\n{shown}"


def table(heads: Sequence[str], lines: str) -> str:
    """Return a table with these heads and rows, which are HTML."""
    row = "".join(f"<th scope=col>{head}</th>" for head in heads)
    made = f'<table class="metrics"><thead><tr>{row}</tr></thead><tbody>{lines}</tbody></table>'
    return f'<div class="card">{made}</div>\n'


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _ends(interval: Sequence[float] | None) -> str:
    return "–" if interval is None else f"{interval[0]:.4f} to {interval[1]:.4f}"
