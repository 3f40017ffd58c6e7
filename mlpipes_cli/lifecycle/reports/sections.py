"""The parts of a card as rows of text, which its Markdown and its page share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlpipes_cli.lifecycle.promotion import verdict_lines
from mlpipes_cli.lifecycle.reports.metric_cells import interval, number

if TYPE_CHECKING:
    from mlpipes_cli.lifecycle.reports.card import CardData, ModelCard


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        heads: The names of the columns; empty for a table of names and values.
        rows: The cells; the first column names the row.
        numbers: The columns that hold numbers, counted from 0.
        strong: The row that is the report's own, or None.
    """

    heads: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    numbers: frozenset[int] = frozenset()
    strong: int | None = None


def title(card: ModelCard) -> str:
    """Return the heading."""
    named = f"version {card.version}" if card.version is not None else card.candidate
    return f"{card.model}, {named}"


def decision(card: ModelCard) -> str:
    """Return the verdict of the promotion test in one line."""
    return f"{card.verdict.outcome}: {card.verdict.reason}"


def about(card: ModelCard) -> Table:
    """Return what the model is and who made it."""
    version = "not registered yet" if card.version is None else str(card.version)
    aliases = f" ({', '.join(card.aliases)})" if card.aliases else ""
    rows = [
        ("version", version + aliases),
        ("experiment", card.experiment),
        ("candidate", f"{card.candidate} (run {card.run_id[:8]})"),
        ("task", card.task),
        ("trainer", card.trainer),
        ("trained", card.trained_at.replace("T", " ").replace("+00:00", " UTC")),
        ("by", card.trained_by),
        ("commit", card.commit),
        ("fit", "" if card.seconds is None else f"{card.seconds:.1f} s"),
        ("threshold", "" if card.threshold is None else f"{card.threshold:.4g}"),
    ]
    return Table((), [row for row in rows if row[1]])


def data(found: CardData) -> Table:
    """Return the rows and how they were split."""
    rows = [
        ("source", found.source or ""),
        ("data set", found.dataset or ""),
        ("target", found.target or ""),
        ("training rows", "" if found.training_rows is None else f"{found.training_rows:,}"),
        ("holdout rows", "" if found.holdout_rows is None else f"{found.holdout_rows:,}"),
        ("split", _split(found)),
        ("fingerprint", found.fingerprint[:12]),
        ("holdout", found.holdout_fingerprint[:12]),
    ]
    return Table((), [row for row in rows if row[1]])


def _split(found: CardData) -> str:
    if found.split is None:
        return "the data set's own" if found.dataset else ""
    return ", ".join(f"{name} {value}" for name, value in found.split.items() if value not in (None, False))


def metrics(card: ModelCard) -> Table:
    """Return the metrics on the holdout with their intervals, and the champion's beside them."""
    champion = any(one.champion is not None for one in card.metrics)
    heads = ("metric", "value", "95 % interval", *(["champion"] if champion else []), "better is")
    rows = [
        (
            one.title,
            number(one.value),
            interval({one.name: one.interval}, one.name),
            *([number(one.champion)] if champion else []),
            "higher" if one.higher_is_better else "lower",
        )
        for one in card.metrics
    ]
    return Table(heads, rows, frozenset(range(1, 4 if champion else 3)), 0 if rows else None)


def leaderboard(card: ModelCard) -> Table:
    """Return the newest run of each candidate on the same holdout, the best first; its own is bold."""
    board = card.leaderboard
    metric = board["metric"]
    rows = [_entry(run, metric) for run in board["runs"]]
    own = [position for position, run in enumerate(board["runs"]) if run["name"] == card.candidate]
    heads = ("candidate", metric, "95 % interval", "seconds", "status", "version")
    return Table(heads, rows, frozenset({1, 2, 3}), own[0] if own else None)


def _entry(run: Mapping[str, Any], metric: str) -> tuple[str, ...]:
    version = "" if run["version"] is None else ", ".join([str(run["version"]), *run["aliases"]])
    failed = f"{run['status'].lower()}: {run['error']}" if run["error"] else run["status"].lower()
    return (
        run["name"],
        number(run["metrics"].get(metric)),
        interval(run["intervals"], metric),
        "" if run["seconds"] is None else f"{run['seconds']:.1f}",
        failed,
        version,
    )


def verdict(card: ModelCard) -> Table:
    """Return against whom the promotion test compared it, and how it came out."""
    return Table((), verdict_lines.lines(card.verdict))


def params(card: ModelCard) -> Table:
    """Return the parameters as they were logged."""
    return Table((), list(card.params.items()))


def captions(card: ModelCard) -> dict[str, str]:
    """Return what each plot shows, by file name."""
    return {name: name.rpartition(".")[0].replace("_", " ") for name in card.plots}
