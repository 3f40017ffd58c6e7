"""The part of the page about earlier checks: the largest change and the live metric over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from mlpipes_cli.html_page.text import plain
from mlpipes_cli.monitoring.report import charts
from mlpipes_cli.monitoring.report.charts import Point, Scale

Check = Mapping[str, Any]


def section(
    checks: Sequence[Check],
    promotions: Sequence[Mapping[str, Any]] | None,
    retrainings: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Return the section; nothing for fewer than two checks.

    Args:
        checks: Documents of checks of one model, in any order.
        promotions: When which version took an alias: ``at`` (ISO 8601), ``version`` and ``alias``; None if
            only the checks tell, by their versions.
        retrainings: When the model was trained again: ``at`` (ISO 8601), ``cause``, ``outcome``.
    """
    ordered = sorted(checks, key=lambda check: _seconds(check["checked_at"]))
    if len(ordered) < 2:
        return ""
    marks = [
        (
            _seconds(move["at"]),
            f"version {move['version']} took {plain(str(move['alias']))}, {_day(move['at'])}",
        )
        for move in (_of_checks(ordered) if promotions is None else promotions)
    ]
    marks += [
        (
            _seconds(retraining["at"]),
            f"retraining ({plain(str(retraining['cause']))}):"
            f" {plain(str(retraining['outcome'] or 'no end yet'))}, {_day(retraining['at'])}",
        )
        for retraining in retrainings
    ]
    marks.sort()
    span = f"<span>{_day(ordered[0]['checked_at'])}</span><span>{_day(ordered[-1]['checked_at'])}</span>"
    parts = [_largest(ordered, marks, span), _scores(ordered, marks, span), _metric(ordered, marks, span)]
    items = "".join(f"<li>{text}</li>" for at, text in marks if at >= _seconds(ordered[0]["checked_at"]))
    listed = (
        f'<details><summary>promotions and retrainings</summary><ul class="attention">{items}</ul></details>'
        if items
        else ""
    )
    return f'<h2 id="history">Over time</h2>\n{"".join(parts)}{listed}'


def _of_checks(checks: Sequence[Check]) -> list[Mapping[str, Any]]:
    """Return the promotions that checks of an alias show, at the first check of each new version."""
    found: list[Mapping[str, Any]] = []
    present: dict[str, int] = {}
    for check in checks:
        alias, version = check.get("alias"), check["version"]
        if alias is None:
            continue
        if present.get(alias, version) != version:
            found.append({"at": check["checked_at"], "version": version, "alias": alias})
        present[alias] = version
    return found


def _largest(checks: Sequence[Check], marks: Sequence[tuple[float, str]], span: str) -> str:
    points = []
    for check in checks:
        effects = [
            (column["effect"] or 0.0, column["name"])
            for column in check["columns"]
            if column["effect"] is not None
        ]
        if effects:
            size, name = max(effects)
            label = f"{_day(check['checked_at'])}: {plain(name)}, effect {size:.3f}, {check['rows']:,} rows"
            points.append(Point(_seconds(check["checked_at"]), size, alarm=bool(check["alarm"]), label=label))
    return _chart("The largest effect of an input", points, marks, span, floor=0.0)


def _scores(checks: Sequence[Check], marks: Sequence[tuple[float, str]], span: str) -> str:
    points, level = [], None
    for check in checks:
        for column in (check.get("predictions") or {}).values():
            location = next((e for e in column.get("effects") or [] if e["change"] == "location"), None)
            if column["kind"] != "score" or location is None or location["current"] is None:
                continue
            level = location["reference"]
            label = f"{_day(check['checked_at'])}: {location['current']:.4g}"
            points.append(
                Point(
                    _seconds(check["checked_at"]),
                    location["current"],
                    alarm=bool(column["alarm"]),
                    label=label,
                )
            )
            break
    return _chart("The scores' location; dashed: the reference's", points, marks, span, level=level)


def _metric(checks: Sequence[Check], marks: Sequence[tuple[float, str]], span: str) -> str:
    points, level, name = [], None, ""
    for check in checks:
        found = check.get("performance") or {"metric": "", "metrics": {}}
        deciding = found["metrics"].get(found["metric"])
        if not deciding or deciding["live"] is None:
            continue
        name, level = found["metric"], deciding["holdout"]
        low, high = deciding["interval"] or (None, None)
        label = f"{_day(check['checked_at'])}: {deciding['live']:.4f}, {found['with_truth']:,} rows"
        points.append(
            Point(_seconds(check["checked_at"]), deciding["live"], low, high, bool(deciding["worse"]), label)
        )
    return _chart(f"Live {plain(name)}; dashed: the holdout's", points, marks, span, level=level)


def _chart(
    title: str,
    points: Sequence[Point],
    marks: Sequence[tuple[float, str]],
    span: str,
    *,
    level: float | None = None,
    floor: float | None = None,
) -> str:
    if len(points) < 2:
        return ""
    scale = Scale.of(points, levels=() if level is None else (level,), floor=floor)
    ends = f"{min(point.value for point in points):.3g} to {max(point.value for point in points):.3g}"
    label = f"{title}, {len(points)} checks, {ends}"
    drawn = charts.over_time(points, scale, label, level=level, marks=marks)
    return (
        f'<figure class="card wide"><figcaption><span>{title}</span><span>{ends}</span></figcaption>{drawn}'
        f"<figcaption>{span}</figcaption></figure>\n"
    )


def _seconds(moment: str) -> float:
    found = datetime.fromisoformat(moment)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _day(moment: str) -> str:
    return plain(moment[:16].replace("T", " "))
