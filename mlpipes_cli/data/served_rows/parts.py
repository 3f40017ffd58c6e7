"""Gives each served row its part: rows that judge are not trained on, and no row is there twice."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from mlpipes_cli import metric_catalog
from mlpipes_cli.data.canonical import as_text, canonical_ids
from mlpipes_cli.data.prepare import holdout_fingerprint
from mlpipes_cli.data.rows import hash_rows, hash_values

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlpipes_cli.data.prepared import Prepared

    Flags = NDArray[np.bool_]
    Rows = NDArray[np.int64]

FEWEST_TO_JUDGE = 100  # served rows that judge without those of the source
JudgedOn = Literal["served", "source", "both"]


@dataclass(frozen=True)
class RowCounts:
    """Where the rows of a retraining come from.

    Attributes:
        source_train: Training rows of the experiment's source.
        source_validation: Its rows for tuning.
        source_holdout: Its holdout rows; never trained on.
        served: Served rows with ground truth that were read, each caller id once.
        served_train: How many of them are trained on.
        served_validation: How many are tuned on.
        served_holdout: How many judge.
        repeated: Served rows that the source, or a later served row, has too.
        replaced: Rows of the source with the id of a served row, which takes their place.
        kept_out: Served rows that are not trained on since the source's holdout has them.
        unusable: Served rows whose ground truth the experiment's target does not know.
        judged_on: Whose rows are the holdout: ``served``, ``source`` or ``both``.
    """

    source_train: int
    source_validation: int
    source_holdout: int
    served: int = 0
    served_train: int = 0
    served_validation: int = 0
    served_holdout: int = 0
    repeated: int = 0
    replaced: int = 0
    kept_out: int = 0
    unusable: int = 0
    judged_on: JudgedOn = "source"


@dataclass(frozen=True, eq=False)
class ServedFrame:
    """Served rows with their ground truth.

    Attributes:
        frame: (n,) features and target in the types of the prepared data; the earliest prediction first.
        callers: (n,) the caller id of each, or None.
        unusable: How many others have a ground truth that the target does not know.
    """

    frame: pd.DataFrame
    callers: Sequence[str | None]
    unusable: int = 0


def add(base: Prepared, served: ServedFrame, share: float) -> tuple[Prepared, RowCounts]:
    """Return the data of the source with the served rows.

    A row is known by its id if the source's ids are unique and the row has a caller id, else by its
    features and target. A served row that the source has is left out; with the id of a training row and
    other values it takes that row's place. What is in the source's holdout, by id or by values, is not
    trained on. Of the others the newest judge, unless a row with the same values is trained on. If these
    are enough, they are the holdout alone, so that a model is judged on the rows of today; else they join
    the source's holdout. The source's holdout rows are never trained on.

    Args:
        base: The prepared data of the source.
        served: The served rows.
        share: The share of the served rows that judge.
    """
    known = _Known(base, served)
    judging = known.judging(share)
    keep = ~(known.repeated | (known.held & ~judging))
    alone = _enough(base, served.frame[judging])
    if not alone:  # the source's holdout has them already
        keep &= ~known.held
    judge = judging & keep
    learn = keep & ~judge
    tune = _newest(learn, len(base.validation) / max(len(base.seen), 1))
    replaced = known.replaced(keep)
    counts = RowCounts(
        source_train=len(base.train) - int(np.isin(base.train, replaced).sum()),
        source_validation=len(base.validation) - int(np.isin(base.validation, replaced).sum()),
        source_holdout=len(base.holdout),
        served=len(served.frame) + served.unusable,
        served_train=int((learn & ~tune).sum()),
        served_validation=int(tune.sum()),
        served_holdout=int(judge.sum()),
        repeated=int(known.repeated.sum()),
        replaced=len(replaced),
        kept_out=int((known.held & ~keep & ~known.repeated).sum()),
        unusable=served.unusable,
        judged_on="served" if alone else "both" if judge.any() else "source",
    )
    if not keep.any():
        return base, counts
    return _joined(base, served, replaced, (learn & ~tune, tune, judge), alone), counts


class _Known:
    """What is known of each served row: flags of shape (n,).

    Attributes:
        repeated: Whether the source has it outside of its holdout, or a later served row is the same.
        held: Whether the source's holdout has it.
    """

    def __init__(self, base: Prepared, served: ServedFrame) -> None:
        columns = base.hashed_columns
        of_base, own = hash_rows(base.frame, columns), hash_rows(served.frame, columns)
        keys = _keys(base)
        callers = [None if caller is None else _key(caller) for caller in served.callers]
        at = [-1 if key is None or keys is None else keys.get(key, -1) for key in callers]
        self._place = np.array(at, dtype=np.int64)
        by_id = np.array([key is not None for key in callers], dtype=bool) & (keys is not None)
        aside = np.zeros(len(base.frame), dtype=bool)
        aside[base.holdout] = True
        inside = self._place >= 0
        self._own, self._seen = own, np.isin(own, of_base[base.seen])
        self.held = np.isin(own, of_base[base.holdout])
        self.held[inside] |= aside[self._place[inside]]
        same = np.zeros(len(own), dtype=bool)
        same[inside] = own[inside] == of_base[self._place[inside]]
        again = np.where(by_id, same, self._seen)
        self.repeated: Flags = (again & ~self.held) | _followed(own, callers)

    def replaced(self, keep: Flags) -> Rows:
        """Return the positions of the source's rows whose place a kept row takes."""
        return np.unique(self._place[keep & ~self.held & (self._place >= 0)])

    def judging(self, share: float) -> Flags:
        """Return which rows judge: the newest, unless the same values are trained on."""
        newest = _newest(~self.repeated, share)
        learned = self._own[~self.repeated & ~self.held & ~newest]
        return newest & ~self._seen & ~np.isin(self._own, learned)


