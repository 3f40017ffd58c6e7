from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpipes_cli.server.ops.context import RequestContext, parse_traceparent, parse_tracestate

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GOOD = f"00-{TRACE}-{PARENT}-01"
LONG = "12345678901234567890123456789012"

# From the specification's own test suite (github.com/w3c/trace-context, test/test.py).
VALID = [
    GOOD,
    f"00-{TRACE}-{PARENT}-00",
    f"cc-{TRACE}-{PARENT}-01",
    f"cc-{TRACE}-{PARENT}-01-what-the-future-will-be-like",
    f" {GOOD}",
    f"\t{GOOD}",
    f"{GOOD} ",
    f"\t {GOOD} \t",
]
INVALID = [
    "",
    f"{GOOD}.",
    f"{GOOD}-what-the-future-will-be-like",
    f"cc-{TRACE}-{PARENT}-01.what-the-future-will-be-like",
    f"ff-{TRACE}-{PARENT}-01",
    f".0-{TRACE}-{PARENT}-01",
    f"0.-{TRACE}-{PARENT}-01",
    f"000-{TRACE}-{PARENT}-01",
    f"0000-{TRACE}-{PARENT}-01",
    f"0-{TRACE}-{PARENT}-01",
    f"00-{'0' * 32}-{PARENT}-01",
    f"00-.{TRACE[1:]}-{PARENT}-01",
    f"00-{TRACE[:-1]}.-{PARENT}-01",
    f"00-{TRACE}3-{PARENT}-01",
    f"00-{TRACE[1:]}-{PARENT}-01",
    f"00-{TRACE.upper()}-{PARENT}-01",
    f"00-{TRACE}-{'0' * 16}-01",
    f"00-{TRACE}-.{PARENT[1:]}-01",
    f"00-{TRACE}-{PARENT[:-1]}.-01",
    f"00-{TRACE}-{PARENT}7-01",
    f"00-{TRACE}-{PARENT[1:]}-01",
    f"00-{TRACE}-{PARENT}-.0",
    f"00-{TRACE}-{PARENT}-0.",
    f"00-{TRACE}-{PARENT}-001",
    f"00-{TRACE}-{PARENT}-1",
    f"00-{TRACE}-{PARENT}-0A",
    f"cc-{TRACE}-{PARENT}",
    "٠٠" + GOOD[2:],
]


def read(*headers: tuple[str, str]) -> RequestContext:
    return RequestContext.read([(name.encode(), value.encode()) for name, value in headers])


@pytest.mark.parametrize("value", VALID)
def test_a_valid_trace_goes_on_with_a_span_of_ours(value: str) -> None:
    context = read(("traceparent", value))
    assert (context.trace_id, context.parent_id) == (TRACE, PARENT)
    assert re.fullmatch("[0-9a-f]{16}", context.span_id or "")
    assert context.span_id not in (PARENT, "0" * 16)


@pytest.mark.parametrize("value", INVALID)
def test_an_invalid_trace_is_as_none(value: str) -> None:
    context = read(("traceparent", value), ("tracestate", "foo=1"))
    assert (context.trace_id, context.parent_id, context.span_id, context.tracestate) == (
        None,
        None,
        None,
        b"",
    )
    assert [name for name, _ in context.response_headers()] == [b"x-request-id"]


def test_two_traces_are_none() -> None:
    assert read(("traceparent", GOOD), ("traceparent", GOOD)).trace_id is None


def test_only_the_flag_that_is_known_goes_on() -> None:
    assert read(("traceparent", f"00-{TRACE}-{PARENT}-ff")).flags == 1
    assert read(("traceparent", f"00-{TRACE}-{PARENT}-fe")).flags == 0
    assert read(("traceparent", f"cc-{TRACE}-{PARENT}-09-more")).flags == 1


def test_the_answer_names_the_request_and_our_span() -> None:
    context = read(("x-request-id", "order-17"), ("traceparent", GOOD), ("tracestate", "congo=t61rcWkgMzE"))
    assert context.response_headers() == [
        (b"x-request-id", b"order-17"),
        (b"traceparent", f"00-{TRACE}-{context.span_id}-01".encode()),
        (b"tracestate", b"congo=t61rcWkgMzE"),
    ]


@pytest.mark.parametrize("given", ["", "a b", "ü", "x" * 129, "a\tb", "a\x7f", " padded"])
def test_a_request_id_that_is_not_short_and_printable_is_replaced(given: str) -> None:
    assert re.fullmatch("[0-9a-f]{32}", read(("x-request-id", given)).request_id)


@pytest.mark.parametrize("given", ["a", "x" * 128, 'a"b\\c', "~!@#"])
def test_a_request_id_of_the_caller_is_kept(given: str) -> None:
    assert read(("x-request-id", given)).request_id == given


