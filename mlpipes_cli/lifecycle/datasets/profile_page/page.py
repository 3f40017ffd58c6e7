"""The whole page: the verdict first, then the columns, those that need attention before the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlpipes_cli.html_page.document import document
from mlpipes_cli.html_page.text import marked, number, plain, share
from mlpipes_cli.lifecycle.datasets.profile_page.card import card, measured, told

if TYPE_CHECKING:
    from mlpipes_cli.lifecycle.datasets.profile import Profile
    from mlpipes_cli.ports.data_sets.dataset_profile import ColumnProfile, TargetProfile

COMMAND = "mlpipes data profile"
LEAK = "alone tells"  # how a hint of leakage begins
_RELATED = 10  # columns in the list of those that go with the target


def page(found: Profile) -> str:
    """Return the page as one HTML document that loads nothing and runs no script.

    Args:
        found: The figures.
    """
    title = f"Profile of {plain(found.dataset)}"
    numbered = list(enumerate(found.columns))
    noted = [(position, one) for position, one in numbered if one.hints]
    noted.sort(key=lambda pair: not _tells(pair[1]))
    rest = [(position, one) for position, one in numbered if not one.hints]
    cards = "".join(card(one, position, found.rows, found.target) for position, one in noted + rest)
    body = (
        f"<header><h1>{title}</h1><small>raw_data.{plain(found.dataset)} after load {found.load}</small>"
        f'<p class="verdict">{_verdict(found, noted)}</p></header>\n'
        f"<main>\n{_facts(found, len(noted))}{_attention(found, noted)}{_target(found)}"
        f'<h2 id="columns">Columns</h2>\n<div class="cards">\n{cards}</div>\n</main>'
    )
    return document(title, COMMAND, body)


def _tells(one: ColumnProfile) -> bool:
    return any(hint.startswith(LEAK) for hint in one.hints)


def _verdict(found: Profile, noted: list[tuple[int, ColumnProfile]]) -> str:
    """Return what the page says, in a line."""
    said = f"{_counted(found.rows, 'row')}, {_counted(len(found.columns), 'column')}: "
    if not noted:
        return said + "no column needs attention."
    verb = "needs" if len(noted) == 1 else "need"
    said += f"{_counted(len(noted), 'column')} {verb} attention"
    leaks = sum(_tells(one) for _, one in noted)
    if not leaks:
        return f"{said}."
    return f"{said}, of which {leaks} alone {'tells' if leaks == 1 else 'tell'} the target."


def _counted(number_of: int, what: str) -> str:
    return f"{number_of:,} {what}{'' if number_of == 1 else 's'}"


def _facts(found: Profile, noted: int) -> str:
    facts = [
        ("rows", f"{found.rows:,}"),
        ("columns", f"{len(found.columns):,}"),
        ("missing values", share(*_missing(found))),
        ("repeated rows", f"{found.repeated:,}"),
        ("columns with hints", f"{noted:,}"),
    ]
    facts += [(f"{part} rows of version {found.version}", f"{rows:,}") for part, rows in found.splits.items()]
    listed = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts)
    return f'<dl class="facts">{listed}</dl>\n'


def _missing(found: Profile) -> tuple[int, int]:
    return sum(one.missing for one in found.columns), found.rows * len(found.columns)


def _attention(found: Profile, noted: list[tuple[int, ColumnProfile]]) -> str:
    lines = [
        f'<li><a href="#c{position}"><bdi>{plain(one.column)}</bdi></a>: {marked(hint)}</li>'
        for position, one in noted
        for hint in one.hints
    ]
    if found.repeated:
        lines.insert(0, f"<li>{found.repeated:,} rows have the values of a row before them</li>")
    if not found.rows:
        lines = ["<li>the table has no rows</li>"]
    listed = f'<ul class="attention">{"".join(lines)}</ul>' if lines else '<p class="note">Nothing.</p>'
    return f"<h2>What needs attention</h2>\n{listed}\n"


def _target(found: Profile) -> str:
    """Return the columns that go with the target, the strongest first."""
    target = found.target
    if target is None:
        return '<p class="note">No target: name one by <code>--target</code>.</p>\n'
    related = [(n, one) for n, one in enumerate(found.columns) if one.relation is not None]
    related.sort(key=lambda pair: -(pair[1].relation.strength if pair[1].relation else 0.0))
    lines = "".join(
        f'<li><a href="#c{position}"><bdi>{plain(one.column)}</bdi></a>: {measured(one.relation)}</li>'
        for position, one in related[:_RELATED]
        if one.relation is not None and one.relation.strength > 0
    )
    name = f"Relation with <bdi>{plain(target.column)}</bdi>"
    return f'<h2>{name}</h2>\n<p class="note">{_basis(target)}</p>\n<ul class="attention">{lines}</ul>\n'


def _basis(target: TargetProfile) -> str:
    of = "a sample of " if target.sampled else ""
    value = number(target.mean) if target.level is None else share(target.mean, 1)
    return (
        f"Measured on {of}{target.rows:,} rows that have a target ({target.task}; {told(target)}: {value}). "
        "ROC AUC is 0.5 for a column that tells nothing; the other numbers are 0."
    )