def _followed(own: NDArray[np.uint64], callers: Sequence[str | None]) -> Flags:
    """Return which rows are followed by the same one: of that caller id, else of these values."""
    names = pd.Series(
        [f"id {key}" if key is not None else f"row {value}" for key, value in zip(callers, own, strict=True)],
        dtype=object,
    )
    return names.duplicated(keep="last").to_numpy(dtype=bool)


def _newest(among: Flags, share: float) -> Flags:
    """Return the last share of the flagged rows, rounded; one row at least stays on the other side."""
    places = np.flatnonzero(among)
    number = min(int(np.floor(len(places) * share + 0.5)), max(len(places) - 1, 0))
    found = np.zeros(len(among), dtype=bool)
    found[places[len(places) - number :]] = True
    return found


def _keys(base: Prepared) -> dict[str, int] | None:
    """Return the position of each id; None if ids are missing, repeated, or not there."""
    if base.id_name is None:
        return None
    ids = base.frame[base.id_name]
    if ids.isna().any() or ids.duplicated().any():
        return None
    return {_key(value): at for at, value in enumerate(ids)}


def _key(value: Any) -> str:
    """Return an id as text; 5 and 5.0 are one id."""
    text = as_text(value)
    whole, _, rest = text.partition(".")
    return whole if rest and not rest.strip("0") and whole.lstrip("-").isdigit() else text


def _enough(base: Prepared, judging: pd.DataFrame) -> bool:
    """Return whether these rows can judge alone: enough of them, and of every class."""
    if len(judging) < FEWEST_TO_JUDGE:
        return False
    if base.task == "regression":
        return True
    counts = judging[base.target_name].value_counts()
    return all(int(counts.get(label, 0)) >= metric_catalog.FEWEST_ROWS for label in base.classes)


def _joined(
    base: Prepared, served: ServedFrame, replaced: Rows, parts: tuple[Flags, Flags, Flags], alone: bool
) -> Prepared:
    """Put the rows of the source that stay before the served ones."""
    stays = np.ones(len(base.frame), dtype=bool)
    stays[replaced] = False
    if alone:
        stays[base.holdout] = False
    learn, tune, judge = parts
    chosen = learn | tune | judge
    frame = pd.concat(
        [base.frame[stays], _beside(base, served)[list(base.frame.columns)][chosen]], ignore_index=True
    )
    if base.id_name is not None:
        frame[base.id_name] = canonical_ids(frame[base.id_name])
    place = np.cumsum(stays) - 1
    start = int(stays.sum())

    def positions(of_base: Rows, of_served: Flags) -> Rows:
        kept = place[of_base[stays[of_base]]]
        return np.concatenate([kept, start + np.flatnonzero(of_served[chosen])]).astype(np.int64)

    train, validation = positions(base.train, learn), positions(base.validation, tune)
    holdout = positions(base.holdout, judge)
    names = [*base.hashed_columns, *([base.id_name] if base.id_name else [])]
    return replace(
        base,
        frame=frame,
        train=train,
        validation=validation,
        holdout=holdout,
        fingerprint=_fingerprint(base, frame, holdout, validation),
        holdout_fingerprint=holdout_fingerprint(frame.iloc[holdout], names),
        warnings=(),
    )


def _beside(base: Prepared, served: ServedFrame) -> pd.DataFrame:
    """Return the served rows with the source's columns that are no features."""
    made = served.frame.copy()
    if base.group_name is not None:
        made[base.group_name] = None
    if base.weights_name is not None:
        made[base.weights_name] = float(base.frame[base.weights_name].iloc[base.train].mean())
    if base.id_name is not None:
        made[base.id_name] = _ids(base.frame[base.id_name], served.callers)
    return made


def _ids(of_base: pd.Series, callers: Sequence[str | None]) -> pd.Series:
    """Return the caller ids in the type of the source's ids, where all of them fit."""
    texts = pd.Series(list(callers), dtype=object)
    if of_base.dtype.kind == "i" and texts.notna().all():
        numbers = pd.Series([_key(text) for text in texts], dtype=object)
        if numbers.str.fullmatch(r"-?\d{1,18}").all():
            return numbers.astype("int64")
    return texts


def _fingerprint(base: Prepared, frame: pd.DataFrame, holdout: Rows, validation: Rows) -> str:
    digest = hashlib.sha256(f"served rows added to {base.fingerprint}".encode())
    for name in frame.columns:
        digest.update(hash_values(frame[name]).astype("<u8").tobytes())
    for part in (holdout, validation):
        digest.update(len(part).to_bytes(8, "little") + part.astype("<i8").tobytes())
    return digest.hexdigest()
