"""Two models with a column of every kind, trained as ``mlpipes train`` trains them, and all doors to them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd

ROWS = 400
KINDS = {  # how far each column moves the target: every one counts
    "amount": 3.0,
    "visits": 1.0,
    "member": 9.0,
    "consent": 14.0,
    "city": 8.0,
    "note": 11.0,
    "since": 0.02,
    "seen": 0.03,
    "took": 0.05,
    "code": 7.0,
}
GAPPY = ("amount", "consent", "note", "since")
WORDS = ("n.b.", "-999")  # stand for missing values in the CSV file


def people() -> pd.DataFrame:
    """Rows of every kind, as Parquet has them."""
    random = np.random.default_rng(11)
    days = random.integers(0, 900, ROWS)
    frame = pd.DataFrame(
        {
            "ID": [f"{at:05d}" for at in range(ROWS)],
            "amount": random.normal(10, 3, ROWS).round(3),
            "visits": random.integers(0, 9, ROWS),
            "member": random.integers(0, 2, ROWS).astype(bool),
            "consent": pd.array(random.integers(0, 2, ROWS).astype(bool), dtype="boolean"),
            "city": random.choice(["Köln", "NA", "None", "東京"], ROWS),
            "note": random.choice(["late", "early", "never"], ROWS),
            "since": pd.Timestamp("2021-03-01T06:30:00") + pd.to_timedelta(days, "D"),
            "seen": pd.Timestamp("2023-03-01T18:00:00Z")
            + pd.to_timedelta(random.integers(0, 9000, ROWS), "h"),
            "took": pd.to_timedelta(random.integers(1, 600, ROWS), "s").astype("timedelta64[us]"),
            "code": random.choice(["00501", "0501", "10115", "00042"], ROWS),
        }
    )
    for at, name in enumerate(GAPPY):
        frame.loc[at::7, name] = pd.NA if name == "consent" else None
    missing = {name: frame[name].isna().to_numpy() for name in GAPPY}
    given = {
        "amount": frame["amount"].fillna(17).to_numpy(),
        "visits": frame["visits"].to_numpy(),
        "member": frame["member"].to_numpy(),
        "consent": frame["consent"].to_numpy(dtype=float, na_value=-1.0),
        "city": frame["city"].map({"Köln": 0, "NA": 1, "None": 2, "東京": 4}).to_numpy(),
        "note": frame["note"].map({"late": 0, "early": 1, "never": 2}).fillna(4).to_numpy(),
        "since": np.where(missing["since"], 1500, days),
        "seen": (frame["seen"] - frame["seen"].min()).dt.total_seconds().to_numpy() / 86400,
        "took": frame["took"].dt.total_seconds().to_numpy(),
        "code": frame["code"].map({"00501": 0, "0501": 1, "10115": 2, "00042": 3}).to_numpy(),
    }
    frame["Y"] = sum(np.asarray(given[name], dtype=float) * weight for name, weight in KINDS.items())
    return frame


@dataclass
class Trained:
    """A model's folder, and what the holdout says of which rows.

    Attributes:
        folder: The model's.
        held: The holdout's rows as the source has them.
        expected: Their predictions, as training keeps them.
        typed: Whether the source was Parquet, and not a CSV.
    """

    folder: Path
    held: pd.DataFrame
    expected: list[float]
    typed: bool


def trained(folder: Path, *, typed: bool) -> Trained:
    """Write the source, read it, and have the worker fit, answer the holdout and save."""
    from mlpipes_cli.config.experiment import Data
    from mlpipes_cli.config.yaml_source import parse_yaml
    from mlpipes_cli.data.origins.sources import read
    from mlpipes_cli.data.prepare import prepare
    from mlpipes_cli.data.prepared_cache import save
    from mlpipes_cli.worker import jobs, protocol

    whole = people()
    source = folder / ("people.parquet" if typed else "people.csv")
    if typed:
        whole.to_parquet(source, index=False)
    else:
        _with_words(whole.assign(took=whole["took"].dt.total_seconds())).to_csv(source, index=False)
    told: dict[str, Any] = {
        "source": source.name,
        "target": "Y",
        "id": "ID",
        "split": {"test": 0.3, "seed": 1},
    }
    if not typed:
        told["missing"] = list(WORDS)
    data, yaml = Data.model_validate(told), parse_yaml("data:\n", "e.yaml")
    was = read(data, folder, yaml, database_url=None, environ={})
    found = prepare(was.frame, data, yaml)
    save(found, folder / "data")
    spec = {"trainer": "sklearn", "estimator": "sklearn.linear_model.Ridge", "params": {"alpha": 0.001}}
    content = {
        "data": str(folder / "data"),
        "spec": {"name": "ridge", **spec},
        "metric": "rmse",
        "seed": 1,
        "threads": 1,
        "preprocess": "auto",
        "sample_rows": 50,
        "reading": was.formats.document(),
    }
    with _plain_pickles():
        result = jobs.train(content, folder, lambda _: None)
    assert result["status"] == "ok"
    place = folder / protocol.OUT / result["models"][0]["folder"]
    said = pd.read_parquet(place / protocol.ANSWERS)["prediction"].tolist()
    return Trained(place / protocol.MODEL, whole.iloc[found.holdout].reset_index(drop=True), said, typed)


def _with_words(whole: pd.DataFrame) -> pd.DataFrame:
    """The rows with words for most of what is missing in numbers and in text."""
    amount = (
        whole["amount"].astype(object).where(whole["amount"].notna(), pd.Series([-999, "n.b.", None] * ROWS))
    )
    note = whole["note"].astype(object).where(whole["note"].notna(), pd.Series(["n.b.", None] * ROWS))
    return whole.assign(amount=amount, note=note)


@contextmanager
def _plain_pickles() -> Iterator[None]:
    import contextlib

    import cloudpickle

    from mlpipes_cli.preprocess import portable

    try:
        yield
    finally:
        for module in portable.modules():
            with contextlib.suppress(ValueError):
                cloudpickle.unregister_pickle_by_value(module)


# --- rows as they are written ---------------------------------------------------------------------


def spelled(moment: Any, row: int, numbers: bool) -> Any:
    """A moment in one of the ways in which it is written."""
    if pd.isna(moment):
        return None
    naive = moment if moment.tzinfo is None else moment.tz_convert("UTC").tz_localize(None)
    away = naive + pd.Timedelta(hours=2)
    ways: list[Any] = [
        naive.isoformat(),
        f"{naive.isoformat()}Z",
        f"{away.isoformat()}+02:00",
        f"{naive.isoformat(sep=' ')}.000",
    ]
    if numbers:
        ways.append(int(naive.timestamp() * 1000))  # as pandas writes them
    return ways[row % len(ways)]


def plain(table: pd.DataFrame, *, numbers: bool) -> list[dict[str, Any]]:
    """The rows in JSON's own values."""
    found = []
    for row, record in enumerate(table.drop(columns="Y").to_dict("records")):
        for name in {"since", "seen"} & record.keys():
            record[name] = spelled(record[name], row, numbers)
        record["took"] = record["took"].total_seconds()
        found.append({k: None if v is None or v is pd.NA or v != v else v for k, v in record.items()})
    return found


