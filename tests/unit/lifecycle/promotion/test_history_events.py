"""The history: what is written fits, what is read is true whoever was killed."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mlpipes_cli.lifecycle.promotion import history_events
from mlpipes_cli.lifecycle.promotion.history_events import HistoryEvent
from mlpipes_cli.lifecycle.promotion.rolled_back import rolled_back_runs
from mlpipes_cli.ports import ModelVersion, RegisteredModel

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def entry(
    number: int, kind: str, before: int | None, after: int, state: str = "done", alias: str = "production"
) -> HistoryEvent:
    ident = history_events.new_id(NOON + timedelta(seconds=number))
    return HistoryEvent(ident, kind, state, "m", alias, before, after, "2026-05-01T12:00:00", "me@here")


def test_an_event_survives_its_tag():
    said = replace(
        entry(1, "promote", None, 3), reason='"quotes" and ünïcode\n', metric="ks", challenger=0.4, rows=200
    )
    assert history_events.read("m", {said.key: said.value(), "other": "tag"}) == [said]


@pytest.mark.parametrize("text", ["x" * 100_000, "é" * 100_000, '"\\' * 50_000, "🎉" * 50_000])
def test_a_long_reason_is_cut_so_that_the_column_takes_it(text: str):
    said = replace(entry(1, "promote", 1, 2), reason=text, who=text, git_user=text, experiment=text)
    assert len(said.value()) <= history_events.MAX_VALUE
    (found,) = history_events.read("m", {said.key: said.value()})
    assert (found.from_version, found.to_version, found.kind) == (1, 2, "promote")
    assert found.reason and text.startswith(found.reason)


@pytest.mark.parametrize(
    "value", ["", "no json", "[]", "3", "{}", '{"kind": "promote"}', '{"to_version": "two"}']
)
def test_a_tag_that_is_no_event_is_left_out(value: str):
    good = entry(1, "promote", None, 1)
    assert history_events.read("m", {good.key: good.value(), history_events.PREFIX + "zzz": value}) == [good]


def test_a_key_of_a_newer_release_does_not_hide_the_event():
    good = entry(1, "promote", None, 1)
    value = json.dumps(json.loads(good.value()) | {"signed_off_by": "someone"})
    assert history_events.read("m", {good.key: value}) == [good]


def test_ids_sort_by_time_even_when_the_clock_goes_back():
    ids = [history_events.new_id(NOON)]
    for minutes in (1, 2, -5, -5, -6, 3):
        ids.append(history_events.new_id(NOON + timedelta(minutes=minutes), ids[-1]))
    assert ids == sorted(ids) and len(set(ids)) == len(ids)
    assert all(c.isalnum() or c in "._-" for c in "".join(ids)), "what the registry takes in a key"


def test_an_intent_whose_alias_moved_is_done():
    first, second = entry(1, "promote", None, 1), entry(2, "promote", 1, 2, "intent")
    assert [e.state for e in history_events.resolve_states([first, second], {"production": 2})] == [
        "done",
        "done",
    ]


def test_an_intent_whose_alias_stayed_is_unfinished():
    first, second = entry(1, "promote", None, 1), entry(2, "promote", 1, 2, "intent")
    assert [e.state for e in history_events.resolve_states([first, second], {"production": 1})] == [
        "done",
        "unfinished",
    ]
    assert [e.state for e in history_events.resolve_states([second], {})] == ["unfinished"]


def test_a_later_event_tells_about_an_older_intent():
    killed = entry(2, "promote", 1, 2, "intent")
    moved = [entry(1, "promote", None, 1), killed, entry(3, "promote", 2, 3)]
    stayed = [entry(1, "promote", None, 1), killed, entry(3, "promote", 1, 3)]
    assert [e.state for e in history_events.resolve_states(moved, {"production": 3})] == [
        "done",
        "done",
        "done",
    ]
    assert [e.state for e in history_events.resolve_states(stayed, {"production": 3})] == [
        "done",
        "unfinished",
        "done",
    ]


def test_aliases_do_not_disturb_each_other():
    killed = entry(1, "promote", None, 2, "intent", alias="staging")
    other = entry(2, "promote", None, 2)
    assert [e.state for e in history_events.resolve_states([killed, other], {"production": 2})] == [
        "unfinished",
        "done",
    ]
    assert history_events.holders([killed, other], "staging", None) == []


def stack(*steps: tuple[str, int | None, int], current: int | None = None) -> list[int]:
    done = [entry(i, kind, before, after) for i, (kind, before, after) in enumerate(steps)]
    return history_events.holders(done, "production", steps[-1][2] if current is None else current)


def test_rollbacks_go_down_the_stack():
    ups = [("promote", None, 1), ("promote", 1, 2), ("promote", 2, 3)]
    assert stack(*ups) == [1, 2, 3]
    assert stack(*ups, ("rollback", 3, 2)) == [1, 2]
    assert stack(*ups, ("rollback", 3, 2), ("rollback", 2, 1)) == [1]
    assert stack(*ups, ("rollback", 3, 2), ("promote", 2, 4)) == [1, 2, 4]


def test_the_same_version_may_hold_the_alias_twice():
    assert stack(("promote", None, 1), ("promote", 1, 2), ("promote", 2, 1)) == [1, 2, 1]
    back = stack(("promote", None, 1), ("promote", 1, 2), ("promote", 2, 1), ("rollback", 1, 2))
    assert back == [1, 2]


def test_a_move_by_other_means_is_on_the_stack():
    assert stack(("promote", None, 1), ("promote", 5, 2)) == [1, 5, 2]
    assert stack(("promote", None, 1), current=7) == [1, 7]
    assert history_events.holders([], "production", 4) == [4]


def test_unfinished_events_are_not_on_the_stack():
    killed = entry(5, "promote", 1, 9, "unfinished")
    assert history_events.holders([entry(1, "promote", None, 1), killed], "production", 1) == [1]


def test_a_rollback_past_deleted_versions():
    assert history_events.version_before([1, 2, 3], 3, {1, 2, 3}) == 2
    assert history_events.version_before([1, 2, 3], 3, {1, 3}) == 1
    assert history_events.version_before([1, 2, 3], 3, {3}) is None
    assert history_events.version_before([1], 1, {1}) is None
    assert history_events.version_before([1, 2], None, {1}) == 1, "the version of the alias was deleted"
    assert history_events.version_before([1, 2, 1], 1, {1}) is None, "going back to itself is no rollback"


def test_a_rollback_that_skipped_a_deleted_version_leaves_the_right_stack():
    assert stack(("promote", None, 1), ("promote", 1, 2), ("promote", 2, 3), ("rollback", 3, 1)) == [1]


def model(*entries, aliases):
    versions = tuple(ModelVersion("m", number, f"run{number}", (), {}, 0) for number in (1, 2, 3))
    return RegisteredModel("m", aliases, {one.key: one.value() for one in entries}, versions)


STORY = (
    entry(1, "promote", None, 1),
    entry(2, "promote", 1, 2),
    entry(3, "rollback", 2, 1),
    entry(4, "promote", 1, 3, alias="staging"),
)


def test_a_version_that_was_rolled_back_is_withdrawn_from_that_alias_alone():
    told = model(*STORY, aliases={"production": 1, "staging": 3})
    (found,) = rolled_back_runs(told, "production").values()
    assert (found.run_id, found.version, found.who) == ("run2", 2, "me@here")
    assert found.told() == (
        "version 2 was rolled back from production on 2026-05-01 12:00 UTC by me@here, no reason given"
    )
    assert rolled_back_runs(told, "staging") == rolled_back_runs(None, "production") == {}


def test_who_promotes_it_again_has_lifted_it():
    again = model(*STORY, entry(5, "promote", 1, 2), aliases={"production": 2})
    assert rolled_back_runs(again, "production") == {}
    unfinished = model(*STORY, entry(5, "promote", 1, 2, state="unfinished"), aliases={"production": 1})
    assert set(rolled_back_runs(unfinished, "production")) == {"run2"}
