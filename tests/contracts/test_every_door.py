"""One value means one thing: the holdout's prediction of a row is what every door answers for it.

Two models, of a Parquet file and of a CSV with the same rows, behind the API, behind MLflow's own scoring
server as ``serve --engine mlflow`` starts it, and in this process.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import doors_help
import httpx
import numpy as np
import pandas as pd
import protocol_help
import protocol_models
import pyarrow.parquet as pq
import pytest
import serving_help
from doors_help import DOORS, GAPPY, KINDS, Served, plain, trained

pytestmark = pytest.mark.slow
SOURCES = ("parquet", "csv")


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Served]]:
    """Both models, served, by the kind of file that they were trained from."""
    folder = tmp_path_factory.mktemp("doors")
    found: dict[str, Served] = {}
    with contextlib.ExitStack() as stack:
        made = {}
        for name in SOURCES:
            (folder / name).mkdir()
            made[name] = trained(folder / name, typed=name == "parquet")
        ports = {name: serving_help.free_port() for name in SOURCES}
        stack.enter_context(_mlflows({ports[name]: made[name].folder for name in SOURCES}))
        for name in SOURCES:
            from mlpipes_cli.server.models.loader import load

            served = load(made[name].folder, "doors", 1, "production")
            log = serving_help.Kept()
            port = stack.enter_context(protocol_help.live(serving_help.application(log, served)))
            api, theirs = (stack.enter_context(_client(number)) for number in (port, ports[name]))
            found[name] = Served(made[name], api, theirs, served, folder, log)
        for name in SOURCES:
            serving_help.until(lambda name=name: _answers(found[name].theirs), 180, "MLflow's server")
        yield found


def _client(port: int) -> httpx.Client:
    alone = httpx.Limits(max_keepalive_connections=0)
    return httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60, limits=alone)


@contextlib.contextmanager
def _mlflows(folders: dict[int, Path]) -> Iterator[None]:
    given = [f"{port}={folder}" for port, folder in folders.items()]
    command = [sys.executable, "-c", protocol_models.OURS, *given]
    environment = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"}
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdin.close()  # type: ignore[union-attr]


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/ping").status_code == 200
    except httpx.TransportError:
        return False


CASES = [
    (source, door, column, missing)
    for source in SOURCES
    for door in DOORS
    for column in KINDS
    for missing in ((False, True) if column in GAPPY else (False,))
]


@pytest.mark.parametrize(("source", "door", "column", "missing"), CASES)
def test_the_holdouts_prediction_comes_out_of_every_door(
    doors: dict[str, Served], source: str, door: str, column: str, missing: bool
) -> None:
    served = doors[source]
    if door not in served.said:
        served.said[door] = DOORS[door](served, served.trained.held)
    said = served.said[door]
    assert isinstance(said, list), said
    chosen = served.trained.held[column].isna().to_numpy() == missing
    rows = np.flatnonzero(chosen)
    assert len(rows) > 10
    np.testing.assert_allclose(np.array(said)[rows], np.array(served.trained.expected)[rows], rtol=1e-9)


@pytest.mark.parametrize("column", KINDS)
def test_each_column_moves_the_prediction(doors: dict[str, Served], column: str) -> None:
    """Else the doors could say what they like of it."""
    served, held = doors["parquet"], doors["parquet"].trained.held
    other = held.assign(**{column: held[column].to_numpy()[::-1]})
    asked = [served.api.post("/predict", json=plain(rows, numbers=False)).json() for rows in (held, other)]
    before, after = (np.array(answer["predictions"]) for answer in asked)
    assert (np.abs(before - after) > 0.1).mean() > 0.2


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("column", GAPPY)
def test_a_column_that_may_be_left_out_is_missing_then(
    doors: dict[str, Served], source: str, column: str
) -> None:
    served = doors[source]
    gone = served.trained.held[column].isna().to_numpy()
    rows = plain(served.trained.held[gone], numbers=False)
    less = [{name: value for name, value in row.items() if name != column} for row in rows]
    cells = served.trained.held[gone].drop(columns=column)
    v2 = DOORS["V2"](served, served.trained.held[gone].drop(columns=column))
    expected = np.array(served.trained.expected)[gone]
    answers = [
        served.api.post("/predict", json=less),
        served.api.post("/invocations", json={"dataframe_records": less}),
        served.api.post(
            "/invocations", json={"inputs": {name: [row[name] for row in less] for name in less[0]}}
        ),
        *(
            client.post("/invocations", content=doors_help.cells(cells), headers={"content-type": "text/csv"})
            for client in (served.api, served.theirs)
        ),
        served.theirs.post("/invocations", json={"dataframe_records": less}),
    ]
    for answer in answers:
        assert answer.status_code == 200, answer.text
        np.testing.assert_allclose(answer.json()["predictions"], expected, rtol=1e-9)
    np.testing.assert_allclose(v2, expected, rtol=1e-9)
    for name in ("predict rows.csv", "predict rows.csv --offline"):
        said = DOORS[name](served, served.trained.held[gone].drop(columns=column))
        np.testing.assert_allclose(said, expected, rtol=1e-9)


WRONG: list[tuple[str, Any, str]] = [
    ("consent", "false", "text"),
    ("member", "true", "text"),
    ("member", 0.5, "a number"),
    ("since", "01/06/2024", "text in another format"),
    ("since", 1734372000, "an ambiguous number"),
    ("since", 1734372000000000000, "an ambiguous number"),
    ("since", "now", "text"),
    ("seen", True, "true or false"),
    ("amount", "many", "text"),
    ("took", "00:01:30", "text"),
]


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(("column", "value", "got"), WRONG)
def test_what_may_mean_several_things_is_refused_everywhere(
    doors: dict[str, Served], source: str, column: str, value: Any, got: str
) -> None:
    served = doors[source]
    row = plain(served.trained.held.head(1), numbers=False)[0] | {column: value}
    for client, path, body in (
        (served.api, "/predict", [row]),
        *(
            (client, "/invocations", form)
            for client in (served.api, served.theirs)
            for form in (
                {"dataframe_records": [row]},
                {"inputs": {name: [cell] for name, cell in row.items()}},
            )
        ),
    ):
        answer = client.post(path, json=body)
        assert answer.status_code == 400, answer.text
        assert f"column {column!r}: expected " in answer.json()["message"]
        assert f"got {got}" in answer.json()["message"]


@pytest.mark.parametrize("source", SOURCES)
def test_a_duration_as_text_is_its_seconds(doors: dict[str, Served], source: str) -> None:
    """As in a CSV file, where `train` and `predict` read it."""
    served = doors[source]
    (row,) = plain(served.trained.held.head(1), numbers=False)
    for path, wrap in (
        ("/predict", lambda rows: rows),
        ("/invocations", lambda rows: {"dataframe_records": rows}),
    ):
        said = [
            served.api.post(path, json=wrap([row | {"took": value}])).json()["predictions"]
            for value in ("0 days 00:01:30", 90.0)
        ]
        assert said[0] == said[1]


ENDLESS = "a number that is infinite or too large"
NOT_TAKEN = {  # by every door that can send it, as JSON
    "Infinity": ENDLESS,
    "-Infinity": ENDLESS,
    "1e999": ENDLESS,
    '"inf"': ENDLESS,
    '"-Infinity"': ENDLESS,
    "[1.5]": "a list",
    '{"a": 1}': "an object",
}


def raw(row: dict[str, Any], **values: str) -> str:
    """The row as JSON, with values that are JSON already."""
    kept = [f"{json.dumps(name)}: {values.get(name, json.dumps(value))}" for name, value in row.items()]
    return "{" + ", ".join(kept) + "}"


def answers(served: Served, row: dict[str, Any], **values: str) -> dict[str, httpx.Response]:
    """What the doors of JSON say to a row, two of them without the fast lane."""
    body = raw(row, **values)
    cells = ", ".join(values.get(name, json.dumps(value)) for name, value in row.items())
    split = f'{{"columns": {json.dumps([*row])}, "data": [[{cells}]]}}'
    bodies = {
        "/predict": body,
        "/predict list": f"[{body}]",
        "/predict split": split,
        "/invocations records": f'{{"dataframe_records": [{body}]}}',
        "/invocations split": f'{{"dataframe_split": {split}}}',
        "/invocations instances": f'{{"instances": [{body}]}}',
    }
    kind = {"content-type": "application/json"}
    return {
        name: served.api.post(name.split()[0], content=body, headers=kind) for name, body in bodies.items()
    }


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("value", NOT_TAKEN)
def test_what_is_no_number_names_its_own_column(doors: dict[str, Served], source: str, value: str) -> None:
    served = doors[source]
    row = plain(served.trained.held.head(1), numbers=False)[0]
    for door, answer in answers(served, row, amount=value).items():
        said = f"column 'amount': expected a number (double), got {NOT_TAKEN[value]} in row 0"
        assert (answer.status_code, answer.json()["message"]) == (400, said), door


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet"])
@pytest.mark.parametrize("offline", ["", " --offline"])
def test_a_files_infinite_number_is_refused_with_its_row(
    doors: dict[str, Served], name: str, offline: str
) -> None:
    served = doors["csv"]
    held = served.trained.held.head(3)
    told = DOORS[f"predict {name}{offline}"](served, held.assign(amount=[1.0, np.inf, 2.0]))
    assert told[0] == 2
    assert f"column 'amount', row 2: expected a number, got {ENDLESS}" in told[1]
    body = doors_help._parquet(held.drop(columns="Y").assign(amount=[1.0, np.inf, 2.0]))
    for client in (served.api, served.theirs):
        answer = client.post("/invocations", content=body, headers={"content-type": doors_help.PARQUET})
        assert (answer.status_code, f"got {ENDLESS} in row 1" in answer.text) == (400, True)


@pytest.mark.parametrize(
    ("column", "value"),
    [("amount", -999.0), ("note", "n.b."), ("amount", "n.b."), ("amount", "NaN"), ("amount", "-999")],
)
def test_the_trainings_words_for_missing_values_mean_them_at_every_door(
    doors: dict[str, Served], column: str, value: Any
) -> None:
    served = doors["csv"]
    chosen = served.trained.held[column].isna().to_numpy()
    rows = served.trained.held[chosen]
    rows = rows.assign(**{column: pd.Series([value] * len(rows), index=rows.index)})
    expected = np.array(served.trained.expected)[chosen]
    text = column == "amount" and isinstance(value, str)
    for door, ask in DOORS.items():
        if text and ("parquet" in door or door == "V2"):
            continue
        said = ask(served, rows)
        assert isinstance(said, list), (door, said)
        np.testing.assert_allclose(said, expected, rtol=1e-9, err_msg=door)


HALF = "holds half a character (one surrogate, such as \\ud800); send whole characters"


def test_half_a_character_is_refused_in_the_same_words_everywhere(doors: dict[str, Served]) -> None:
    served = doors["parquet"]
    row = plain(served.trained.held.head(1), numbers=False)[0]
    for door, answer in answers(served, row, city='"\\ud800"').items():
        assert answer.status_code == 400, door
        assert answer.json()["message"].endswith(HALF), (door, answer.text)
    inputs = [
        {"name": name, "datatype": "BYTES", "shape": [1], "data": [value]} for name, value in row.items()
    ]
    inputs[5]["data"] = ["\ud800"]
    answer = served.api.post("/v2/models/doors/infer", content=json.dumps({"inputs": inputs}))
    assert (answer.status_code, answer.json()["error"]) == (400, f"the text at inputs[5].data[0] {HALF}")
    pair = answers(served, row, city='"\\ud83d\\ude42"')
    assert {answer.status_code for answer in pair.values()} == {200}


def test_a_key_that_stands_twice_is_refused_everywhere(doors: dict[str, Served]) -> None:
    served = doors["csv"]
    row = plain(served.trained.held.head(1), numbers=False)[0]
    body = raw(row)[:-1] + ', "amount": 99}'
    for path, content in {
        "/predict": body,
        "/predict?": f"[{body}]",
        "/invocations": f'{{"dataframe_records": [{body}]}}',
        "/v2/models/doors/infer": f'{{"inputs": [{body}]}}',
        "/feedback": '{"id": "1", "amount": 1, "amount": 2}',
    }.items():
        answer = served.api.post(path, content=content, headers={"content-type": "application/json"})
        told = answer.json().get("message") or answer.json().get("error")
        said = "the key 'amount' appears twice in an object"
        assert (answer.status_code, told) == (400, said), path


def test_values_without_names_are_counted(doors: dict[str, Served]) -> None:
    """As `to_json(orient="values")` writes them, where the table has an id column too."""
    served = doors["parquet"]
    row = list(plain(served.trained.held.head(1), numbers=False)[0].values())
    for rows, said in (
        ([row], "row 0: expected 10 values"),
        ([row[1:], row[1:-1]], "row 1: expected 10 values"),
    ):
        answer = served.api.post("/predict", json=rows)
        told = f"{said}, one for each column of the model in its order, got {len(rows[-1])}"
        assert (answer.status_code, answer.json()["message"]) == (400, told)


def test_a_boolean_may_come_as_one_or_zero(doors: dict[str, Served]) -> None:
    """As pandas writes a column of booleans with gaps."""
    served = doors["parquet"]
    rows = plain(served.trained.held, numbers=False)
    for row in rows:
        row["member"] = int(row["member"])
        row["consent"] = None if row["consent"] is None else float(row["consent"])
    said = served.api.post("/predict", json=rows).json()["predictions"]
    np.testing.assert_allclose(said, served.trained.expected, rtol=1e-9)


def test_identifiers_keep_their_zeros_in_a_csv(doors: dict[str, Served]) -> None:
    served = doors["parquet"]
    held = served.trained.held.head(3)
    answer = served.api.post(
        "/invocations", content=doors_help.cells(held), headers={"content-type": "text/csv"}
    )
    assert answer.status_code == 200
    assert [row.caller_id for row in served.log.rows[-3:]] == held["ID"].tolist()


@pytest.mark.parametrize("offline", [False, True])
@pytest.mark.parametrize(
    ("name", "ids", "kept", "logged"),
    [
        ("ids.parquet", [7, None, 2**60], "int64", ["7", None, str(2**60)]),
        ("ids.parquet", [7, 8, 9], "int64", ["7", "8", "9"]),
        ("ids.parquet", ["7", "08", None], "string", ["7", "08", None]),
        ("ids.csv", ["7", "08", "9"], "string", ["7", "08", "9"]),
    ],
)
def test_identifiers_keep_their_type_in_a_file_of_results(
    doors: dict[str, Served], offline: bool, name: str, ids: list[Any], kept: str, logged: list[Any]
) -> None:
    from mlpipes_cli.lifecycle.prediction import model_input, readers, scorers, writers

    served = doors["parquet"]
    given = pd.array(ids, dtype="Int64") if kept == "int64" else pd.array(ids, dtype="string")
    held = served.trained.held.head(3).assign(ID=given)
    file, out = served.scratch / name, served.scratch / "out.parquet"
    doors_help._written(file, held)
    scorer: Any = scorers._Offline(served.served) if offline else scorers._Api(served.api, "")
    kinds = readers.kinds_of({column.name: column.type for column in scorer.columns})
    out.unlink(missing_ok=True)
    with writers.make_writer(out, None) as writer:
        for batch in readers.open_table(file).batches(3, kinds, scorer.formats):
            writer.write(scorer.score(model_input.fit(batch, scorer, file, 0), 0))
        writer.finish()
    table = pq.read_table(out)
    assert str(table.schema.field("ID").type).removeprefix("large_") == kept
    assert table["ID"].to_pylist() == ids
    if not offline:
        assert [row.caller_id for row in served.log.rows[-3:]] == logged
        kind = doors_help.PARQUET if file.suffix == ".parquet" else doors_help.CSV
        body = file.read_bytes()
        assert (
            served.api.post("/invocations", content=body, headers={"content-type": kind}).status_code == 200
        )
        assert [row.caller_id for row in served.log.rows[-3:]] == logged