def cells(table: pd.DataFrame) -> str:
    """The rows as a CSV."""
    rows = plain(table, numbers=False)
    return pd.DataFrame(rows, dtype=object).to_csv(index=False)


def narrow(table: pd.DataFrame) -> pd.DataFrame:
    """The rows in the types that other programs write: nullable ones, and narrower ones."""
    return table.drop(columns="Y").assign(
        visits=table["visits"].astype("Int8"),
        member=table["member"].astype("boolean"),
        note=table["note"].astype("string"),
        amount=table["amount"].astype("Float64"),
    )


@dataclass
class Served:
    """A model behind the API, behind MLflow's own server, and in this process."""

    trained: Trained
    api: httpx.Client
    theirs: httpx.Client
    served: Any
    scratch: Path
    log: Any
    said: dict[str, Any] = field(default_factory=dict)


Door = Callable[[Served, pd.DataFrame], Any]


def _split(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"columns": list(rows[0]), "data": [list(row.values()) for row in rows]}


def _lists(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def _said(answer: httpx.Response) -> Any:
    if answer.status_code != 200:
        return answer.status_code, answer.text[:300]
    return answer.json()["predictions"]


def _json(client: str, path: str, shape: Callable[[list[dict[str, Any]]], Any]) -> Door:
    def ask(served: Served, table: pd.DataFrame) -> Any:
        rows = plain(table, numbers=True)
        return _said(getattr(served, client).post(path, json=shape(rows)))

    return ask


def _bytes(client: str, kind: str, body: Callable[[pd.DataFrame], bytes]) -> Door:
    def ask(served: Served, table: pd.DataFrame) -> Any:
        headers = {"content-type": kind}
        return _said(getattr(served, client).post("/invocations", content=body(table), headers=headers))

    return ask


def _parquet(table: pd.DataFrame) -> bytes:
    stream = io.BytesIO()
    table.to_parquet(stream, index=False)
    return stream.getvalue()


def _tensors(served: Served, table: pd.DataFrame) -> Any:
    rows = plain(table, numbers=False)
    kinds = {c["name"]: c["datatype"] for c in served.api.get("/v2/models/doors").json()["inputs"]}
    inputs = [
        {
            "name": name,
            "datatype": kinds.get(name, "BYTES"),
            "shape": [len(rows)],
            "data": _tensor(name, kinds, rows),
        }
        for name in rows[0]
    ]
    answer = served.api.post("/v2/models/doors/infer", json={"inputs": inputs})
    if answer.status_code != 200:
        return answer.status_code, answer.text[:300]
    return next(entry["data"] for entry in answer.json()["outputs"] if entry["name"] == "predict")


def _tensor(name: str, kinds: dict[str, str], rows: list[dict[str, Any]]) -> list[Any]:
    values = [row[name] for row in rows]
    if kinds.get(name) == "FP64":
        return [float(value) if isinstance(value, str) else value for value in values]
    return values


def _form(served: Served, table: pd.DataFrame) -> Any:
    """The page sends a record a time; an empty field is null, a date is written as browsers give it."""
    found = []
    kinds = {c["name"]: c["type"] for c in served.api.get("/page/model").json()["columns"]}
    for row in plain(table, numbers=False):
        for name, value in row.items():
            if kinds.get(name) == "datetime" and value is not None:
                moment = pd.Timestamp(value)
                moment = moment.tz_convert("UTC").tz_localize(None) if moment.tzinfo else moment
                row[name] = moment.strftime("%Y-%m-%dT%H:%M:%S.000")
        answer = _said(served.api.post("/predict", json=row))
        if isinstance(answer, tuple):
            return answer
        found += answer
    return found


def _file(name: str, offline: bool) -> Door:
    def ask(served: Served, table: pd.DataFrame) -> Any:
        from mlpipes_cli.errors import UsageError
        from mlpipes_cli.lifecycle.prediction import model_input, readers, scorers

        file = served.scratch / name
        _written(file, table)
        scorer: Any = scorers._Offline(served.served) if offline else scorers._Api(served.api, "")
        kinds = readers.kinds_of({column.name: column.type for column in scorer.columns})
        found: list[Any] = []
        try:
            for batch in readers.open_table(file).batches(50, kinds, scorer.formats):
                part = scorer.score(model_input.fit(batch, scorer, file, len(found)), len(found))
                found += part["prediction"].tolist()
        except UsageError as error:
            return 2, str(error)
        return found

    return ask


def _written(file: Path, table: pd.DataFrame) -> None:
    if file.suffix == ".csv":
        file.write_text(cells(table), encoding="utf-8")
    elif file.suffix == ".parquet":
        file.write_bytes(_parquet(narrow(table)))
    else:
        file.write_text(json.dumps(plain(table, numbers=True)), encoding="utf-8")


CSV, PARQUET = "text/csv", "application/vnd.apache.parquet"
DOORS: dict[str, Door] = {
    "/predict records": _json("api", "/predict", lambda rows: rows),
    "/predict lists": _json("api", "/predict", _lists),
    "/predict split": _json("api", "/predict", _split),
    **{
        f"{server} {form}": _json(client, "/invocations", lambda rows, f=form, s=shape: {f: s(rows)})
        for server, client in (("/invocations", "api"), ("--engine mlflow", "theirs"))
        for form, shape in (
            ("dataframe_records", lambda rows: rows),
            ("dataframe_split", _split),
            ("inputs", _lists),
            ("instances", lambda rows: rows),
        )
    },
    **{
        f"{server} {name}": _bytes(client, kind, body)
        for server, client in (("/invocations", "api"), ("--engine mlflow", "theirs"))
        for name, kind, body in (
            ("csv", CSV, lambda table: cells(table).encode()),
            ("parquet", PARQUET, lambda table: _parquet(table.drop(columns="Y"))),
            ("parquet of nullable types", PARQUET, lambda table: _parquet(narrow(table))),
        )
    },
    "V2": _tensors,
    "the page": _form,
    **{
        f"predict {name}{' --offline' if offline else ''}": _file(name, offline)
        for offline in (False, True)
        for name in ("rows.csv", "rows.parquet", "rows.json")
    },
}
