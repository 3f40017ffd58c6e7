"""The history of a registered model: its tags, read as events.

Each event is one tag ``mlpipes.history.<id>`` of the registered model, written before the alias is
moved (state ``intent``) and again after (``done``). A killed process leaves an intent;
where the alias pointed afterwards shows whether it was moved.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from typing import Literal

PREFIX = "mlpipes.history."
SENT = "mlpipes.sent."  # promotions to another project; no alias of this one moved
MAX_VALUE = 4500  # the registry's column holds 5000 characters
_MAX_TEXT = 1000  # characters of a free text; each takes up to six as JSON

Kind = Literal["promote", "rollback", "sent"]
State = Literal["intent", "done", "unfinished"]


@dataclass(frozen=True)
class HistoryEvent:
    """One promotion or rollback.

    Attributes:
        id: Sorts by time.
        kind: promote, rollback, or sent: promoted in another project, from ``from_version`` of this one to
            ``to_version`` of that.
        state: ``done``; ``intent`` as written ahead; ``unfinished`` if the alias was never moved.
        model: The registered model.
        alias: The alias that was moved.
        from_version: Where it pointed before; None if it did not exist.
        to_version: Where it points since.
        when: UTC, ISO 8601.
        who: ``user@host``.
        git_user: The user in git's settings; empty without git.
        reason: The user's reason, else the decision's.
        experiment: The challenger's experiment; empty for a rollback.
        candidate: The challenger's name in it.
        run_id: The run of ``to_version``.
        metric: The metric that decided; empty for a rollback.
        challenger: The challenger's value on the rows compared.
        incumbent: The champion's value on the same rows; None for a first promotion.
        lower: The lower confidence bound of the improvement; None for a first promotion.
        candidates: The number of candidates that the comparison was corrected for.
        rows: The number of rows compared.
        from_project: The name of the project that the version was copied from; empty if it was made here.
        origin_version: The version there, as ``MODEL/VERSION``.
        origin_run: The run there.
        to_project: The name of the project that it was sent to; empty unless it was.
    """

    id: str
    kind: Kind
    state: State
    model: str
    alias: str
    from_version: int | None
    to_version: int
    when: str
    who: str
    git_user: str = ""
    reason: str = ""
    experiment: str = ""
    candidate: str = ""
    run_id: str = ""
    metric: str = ""
    challenger: float | None = None
    incumbent: float | None = None
    lower: float | None = None
    candidates: int | None = None
    rows: int | None = None
    from_project: str = ""
    origin_version: str = ""
    origin_run: str = ""
    to_project: str = ""

    @property
    def key(self) -> str:
        """The tag's name."""
        return (SENT if self.kind == "sent" else PREFIX) + self.id

    def value(self) -> str:
        """Return the tag's value: JSON that fits into the registry's column."""
        body = {k: v for k, v in asdict(self).items() if k not in {"id", "model"} and v not in (None, "")}
        for limit in (_MAX_TEXT, 200, 50):
            text = json.dumps({k: v[:limit] if isinstance(v, str) else v for k, v in body.items()})
            if len(text) <= MAX_VALUE:
                break
        return text


def new_id(now: datetime, after: str = "") -> str:
    """Return an id that sorts after every earlier one (after ``after`` too, if the clock went back)."""
    ident = f"{now.astimezone(UTC):%Y%m%dT%H%M%S.%f}Z-{secrets.token_hex(4)}"
    return ident if ident > after else f"{after}_{secrets.token_hex(2)}"


def read(model: str, tags: Mapping[str, str], prefix: str = PREFIX) -> list[HistoryEvent]:
    """Return the events among a registered model's tags, oldest first; unreadable ones are skipped."""
    entries = (
        _parse(model, key.removeprefix(prefix), tags[key]) for key in sorted(tags) if key.startswith(prefix)
    )
    return [entry for entry in entries if entry is not None]


_OPTIONAL = {field.name for field in fields(HistoryEvent)} - {"id", "model"}


def _parse(model: str, ident: str, text: str) -> HistoryEvent | None:
    try:
        body = json.loads(text)
        known = {key: value for key, value in body.items() if key in _OPTIONAL}
        entry = HistoryEvent(**{"from_version": None, **known, "id": ident, "model": model})
    except (ValueError, TypeError, AttributeError):
        return None
    return entry if isinstance(entry.to_version, int) and isinstance(entry.alias, str) else None


def resolve_states(entries: Sequence[HistoryEvent], aliases: Mapping[str, int]) -> list[HistoryEvent]:
    """Resolve for each intent whether it happened, from where its alias pointed next.

    Args:
        entries: Oldest first.
        aliases: Where the aliases point now.

    Returns:
        The same events; each intent became ``done`` or ``unfinished``.
    """
    pointed: dict[str, int | None] = dict(aliases)
    settled: list[HistoryEvent] = []
    for entry in reversed(entries):
        if entry.state == "intent":
            happened = pointed.get(entry.alias) == entry.to_version
            entry = replace(entry, state="done" if happened else "unfinished")
        if entry.state == "done":
            pointed[entry.alias] = entry.from_version
        settled.append(entry)
    return settled[::-1]


def holders(entries: Iterable[HistoryEvent], alias: str, current: int | None) -> list[int]:
    """Return the versions that held the alias, as a stack for rollbacks: the last is the present one.

    A promotion pushes a version, a rollback pops it. If the alias was moved
    by other means, the version found then is pushed as well.

    Args:
        entries: Resolved events, oldest first.
        alias: The alias.
        current: Where it points now, or None.
    """
    stack: list[int] = []
    for entry in entries:
        if entry.alias != alias or entry.state != "done":
            continue
        _put(stack, entry.from_version)
        if entry.kind == "promote":
            _put(stack, entry.to_version)
        else:
            _take(stack, entry.to_version)
    _put(stack, current)
    return stack


def _put(stack: list[int], version: int | None) -> None:
    if version is not None and stack[-1:] != [version]:
        stack.append(version)


def _take(stack: list[int], until: int) -> None:
    while stack:
        stack.pop()
        if stack[-1:] == [until]:
            return
    stack.append(until)


def version_before(stack: Sequence[int], current: int | None, existing: Collection[int]) -> int | None:
    """Return the nearest version down the stack that differs from the present one and still exists."""
    below = stack[:-1] if stack and stack[-1] == current else stack
    return next((version for version in reversed(below) if version in existing and version != current), None)