def test_identifiers_are_not_those_of_a_seeded_generator() -> None:
    import random

    made = set()
    for _ in range(2):
        random.seed(1)
        made.add(read().request_id)
    assert len(made) == 2


def test_a_forked_process_makes_other_identifiers() -> None:
    import os

    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, read().request_id.encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 100).decode() != read().request_id
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize(
    ("given", "carried"),
    [
        (["foo=1,bar=2"], "foo=1,bar=2"),
        (["foo=1", ""], "foo=1"),
        (["", "foo=1"], "foo=1"),
        (["foo=1,bar=2", "rojo=1,congo=2", "baz=3"], "foo=1,bar=2,rojo=1,congo=2,baz=3"),
        (["foo=1 \t , \t bar=2, \t baz=3"], "foo=1,bar=2,baz=3"),
        (["\t foo=1 \t"], "foo=1"),
        (["foo= 1"], "foo= 1"),
        (["a" * 256 + "=1"], "a" * 256 + "=1"),
        (["0" * 241 + "@" + "v" * 14 + "=1"], "0" * 241 + "@" + "v" * 14 + "=1"),
        (["foo=" + "v" * 256], "foo=" + "v" * 256),
        ([",".join(f"k{n}={n}" for n in range(32))], ",".join(f"k{n}={n}" for n in range(32))),
        # invalid as a whole
        ([""], ""),
        ([",".join(f"k{n}={n}" for n in range(33))], ""),
        (["foo=1,foo=2"], ""),
        (["foo=1", "foo=1"], ""),
        (["foo =1"], ""),
        (["FOO=1"], ""),
        (["foo.bar=1"], ""),
        (["foo@=1,bar=2"], ""),
        (["@foo=1,bar=2"], ""),
        (["foo@@bar=1,bar=2"], ""),
        (["foo@bar@baz=1,bar=2"], ""),
        (["a" * 257 + "=1"], ""),
        (["t" * 242 + "@v=1"], ""),
        (["t@" + "v" * 15 + "=1"], ""),
        (["1foo=1"], ""),
        (["foo="], ""),
        (["foo"], ""),
        (["foo=bar=baz"], ""),
        (["foo=" + "v" * 257], ""),
        (["foo=a\x00b"], ""),
    ],
)
def test_what_other_systems_noted_is_carried_whole_or_not_at_all(given: list[str], carried: str) -> None:
    assert parse_tracestate([value.encode() for value in given]) == carried.encode()


def reference(text: str) -> tuple[str, str, int] | None:
    """`traceparent` by the letter of sections 3.2.2 and 3.2.4, character by character."""
    text = text.strip(" \t")
    digits = set("0123456789abcdef")
    if len(text) < 55 or text[2] != "-" or text[35] != "-" or text[52] != "-":
        return None
    version, trace, parent, flags = text[:2], text[3:35], text[36:52], text[53:55]
    if any(set(part) - digits for part in (version, trace, parent, flags)):
        return None
    if version == "ff" or set(trace) == {"0"} or set(parent) == {"0"}:
        return None
    if len(text) > 55 and (version == "00" or text[55] != "-"):
        return None
    return trace, parent, int(flags, 16) % 2


hexadecimal = "0123456789abcdef"
nearly = st.builds(
    lambda *parts: "".join(parts),
    st.sampled_from(["", " ", "\t"]),
    st.one_of(st.sampled_from(["00", "01", "cc", "fe", "ff", "FF", "0"]), st.text(hexadecimal, max_size=3)),
    st.sampled_from(["-", "-", "-", "", "_"]),
    st.one_of(st.text(hexadecimal, min_size=32, max_size=32), st.just("0" * 32), st.text(max_size=33)),
    st.sampled_from(["-", "-", "-", ""]),
    st.one_of(st.text(hexadecimal, min_size=16, max_size=16), st.just("0" * 16), st.text(max_size=17)),
    st.sampled_from(["-", "-", "-", ""]),
    st.one_of(st.text(hexadecimal, min_size=2, max_size=2), st.text(max_size=3)),
    st.one_of(st.just(""), st.just("-"), st.text(max_size=5), st.sampled_from([" ", "-more", "-more-", "x"])),
)


@given(st.one_of(nearly, st.text(max_size=70)))
def test_traceparent_is_read_by_the_letter(text: str) -> None:
    assert parse_traceparent(text.encode("utf-8")) == reference(text)


@given(st.lists(st.tuples(st.sampled_from([b"x-request-id", b"traceparent", b"tracestate"]), st.binary())))
def test_no_header_breaks_it_and_the_answers_headers_are_clean(headers: list[tuple[bytes, bytes]]) -> None:
    for _, value in RequestContext.read(headers).response_headers():
        assert re.fullmatch(rb"[\x20-\x7e]+", value)
