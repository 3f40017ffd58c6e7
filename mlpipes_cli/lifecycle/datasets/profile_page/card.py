"""The part of the page for one column."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlpipes_cli.html_page import pictures
from mlpipes_cli.html_page.text import marked, number, plain, share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlpipes_cli.ports.data_sets.dataset_profile import (
        ColumnProfile,
        Relation,
        TargetGroup,
        TargetProfile,
    )

_NAMES = {
    "roc_auc": "ROC AUC of this column alone",
    "spearman": "Spearman's rank correlation",
    "correlation_ratio": "correlation ratio",
    "cramers_v": "Cramér's V",
}


def card(one: ColumnProfile, position: int, rows: int, target: TargetProfile | None) -> str:
    """Return the card of a column.

    Args:
        one: The column.
        position: Its number in the table, by which other parts of the page point to it.
        rows: The table's rows.
        target: What it is compared with, if anything.
    """
    role = f'<span class="role">{one.role}</span>' if one.role else ""
    hints = "".join(f"<li>{marked(hint)}</li>" for hint in one.hints)
    parts = [
        f'<article class="card" id="c{position}"><h3><bdi>{plain(one.column, 200)}</bdi>'
        f' <span class="type">{one.type}</span>{role}</h3>',
        f'<ul class="hints">{hints}</ul>' if hints else "",
        _picture(one),
        _figures(one, rows),
        _values(one, rows),
        _relation(one.relation, target) if one.relation and target else "",
    ]
    return "".join(parts) + "</article>\n"


def _picture(one: ColumnProfile) -> str:
    if one.histogram is None or one.distinct < 2:
        return ""
    low, high = number(one.min), number(one.max)
    label = f"histogram of {plain(one.column)} from {low} to {high}, most rows in a bin: "
    drawn = pictures.histogram(one.histogram.rows, f"{label}{max(one.histogram.rows):,}")
    return f"<figure>{drawn}<figcaption><span>{low}</span><span>{high}</span></figcaption></figure>"


def _figures(one: ColumnProfile, rows: int) -> str:
    found = [("missing", f"{one.missing:,} ({share(one.missing, rows)})"), ("distinct", f"{one.distinct:,}")]
    if one.not_finite:
        found.append(("not finite", f"{one.not_finite:,}"))
    if one.min is not None:
        found += [("min", number(one.min)), ("max", number(one.max))]
    if one.mean is not None:
        found.append(("mean", number(one.mean)))
    if one.sd is not None:
        found.append(("sd", number(one.sd)))
    if one.quantiles:
        found.append(("quartiles", " · ".join(number(value) for value in one.quantiles)))
    listed = "".join(
        f"<div{' class=whole' if name == 'quartiles' else ''}><dt>{name}</dt><dd>{value}</dd></div>"
        for name, value in found
    )
    return f"<dl>{listed}</dl>"


def _values(one: ColumnProfile, rows: int) -> str:
    """Return the most frequent values; folded for a column that has a histogram."""
    if not one.top or one.top[0].rows < 2:
        return ""
    lines = "".join(
        f"<tr><th scope=row><bdi>{plain(top.value) or '<i>empty</i>'}</bdi></th><td class=picture>"
        f"{pictures.bar(top.rows / rows)}</td><td>{top.rows:,}</td><td>{share(top.rows, rows)}</td></tr>"
        for top in one.top
    )
    opened = "" if one.histogram is not None else " open"
    name = "values" if one.distinct == len(one.top) else f"the {len(one.top)} most frequent values"
    heads = "<th scope=col>value</th><td></td><th scope=col>rows</th><th scope=col>share</th>"
    return f"<details{opened}><summary>{name}</summary>{_table(heads, lines)}</details>"


def _table(heads: str, lines: str) -> str:
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>"


def measured(relation: Relation) -> str:
    """Return the number of a relation, with its name."""
    value = "not known" if relation.value is None else f"{relation.value:.3f}"
    return f"{_NAMES[relation.measure]}: {value}"


def told(target: TargetProfile) -> str:
    """Return what is shown of a target: a mean or a share."""
    if target.level is None:
        return f"mean of {plain(target.column)}"
    return f"share of {plain(target.column)} = {plain(target.level)}"


def _relation(relation: Relation, target: TargetProfile) -> str:
    if not relation.groups:
        return f"<p class=relation>{measured(relation)}</p>"
    low, high = _scale(relation.groups, target)
    lines = "".join(
        f"<tr><th scope=row><bdi>{plain(group.label)}</bdi></th><td class=picture>"
        f"{pictures.bar(_at(group.mean, low, high), _at(0.0, low, high))}</td>"
        f"<td>{group.rows:,}</td><td>{_mean(group, target)}</td></tr>"
        for group in relation.groups
    )
    heads = f"<th scope=col>value</th><td></td><th scope=col>rows</th><th scope=col>{told(target)}</th>"
    return f"<details><summary>{measured(relation)}</summary>{_table(heads, lines)}</details>"


def _scale(groups: Sequence[TargetGroup], target: TargetProfile) -> tuple[float, float]:
    """Return what the left and the right end of bars mean: zero is always on it."""
    if target.level is not None:
        return 0.0, 1.0
    means = [group.mean for group in groups]
    return min(0.0, *means), max(0.0, *means)


def _at(value: float, low: float, high: float) -> float:
    return (value - low) / (high - low) if high > low else 0.0


def _mean(group: TargetGroup, target: TargetProfile) -> str:
    return number(group.mean) if target.level is None else share(group.mean, 1)
