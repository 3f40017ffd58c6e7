"""Requests of the scoring protocol, valid and not, by kind of model: body, content type, further headers."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any

JSON, CSV = "application/json", "text/csv"
Request = tuple[bytes, str | None]

# --- a required column of each type that the fast lane reads
TABLE = {"amount": "120.5", "ratio": "0.25", "age": "40", "level": "3", "member": "true", "city": '"Paris"'}
COLUMNS = list(TABLE)

# what stands in place of a value: the same in JSON's own words, near it, and far from it
LITERALS = [
    *("1", "0", "-0", "1.0", "-0.0", "1.5", "1e2", "1E+2", "1.0e0", "0.1", "1e-400", "1e400", "-1e400"),
    *("9007199254740991", "9007199254740992", "9007199254740993", "-9007199254740993", "9007199254740993.0"),
    *("2147483647", "2147483648", "-2147483649", "9223372036854775807", "9223372036854775808"),
    *("-9223372036854775808", "18446744073709551616", "1" + "0" * 400, "3.4e39", "1e-46", "16777217"),
    *("0.30000000000000004", "123456789.123456789", "true", "false", "null", "NaN", "Infinity", "-Infinity"),
    *('""', '"1"', '"1.0"', '" 1 "', '"1e3"', '"true"', '"True"', '"NaN"', '"null"', '"x"', '"2021-05-06"'),
    *(
        '"\\u0050aris"',
        '"\\ud83d\\ude42"',
        '"\\ud800"',
        '"\\u0000"',
        '"東京"',
        '"\\n\\t\\"\\\\/"',
        '"é\u0301"',
    ),
    *("[1]", "[]", "{}", '{"a": 1}', "[null]"),
]
FEW = ["1", "1.0", "1.5", "null", "NaN", '"1"', "true", "9007199254740993", '"x"', "[1]", "1e400", "-0.0"]


def label(name: str, literal: str) -> str:
    return f"{name}={literal if len(literal) < 40 else literal[:8] + '...'}"


def record(**changes: str) -> str:
    """One row as a JSON object; values are JSON text."""
    return "{" + ", ".join(f"{json.dumps(k)}: {v}" for k, v in {**TABLE, **changes}.items()) + "}"


def records(*rows: str) -> bytes:
    return ('{"dataframe_records": [' + ", ".join(rows) + "]}").encode("utf-8", "surrogatepass")


def row(**changes: str) -> str:
    return "[" + ", ".join({**TABLE, **changes}.values()) + "]"


def split(*rows: str, columns: Sequence[Any] | None = COLUMNS, more: str = "") -> bytes:
    named = "" if columns is None else f'"columns": {json.dumps(columns)}, '
    return ('{"dataframe_split": {' + named + '"data": [' + ", ".join(rows) + "]" + more + "}}").encode()


def without(*names: str) -> str:
    return "{" + ", ".join(f'"{k}": {v}' for k, v in TABLE.items() if k not in names) + "}"


def lists(**changes: str) -> str:
    return "{" + ", ".join(f'"{k}": [{v}, {v}]' for k, v in {**TABLE, **changes}.items()) + "}"


def _border() -> dict[str, Request]:
    """Each literal in each column, by records and by split, alone and beside a plain row."""
    found: dict[str, Request] = {}
    for name, literal in itertools.product(COLUMNS, LITERALS):
        shown = label(name, literal)
        found[f"records {shown}"] = (records(record(**{name: literal})), JSON)
        found[f"split {shown}"] = (split(row(**{name: literal})), JSON)
    for name, literal in itertools.product(COLUMNS, FEW):
        found[f"second row {name}={literal}"] = (records(record(), record(**{name: literal})), JSON)
        found[f"first row split {name}={literal}"] = (split(row(**{name: literal}), row()), JSON)
        found[f"inputs {name}={literal}"] = (f'{{"inputs": {lists(**{name: literal})}}}'.encode(), JSON)
        found[f"instances {name}={literal}"] = (
            f'{{"instances": [{record(**{name: literal})}]}}'.encode(),
            JSON,
        )
    return found


def _forms() -> dict[str, Request]:
    plain, two = record(), records(record(), record(age="41"))
    text = {k: json.loads(v) for k, v in TABLE.items()}
    header, values = ",".join(COLUMNS), ",".join(str(v) for v in text.values())
    bodies: dict[str, bytes | str] = {
        "records": records(plain),
        "two records": two,
        "many records": records(*[record(age=str(age)) for age in range(200)]),
        "split": split(row()),
        "split of many": split(*[row(age=str(age)) for age in range(200)]),
        "split reordered": split("[" + ", ".join(list(TABLE.values())[::-1]) + "]", columns=COLUMNS[::-1]),
        "split with an index": split(row(), more=', "index": [7]'),
        "split with text as index": split(row(), more=', "index": ["x"]'),
        "split with a short index": split(row(), row(), more=', "index": [7]'),
        "split with lists as index": split(row(), more=', "index": [[1]]'),
        "split with decimals as index": split(row(), more=', "index": [1.5]'),
        "split with an index twice": split(row(), row(), more=', "index": [1, 1]'),
        "split with an index of nothing": split(row(), more=', "index": []'),
        "split with an index of no kind": split(row(), more=', "index": 5'),
        "split with null as index": split(row(), more=', "index": null'),
        "split with an unknown key": split(row(), more=', "rows": 1'),
        "split with names of rows": split(row(), more=', "name": "x"'),
        "split without names": split(row(), columns=None),
        "split with null as names": split(row(), columns=None, more=', "columns": null'),
        "split with a name twice": split(
            "[" + ", ".join([*TABLE.values(), "1"]) + "]", columns=[*COLUMNS, "amount"]
        ),
        "split with numbers as names": split(row(), columns=[1, 2, 3, 4, 5, 6]),
        "split with lists as names": split(row(), columns=[[name] for name in COLUMNS]),
        "split with objects as names": split(row(), columns=[{"a": 1}] * 6),
        "split with nulls as names": split(row(), columns=[None] * 6),
        "split with an identifier twice": split(row()[:-1] + ", 5, 6]", columns=[*COLUMNS, "ID", "ID"]),
        "a column missing and a lone surrogate": records(record(city='"\\ud800"').replace('"age"', '"y"')),
        "a lone surrogate as a name": records(record().replace('"age"', '"\\ud800"')),
        "a lone surrogate as identifier": records(record(ID='"\\ud800"')),
        "split with a name too many": split(row(), columns=[*COLUMNS, "x"]),
        "split with a value too many": split(row()[:-1] + ", 1]"),
        "split with a value too few": split("[1, 2]"),
        "split with ragged rows": split(row(), "[1, 2]"),
        "split with records as rows": split(plain),
        "split with numbers as rows": split("1", "2"),
        "split with an extra column": split(row()[:-1] + ", 5]", columns=[*COLUMNS, "extra"]),
        "split with an id": split(row()[:-1] + ', "a7"]', columns=[*COLUMNS, "ID"]),
        "split with a column missing": split("[1.0]", columns=["amount"]),
        "split without data": '{"dataframe_split": {"columns": ["amount"]}}',
        "split without rows": split(),
        "split of null": '{"dataframe_split": null}',
        "split of a list": '{"dataframe_split": [1]}',
        "split of text": '{"dataframe_split": "x"}',
        "split as text": json.dumps({"dataframe_split": json.dumps({"columns": COLUMNS, "data": []})}),
        "no records": '{"dataframe_records": []}',
        "an empty record": '{"dataframe_records": [{}]}',
        "records of null": '{"dataframe_records": null}',
        "records of nulls": '{"dataframe_records": [null]}',
        "records of numbers": '{"dataframe_records": [1, 2]}',
        "records of lists": f'{{"dataframe_records": [{row()}]}}',
        "records as an object": f'{{"dataframe_records": {plain}}}',
        "records as text": '{"dataframe_records": "x"}',
        "records, one empty": records(plain, "{}"),
        "records, one null": records(plain, "null"),
        "records, the first without a column": records(without("amount"), plain),
        "records, the second without a column": records(plain, without("amount")),
        "records, the second without text": records(plain, without("city")),
        "records, the second without a whole number": records(plain, without("age")),
        "records, the second without a truth": records(plain, without("member")),
        "records, the second with more": records(plain, record(extra="1")),
        "records in another order": records("{" + ", ".join(
            f'"{k}": {v}' for k, v in reversed(TABLE.items())) + "}", plain),
        "whole numbers and others in one column": records(record(amount="1"), record(amount="1.5")),
        "null and a number in one column": records(record(amount="null"), record(amount="1.5")),
        "null and a text in one column": records(record(city="null"), record(city='"x"')),
        "null and a whole number": records(record(age="null"), record(age="1")),
        "null and a truth": records(record(member="null"), record(member="true")),
        "text and a number in one column": records(record(city='"x"'), record(city="1")),
        "1 and 1.0 in a column of whole numbers": records(record(age="1"), record(age="1.0")),
        "a huge and a plain whole number": records(record(age="9007199254740993"), record(age="1")),
        "a huge number among decimals": records(record(amount="9007199254740993"), record(amount="1.5")),
        "an identifier": records(record(ID='"a7"')),
        "a number as identifier": records(record(ID="7")),
        "null as identifier": records(record(ID="null")),
        "an object as identifier": records(record(ID='{"a": 1}')),
        "a list as identifier": records(record(ID="[1, 2]")),
        "a huge identifier": records(record(ID="9" * 30)),
        "a decimal identifier": records(record(ID="1.5")),
        "identifiers in some rows": records(record(ID='"a"'), plain),
        "identifiers of two kinds": records(record(ID='"a"'), record(ID="1")),
        "two identifiers": records(record(ID='"a"', id='"b"')),
        "an extra column": records(record(extra="1")),
        "an extra nested column": records(record(extra='{"a": [1, {"b": null}]}')),
        "an extra NaN": records(record(extra="NaN")),
        "an extra huge number": records(record(extra="1e400")),
        "the target among the columns": records(record(Y="1")),
        **{f"{name} missing": records(without(name)) for name in COLUMNS},
        "three columns missing": records(without("age", "city", "level")),
        "a name in capitals": records(record().replace('"age"', '"Age"')),
        "a name with a space": records(record().replace('"age"', '" age"')),
        "an escaped name": records(record().replace('"age"', '"\\u0061ge"')),
        "an empty name": records(record(**{"": "1"})),
        "a key twice, the last right": records(plain[:-1] + ', "age": 41}'),
        "a key twice, the last wrong": records(plain[:-1] + ', "age": "x"}'),
        "a key twice, the first wrong": records('{"age": "x", ' + plain[1:]),
        "the form twice": '{"dataframe_records": [' + plain + '], "dataframe_records": []}',
        "the form twice, the last right": '{"dataframe_records": 5, "dataframe_records": [' + plain + "]}",
        "data twice": split(row()).replace(b'"data"', b'"data": [], "data"'),
        "an escaped form": '{"dataframe\\u005frecords": [' + plain + "]}",
        "both forms": '{"dataframe_records": [' + plain + '], "instances": [1]}',
        "records and split": '{"dataframe_records": [' + plain + '], "dataframe_split": {"data": []}}',
        "records and null as split": '{"dataframe_records": [' + plain + '], "dataframe_split": null}',
        "an unknown key beside the form": '{"dataframe_records": [' + plain + '], "x": 1}',
        "no form": '{"rows": [' + plain + "]}",
        "params of null": '{"dataframe_records": [' + plain + '], "params": null}',
        "params of none": '{"dataframe_records": [' + plain + '], "params": {}}',
        "params that are unknown": '{"dataframe_records": [' + plain + '], "params": {"a": 1}}',
        "params of no kind": '{"dataframe_records": [' + plain + '], "params": 5}',
        "params alone": '{"params": {"a": 1}}',
        "instances": f'{{"instances": [{plain}, {plain}]}}',
        "instances of lists": f'{{"instances": [{row()}]}}',
        "instances of numbers": '{"instances": [1, 2]}',
        "instances of an object": f'{{"instances": {plain}}}',
        "instances of null": '{"instances": null}',
        "no instances": '{"instances": []}',
        "instances of different keys": f'{{"instances": [{plain}, {without("age")}]}}',
        "inputs of lists": f'{{"inputs": {lists()}}}',
        "inputs of a record": f'{{"inputs": {plain}}}',
        "inputs of records": f'{{"inputs": [{plain}, {plain}]}}',
        "inputs of rows": f'{{"inputs": [{row()}]}}',
        "inputs of two lengths": '{"inputs": ' + lists().replace('"age": [40, 40]', '"age": [40]') + "}",
        "inputs of nothing": '{"inputs": {}}',
        "inputs of null": '{"inputs": null}',
        "inputs of text": '{"inputs": "x"}',
        "the chat form": '{"messages": [{"role": "user", "content": "hi"}]}',
        "the completions form": '{"prompt": "hi"}',
        "an empty object": "{}",
        "a list": f"[{plain}]",
        "a number": "5",
        "null": "null",
        "text": '"x"',
        "an empty body": "",
        "a space": " ",
        "no JSON": "{not json",
        "JSON that stops": records(plain)[:-3],
        "JSON and more": records(plain) + b" x",
        "JSON and line ends": b"\r\n\t " + records(plain) + b" \n\n",
        "JSON twice": records(plain) * 2,
        "a byte order mark": b"\xef\xbb\xbf" + records(plain),
        "UTF-16": records(plain).decode().encode("utf-16"),
        "UTF-16 without a mark": records(plain).decode().encode("utf-16-le"),
        "UTF-32": records(plain).decode().encode("utf-32"),
        "Latin-1": records(record(city='"Köln"')).decode().encode("latin-1"),
        "an overlong sequence": records(record(city='"x"')).replace(b'"x"', b'"\xc0\xaf"'),
        "a raw surrogate": records(record(city='"x"')).replace(b'"x"', b'"\xed\xa0\x80"'),
        "a raw NUL in text": records(record(city='"x"')).replace(b'"x"', b'"a\x00b"'),
        "a raw line end in text": records(record(city='"x"')).replace(b'"x"', b'"a\nb"'),
        "a NUL at the end": records(plain) + b"\0",
        "an unknown escape": records(record(city='"\\x41"')),
        "a comma at the end": records(plain + ","),
        "comments": records(plain + "/* x */"),
        "single quotes": records(plain).replace(b'"', b"'"),
        "a plus sign": records(record(age="+1")),
        "a leading zero": records(record(age="01")),
        "a bare point": records(record(amount="1.")),
        "a point first": records(record(amount=".5")),
        "a hexadecimal number": records(record(age="0x10")),
        "capital words": records(record(member="True")),
        "nan in small letters": records(record(amount="nan")),
        "a number of 5,000 digits": records(record(age="1" * 5000)),
        "a number of 5,000 digits among decimals": records(record(amount="1" * 5000)),
        "a decimal of 5,000 digits": records(record(amount="0." + "3" * 5000)),
        "deep nesting": "[" * 100_000,
        "deep nesting of a value": records(record(extra="[" * 2000 + "]" * 2000)),
        "deep nesting of a form": '{"inputs": ' * 2000 + "1" + "}" * 2000,
        "a text of 100,000 characters": records(record(city='"' + "x" * 100_000 + '"')),
        "a name of 100,000 characters": records(record(**{"x" * 100_000: "1"})),
        "2,000 extra columns": records(record(**{f"x{at}": "1" for at in range(2000)})),
        "a date": records(record(city='"2021-05-06T00:00:00"')),
        "a text that looks like a number": records(record(city='"007"')),
        "spaces everywhere": records(plain).replace(b",", b" \n,\t").replace(b":", b" : "),
    }  # fmt: skip
    found: dict[str, Request] = {
        name: (body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body, JSON)
        for name, body in bodies.items()
    }
    good = records(plain)
    kinds: list[str | None] = [
        *(
            "application/json; charset=utf-8",
            "application/json;charset=UTF-8",
            "application/json; charset=utf8",
        ),
        *("application/json; charset=latin-1", 'application/json; charset="utf-8"', "Application/JSON"),
        *(
            "application/json;",
            "application/json; format=pandas-split",
            "application/json ;",
        ),
        *(
            "text/plain",
            "text/json",
            "application/vnd.api+json",
            "application/x-www-form-urlencoded",
            "*/*",
            "",
        ),
        *("application/octet-stream", "multipart/form-data; boundary=x", "application/vnd.apache.parquet"),
        *("application/json, text/csv", "application/json; charset", None),
    ]
    found |= {f"content type {kind}": (good, kind) for kind in kinds}
    csv = {
        "csv": f"{header}\n{values}\n{values}\n",
        "csv reordered": f"{','.join(COLUMNS[::-1])}\n{','.join(values.split(',')[::-1])}\n",
        "csv with a missing number": f"{header}\n,{values.partition(',')[2]}\n",
        "csv with a missing whole number": f"{header}\n1,1,,1,True,x\n",
        "csv with a missing truth": f"{header}\n1,1,1,1,,x\n",
        "csv with a missing text": f"{header}\n1,1,1,1,True,\n",
        "csv with NaN": f"{header}\nNaN,nan,1,1,True,NaN\n",
        "csv with inf": f"{header}\ninf,-inf,1,1,True,x\n",
        "csv with a decimal where a whole number is expected": f"{header}\n1,1,1.5,1,True,x\n",
        "csv with 1.0 where a whole number is expected": f"{header}\n1,1,1.0,1,True,x\n",
        "csv with 1 where a truth is expected": f"{header}\n1,1,1,1,1,x\n",
        "csv with true": f"{header}\n1,1,1,1,true,x\n",
        "csv with text for a number": f"{header}\nx,1,1,1,True,x\n",
        "csv with a huge number": f"{header}\n1e400,1,1,1,True,x\n",
        "csv with a huge whole number": f"{header}\n1,1,{2**70},1,True,x\n",
        "csv with 2**53 + 1": f"{header}\n1,1,{2**53 + 1},1,True,x\n",
        "csv with quotes": f'{header}\n1,1,1,1,True,"a, ""b""\nc"\n',
        "csv with an open quote": f'{header}\n1,1,1,1,True,"a\n',
        "csv with spaces": f"{header}\n 1 , 1 , 1 , 1 , True , x \n",
        "csv with an extra column": f"{header},extra\n{values},1\n",
        "csv with an identifier": f"{header},ID\n{values},a7\n",
        "csv with a column missing": "amount,age\n1,2\n",
        "csv with a name twice": f"{header},age\n{values},1\n",
        "csv with ragged rows": f"{header}\n{values},1,2,3\n",
        "csv with a short row": f"{header}\n1,2\n",
        "csv with empty lines": f"\n\n{header}\n\n{values}\n\n",
        "csv with semicolons": f"{header}\n{values}\n".replace(",", ";"),
        "csv with CRLF": f"{header}\r\n{values}\r\n",
        "csv with a mark": f"\ufeff{header}\n{values}\n",
        "csv with a NUL": f"{header}\n1,1,1,1,True,a\0b\n",
        "csv of a header": f"{header}\n",
        "csv of nothing": "",
        "csv of a line end": "\n",
        "csv of JSON": '{"dataframe_records": []}',
        "csv with unicode": f"{header}\n1,1,1,1,True,東京 🙂\n",
    }
    found |= {name: (body.encode(), CSV) for name, body in csv.items()}
    found["csv in no UTF-8"] = (b"amount\n\xff\xfe\n", CSV)
    found["csv with a charset"] = (csv["csv"].encode(), "text/csv; charset=utf-8")
    found["csv in another charset"] = (csv["csv"].encode(), "text/csv; charset=latin-1")
    return found


def _frame(rows: Any, **more: Any) -> bytes:
    return json.dumps({"dataframe_records": rows, **more}).encode()


def _mixed() -> dict[str, Request]:
    plain: dict[str, Any] = {
        "amount": 120.5, "age": 40, "city": "Paris", "member": True, "since": "2021-05-06T00:00:00",
    }  # fmt: skip
    dates = [
        *("2021-05-06", "2021-05-06T01:02:03Z", "2021-05-06T01:02:03+02:00", "2021-05-06 01:02:03.123456789"),
        *(
            "1066-10-14",
            "9999-12-31",
            "2021-13-01",
            "2021-02-30",
            "yesterday-ish",
            "",
            "NaT",
            "now",
            "06/05/2021",
        ),
        *(
            "2021",
            "20210506",
            "1620259200",
            "2021-W18-4",
            "12:00",
            1620259200,
            1.5,
            0,
            -1,
            None,
            True,
            [],
            {},
        ),
        *(float("nan"), 10**20, "0001-01-01", "2262-04-12T00:00:00"),
    ]
    found = {f"since={date!r}": (_frame([{**plain, "since": date}]), JSON) for date in dates}
    rest = {k: v for k, v in plain.items() if k != "amount"}
    found |= {
        "records": (_frame([plain]), JSON),
        "dates of two zones": (
            _frame(
                [{**plain, "since": "2021-05-06T00:00:00Z"}, {**plain, "since": "2021-05-06T00:00:00+02:00"}]
            ),
            JSON,
        ),
        "dates with and without a zone": (_frame([{**plain, "since": "2021-05-06T00:00:00Z"}, plain]), JSON),
        "the optional column missing": (_frame([rest]), JSON),
        "the optional column missing once": (_frame([plain, rest]), JSON),
        "the optional column null": (_frame([{**plain, "amount": None}]), JSON),
        "the optional column null in all rows": (_frame([{**plain, "amount": None}] * 3), JSON),
        "the optional column text": (_frame([{**plain, "amount": "x"}]), JSON),
        "unicode": (_frame([{**plain, "city": "東京 🙂 \u0000"}]), JSON),
        "a lone surrogate": (_frame([{**plain, "city": "\ud800"}]), JSON),
        "a huge number": (_frame([{**plain, "amount": 10**400}]), JSON),
        "infinity": (_frame([{**plain, "age": float("inf")}]), JSON),
        "instances": (json.dumps({"instances": [plain, plain]}).encode(), JSON),
        "inputs": (json.dumps({"inputs": {k: [v, v] for k, v in plain.items()}}).encode(), JSON),
        "csv": (b"amount,age,city,member,since\n1,2,Paris,True,2021-05-06\n", CSV),
        "csv with a missing number": (b"amount,age,city,member,since\n,2,Paris,True,2021-05-06\n", CSV),
        "csv without the optional column": (b"age,city,member,since\n2,Paris,True,2021-05-06\n", CSV),
        "csv with a date that is none": (b"amount,age,city,member,since\n1,2,Paris,True,x\n", CSV),
        "column misspelt": (_frame([{**rest, "Amount": 1, "City": "x"}]), JSON),
    }
    return found


def _pyfunc() -> dict[str, Request]:
    plain = {"text": "héllo", "count": 3, "bonus": 1.5}
    rows: dict[str, Any] = {
        "a record": [plain],
        "records": [plain, {"text": "ab", "count": 1, "bonus": None}],
        "without the optional column": [{"text": "ab", "count": 1}],
        "without the optional column once": [plain, {"text": "ab", "count": 1}],
        "null as text": [{**plain, "text": None}],
        "a number as text": [{**plain, "text": 5}],
        "a decimal as a whole number": [{**plain, "count": 1.5}],
        "1.0 as a whole number": [{**plain, "count": 1.0}],
        "null as a whole number": [{**plain, "count": None}],
        "text as a whole number": [{**plain, "count": "3"}],
        "truth as a whole number": [{**plain, "count": True}],
        "an extra column": [{**plain, "x": 1}],
        "a column missing": [{"text": "x"}],
        "no rows": [],
        "NUL": [{**plain, "text": "a\0b"}],
        "a lone surrogate": [{**plain, "text": "\ud800"}],
        "a long text": [{**plain, "text": "x" * 50_000}],
    }
    found = {name: (_frame(value), JSON) for name, value in rows.items()}
    found["inputs"] = (json.dumps({"inputs": {k: [v] for k, v in plain.items()}}).encode(), JSON)
    found["instances"] = (json.dumps({"instances": [plain]}).encode(), JSON)
    found["csv"] = (b"text,count,bonus\nab,1,2.5\n", CSV)
    found["params"] = (_frame([plain], params={"a": 1}), JSON)
    return found


def _params() -> dict[str, Request]:
    given: dict[str, Any] = {
        "none": {},
        "one": {"power": 3},
        "all": {"power": 3, "shift": -1.0, "unit": "€"},
        "an unknown one": {"x": 1},
        "a known and an unknown one": {"power": 3, "x": 1},
        "a decimal for a whole number": {"power": 1.5},
        "1.0 for a whole number": {"power": 2.0},
        "text for a whole number": {"power": "3"},
        "truth for a whole number": {"power": True},
        "null for a whole number": {"power": None},
        "a list for a whole number": {"power": [1]},
        "a huge whole number": {"power": 2**70},
        "a whole number for a decimal": {"shift": 1},
        "text for a decimal": {"shift": "1"},
        "NaN for a decimal": {"shift": float("nan")},
        "a number for text": {"unit": 5},
        "null for text": {"unit": None},
        "null": None,
        "a list": [1],
        "a number": 5,
        "text": "x",
    }
    found = {f"params: {name}": (_frame([{"x": 2.0}], params=value), JSON) for name, value in given.items()}
    split = {"columns": ["x"], "data": [[1.0], [2]]}
    found["params with split"] = (
        json.dumps({"dataframe_split": split, "params": {"power": 3}}).encode(),
        JSON,
    )
    found["params with inputs"] = (
        json.dumps({"inputs": {"x": [1.0]}, "params": {"power": 3}}).encode(),
        JSON,
    )
    found["no params"] = (_frame([{"x": 2.0}, {"x": 3}]), JSON)
    found["x as null"] = (_frame([{"x": None}]), JSON)
    found["csv"] = (b"x\n1\n2.5\n", CSV)
    found["the chat form"] = (b'{"messages": [], "power": 3}', JSON)
    return found


def _arrays() -> dict[str, Request]:
    documents: dict[str, Any] = {
        "inputs": {"inputs": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]},
        "whole numbers": {"inputs": [[1, 2, 3]]},
        "whole numbers and others": {"inputs": [[1, 2.5, 3]]},
        "instances": {"instances": [[1.0, 2.0, 3.0]]},
        "one dimension": {"inputs": [1.0, 2.0, 3.0]},
        "three dimensions": {"inputs": [[[1.0, 2.0, 3.0]]]},
        "too few columns": {"inputs": [[1.0, 2.0]]},
        "ragged rows": {"inputs": [[1.0, 2.0, 3.0], [1.0]]},
        "null": {"inputs": [[1.0, None, 3.0]]},
        "NaN": {"inputs": [[1.0, float("nan"), 3.0]]},
        "infinity": {"inputs": [[1.0, float("inf"), 3.0]]},
        "text": {"inputs": [["a", "b", "c"]]},
        "truths": {"inputs": [[True, False, True]]},
        "no rows": {"inputs": []},
        "rows of nothing": {"inputs": [[]]},
        "a number": {"inputs": 5},
        "null alone": {"inputs": None},
        "an object": {"inputs": {"a": [[1.0, 2.0, 3.0]]}},
        "an object of columns": {"inputs": {"a": [1.0], "b": [2.0], "c": [3.0]}},
        "instances of objects": {"instances": [{"a": 1.0, "b": 2.0, "c": 3.0}]},
        "split": {"dataframe_split": {"columns": ["a", "b", "c"], "data": [[1.0, 2.0, 3.0]]}},
        "records": {"dataframe_records": [{"a": 1.0, "b": 2.0, "c": 3.0}]},
        "a huge number": {"inputs": [[10**400, 1.0, 1.0]]},
        "a number beyond 64 bits": {"inputs": [[2**64, 1, 1]]},
    }
    found: dict[str, Request] = {
        name: (json.dumps(value).encode(), JSON) for name, value in documents.items()
    }
    found["csv"] = (b"a,b,c\n1,2,3\n", CSV)
    return found


def _others() -> dict[str, Request]:
    """For the further kinds of estimators: what is usual, and a few of each mistake."""
    found = {name: request for name, request in _border().items() if name.startswith(("second", "first"))}
    forms = _forms()
    for name in (
        "records",
        "two records",
        "many records",
        "split",
        "split of many",
        "csv",
        "inputs of lists",
    ):
        found[name] = forms[name]
    return found


def _optional() -> dict[str, Request]:
    """For columns that may be missing: every value of these, and all that concerns what is not there."""
    near = ("records amount=", "split amount=", "records ratio=", "records city=", "split city=")
    found = {name: request for name, request in _border().items() if name.startswith(near)}
    words = ("missing", "without", "null", "reordered", "another order", "identifier", "extra")
    return found | {name: each for name, each in _forms().items() if any(word in name for word in words)}


REQUESTS: dict[str, dict[str, Request]] = {
    "train": {**_border(), **_forms()},
    "multiclass": {**_others(), **_optional()},
    "regression": _others(),
    "mixed": _mixed(),
    "pyfunc": _pyfunc(),
    "params": _params(),
    "tensor": _arrays(),
    "unsigned": _arrays(),
}


# --- where MLflow's server errs: the status that is right, and why ---------------------------------

_TRUTHS = {"1", "0", "-0", "1.0", "-0.0", "1.0e0", "1e-400", "true", "false", "null", "NaN"}
_INFINITE = ("1e400", "-1e400", "Infinity", "-Infinity")
_WORDS = ('""', '"NaN"', '"null"')
_FRACTIONS = ("0.1", "1.5", "0.30000000000000004", "123456789.123456789", "1e-46")
_TOO_LARGE = {
    "age": ("3.4e39", "9223372036854775808"),
    "level": (
        *("3.4e39", "9223372036854775808", "9223372036854775807", "-9223372036854775808", "2147483648"),
        *("-2147483649", "9007199254740991", "9007199254740992", "9007199254740993", "-9007199254740993"),
        "9007199254740993.0",
    ),
}
Better = tuple[int, str]


def _better_values() -> dict[str, Better]:
    wrong: dict[str, str] = {}
    for literal in LITERALS:
        if literal not in _TRUTHS:
            wrong[label("member", literal)] = "anything that is not empty is true to MLflow"
        if literal[0] in "[{":
            wrong[label("city", literal)] = "a list is no text"
    for name, literals in _TOO_LARGE.items():
        wrong |= dict.fromkeys((label(name, one) for one in literals), "it wraps around")
        wrong |= dict.fromkeys((label(name, one) for one in _FRACTIONS), "it is cut in silence")
    endless = [label(name, one) for name in ("amount", "ratio") for one in _INFINITE]
    wrong |= dict.fromkeys([*endless, label("ratio", "3.4e39")], "training had no infinite number")
    words = [label(name, one) for name in ("amount", "ratio", "member") for one in _WORDS]
    forms = ("records", "split", "second row", "first row split", "inputs", "instances")
    found: dict[str, Better] = {f"{f} {one}": (400, why) for f in forms for one, why in wrong.items()}
    return found | {f"{f} {one}": (200, "it stands for a missing value") for f in forms for one in words}


def _better_forms() -> dict[str, Better]:
    twice = ("a key twice, the last right", "a key twice, the first wrong", "data twice")
    forms = ("the form twice", "the form twice, the last right")
    return dict.fromkeys((*twice, *forms), (400, "which of the two is meant is not known"))


def _better_dates() -> dict[str, Better]:
    guessed = ("now", "06/05/2021", "2021", "12:00", "1620259200", 1620259200, 1.5, 0, -1)
    found: dict[str, Better] = {f"since={one!r}": (400, "MLflow guesses a moment") for one in guessed}
    zones = ("2021-05-06T01:02:03Z", "2021-05-06T01:02:03+02:00")
    found |= {f"since={one!r}": (200, "a moment in a zone is one in UTC") for one in zones}
    named = ("dates of two zones", "dates with and without a zone")
    found |= dict.fromkeys(named, (200, "a moment in a zone is one in UTC"))
    read = ("csv", "csv with a missing number", "csv without the optional column")
    return found | dict.fromkeys(read, (200, "MLflow's reader of CSV knows no dates"))


_LEFT_OUT: Better = (200, "a column that may be left out is missing then")
BETTER: dict[str, dict[str, Better]] = {
    "": {
        **_better_values(),
        **_better_forms(),
        "csv with inf": (400, "training had no infinite number"),
        "csv with a huge number": (400, "training had no infinite number"),
        "csv with a missing truth": (200, "an empty cell is a missing value"),
        "csv with spaces": (200, "spaces around a truth say nothing"),
    },
    "mixed": {
        **_better_dates(),
        **dict.fromkeys(("the optional column missing", "column misspelt"), _LEFT_OUT),
    },
    "train": {
        "csv with a name twice": (400, "which of the two columns is meant is not known"),
        "csv with a NUL": (400, "what follows it in a cell is lost in silence"),
    },
    "multiclass": dict.fromkeys(("amount missing", "ratio missing", "city missing"), _LEFT_OUT),
    "pyfunc": {
        "a number as text": (200, "a number in a column of text is its text"),
        "a decimal as a whole number": (400, "it is cut in silence"),
    },
}


def better(kind: str, name: str) -> Better | None:
    """What is right where MLflow's server may err, or None."""
    return BETTER.get(kind, {}).get(name) or BETTER[""].get(name)


def is_missing_truth(name: str) -> bool:
    """Whether a truth is missing, of which MLflow makes false (null) and true (NaN)."""
    return name.endswith(("member=null", "member=NaN"))


def is_list_for_a_number(name: str) -> bool:
    """Whether a value is a list: found when it is read, and not when all of it was."""
    return name.startswith(("inputs", "instances")) and name.endswith("=[1]")
