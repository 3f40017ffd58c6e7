"""What one check of a model finds: by column, for its predictions, and as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["number", "category", "text", "date", "boolean", "image", "prediction", "score"]
Change = Literal["location", "spread", "tail", "mix", "unseen", "missing", "zeros"]
FEWEST_ROWS = 50  # a check of fewer rows states nothing


@dataclass(frozen=True)
class Options:
    """How a check decides.

    Attributes:
        alpha: The probability of a false alarm of the whole check, all columns together.
        min_effect: The smallest effect that matters, between 0 and 1; the scale of `ColumnCheck.effect`.
        floors: The smallest effect of single columns, by name.
        ignore: Columns that are not compared.
        joint: Also look for a change that no single column shows.
        seed: Of every random draw.
    """

    alpha: float = 0.05
    min_effect: float = 0.1
    floors: Mapping[str, float] = field(default_factory=dict)
    ignore: Sequence[str] = ()
    joint: bool = True
    seed: int = 0


@dataclass(frozen=True)
class Effect:
    """How large one kind of change is.

    Attributes:
        change: The kind of change.
        size: Between 0 and 1, on the scale of `Options.min_effect`, less what chance alone gives.
        reference: The figure of the reference, in its own unit (a median, a share); None if it has none.
        current: The same figure of the current rows.
        words: The change in one sentence, such as ``median 3,200 -> 4,100``.
    """

    change: Change
    size: float
    reference: float | None
    current: float | None
    words: str


@dataclass(frozen=True)
class QualityFinding:
    """A fault of the data that is not a question of chance.

    Attributes:
        fault: ``absent`` (the column is not there), ``unexpected`` (the reference lacks it), ``type``,
            ``unseen`` (values that training never saw), ``out_of_range``, ``missing`` or ``constant``.
        rows: How many current rows it concerns.
        share: Their share of the current rows, in [0, 1].
        words: One sentence.
    """

    fault: str
    rows: int
    share: float
    words: str


@dataclass(frozen=True)
class ColumnCheck:
    """The comparison of one column.

    Attributes:
        name: The column's name.
        kind: What its values are.
        rows: Current rows that were compared.
        reference_rows: Rows of the reference that were compared.
        effect: The largest of `effects`; None if nothing could be stated.
        p: The p-value, adjusted for all columns of the check; None if nothing could be stated.
        significant: Whether `p` is at most alpha.
        alarm: Significant, and the effect reaches its floor.
        change: The kind of the largest effect, or None.
        effects: The effect of each kind of change that applies.
        detectable: The smallest effect that these numbers of rows would have shown with 80 % power, on
            the scale of `effect`; None if unknown.
        detectable_words: The same as people say it, such as ``a shift of 0.12 standard deviations``.
        quality: Faults of the data.
        note: Why nothing could be stated, or an empty text.
        shape: What a picture needs: cells or levels with the shares of both sides (JSON values only).
    """

    name: str
    kind: Kind
    rows: int
    reference_rows: int
    effect: float | None
    p: float | None
    significant: bool
    alarm: bool
    change: Change | None
    effects: Sequence[Effect] = ()
    detectable: float | None = None
    detectable_words: str = ""
    quality: Sequence[QualityFinding] = ()
    note: str = ""
    shape: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class JointCheck:
    """A change of several columns together that single columns need not show.

    Attributes:
        p: The p-value; None if the check has too few rows or columns.
        effect: Between 0 and 1: how well a row's side can be told, 2 * AUC - 1; None without a statement.
        alarm: Significant and large enough to matter.
        columns: The columns that tell most, first those that tell more.
        note: Why nothing could be stated, or an empty text.
    """

    p: float | None
    effect: float | None
    alarm: bool
    columns: Sequence[str] = ()
    note: str = ""


@dataclass(frozen=True)
class Comparison:
    """The comparison of two tables.

    Attributes:
        rows: Current rows.
        reference_rows: Rows of the reference.
        alpha: The probability of a false alarm that the whole comparison keeps to.
        alarm: Whether a column or the joint check alarms.
        enough: Whether there are rows enough for a statement.
        columns: Every compared column; first those that alarm, then by effect, the largest first.
        joint: The joint check; None if it was not asked for.
        verdict: One sentence.
    """

    rows: int
    reference_rows: int
    alpha: float
    alarm: bool
    enough: bool
    columns: Sequence[ColumnCheck]
    joint: JointCheck | None
    verdict: str
