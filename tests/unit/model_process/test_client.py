"""A model in a process of its own: what it answers, how it fails, how it ends."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest
import serving_help
from process_help import commands

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.model_process.client import Away, ModelError, ModelProcess, process_environment
from mlpipes_cli.server.http.api_error import ApiError
from mlpipes_cli.server.models.loader import load
from mlpipes_cli.server.models.served_model import ServedModel
from mlpipes_cli.server.predictions.batch import ask
from mlpipes_cli.server.predictions.stored_rows import RecordOrigin, StoredAnswer

pytestmark = pytest.mark.slow
HERE = {"hash": "0", "python": "3.11", "requirements": ["scikit-learn"]}


class Moody:
    """A classifier whose mood is in the data; it is pickled by value."""

    def __init__(self, model: Any) -> None:
        self.model, self.classes_ = model, model.classes_

    def predict(self, X: Any) -> Any:
        import os
        import subprocess
        import sys
        import time

        age = float(X["age"].iloc[0])
        print("asked for", len(X))
        if age == -1:
            raise ValueError("no age is\nnegative")
        if age == -2:
            os._exit(3)
        if age == -3:
            time.sleep(600)
        if age == -4:
            sys.exit(4)
        if age == -5:  # leaves its session and its group, as a Java does
            subprocess.Popen(["sleep", "600"], start_new_session=True)
        return self.model.predict(X)

    def predict_proba(self, X: Any) -> Any:
        return self.model.predict_proba(X)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved model that has an environment of its own, which is ours."""
    import cloudpickle
    import mlflow.sklearn

    path = tmp_path_factory.mktemp("moody") / "m"
    arguments = serving_help.arguments(("no", "yes"))
    arguments["sk_model"] = Moody(arguments["sk_model"])
    arguments["metadata"]["mlpipes"]["environment"] = HERE
    arguments["input_example"] = serving_help.people(5)
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    try:
        mlflow.sklearn.save_model(path=str(path), **arguments)
    finally:
        cloudpickle.unregister_pickle_by_value(sys.modules[__name__])
    return path


def found(told: Mapping[str, Any]) -> Path:
    assert told == HERE
    return Path(sys.executable)


@pytest.fixture(scope="module")
def model(folder: Path) -> Iterator[ServedModel]:
    served = load(folder, "people", 3, "production", interpreters=found, seconds=60)
    yield served
    process_of(served).close()


def process_of(model: ServedModel) -> ModelProcess:
    assert model.elsewhere is not None
    return model.elsewhere


def rows(model: ServedModel, count: int = 3, age: float | None = None) -> pd.DataFrame:
    frame = serving_help.people().head(count)
    enforced: pd.DataFrame = model.mlflow.enforce(
        frame if age is None else frame.assign(age=float(age)), None
    )[0]
    return enforced


def test_labels_and_scores_are_the_models_own(model: ServedModel, folder: Path) -> None:
    import mlflow.sklearn

    frame = rows(model, 60)
    own = mlflow.sklearn.load_model(str(folder))
    said = model.predict(frame)
    assert said.raw.tolist() == own.predict(frame).tolist()
    assert said.scores is not None
    assert np.abs(np.asarray(said.scores) - own.predict_proba(frame)[:, 1]).max() <= 1e-12
    assert model.merges and model.shortcut is None
    assert model.scores is not None and model.scores.probabilities and model.scores.classes == 2


def test_it_raises_and_goes_on_answering(model: ServedModel) -> None:
    pid = process_of(model).pid
    with pytest.raises(ModelError, match=r"^ValueError: no age is negative$"):
        model.predict(rows(model, 3, -1))
    with pytest.raises(ModelError, match=r"^SystemExit: 4$"):
        model.predict(rows(model, 3, -4))
    assert len(model.predict(rows(model)).raw) == 3
    assert process_of(model).pid == pid


def test_it_dies_and_another_takes_its_place(model: ServedModel) -> None:
    pid = process_of(model).pid
    with pytest.raises(Away):
        model.predict(rows(model, 3, -2))
    assert len(model.predict(rows(model)).raw) == 3  # who asks meanwhile waits for the next one
    os.kill(process_of(model).pid, signal.SIGKILL)
    serving_help.until(lambda: answers(model), 60)
    assert process_of(model).pid != pid


def answers(model: ServedModel) -> bool:
    try:
        return len(model.predict(rows(model)).raw) == 3
    except Away:
        return False


def test_requests_in_flight_are_told_to_come_again(model: ServedModel) -> None:
    from mlpipes_cli.server.predictions.batch import PredictionJob

    async def main() -> list[Any]:
        loop = asyncio.get_running_loop()

        def job(age: float | None) -> PredictionJob:
            future: asyncio.Future[StoredAnswer] = loop.create_future()
            return PredictionJob(
                model, 2, RecordOrigin(time.perf_counter()), None, future, data=rows(model, 2, age), params={}
            )

        return list(ask([job(-2), job(None)], 7))

    said = asyncio.run(main())
    assert [type(one) for one in said] == [ApiError, ApiError]
    assert {(one.status, one.retry_after) for one in said} == {(503, 7)}
    serving_help.until(lambda: answers(model), 60)


def test_who_waits_for_an_answer_is_told_when_the_socket_is_closed(folder: Path) -> None:
    model = load(folder, "people", 3, "production", interpreters=found, seconds=600)
    with ThreadPoolExecutor(1) as pool:
        waits = pool.submit(model.predict, rows(model, 3, -3))
        with pytest.raises(FutureTimeout):
            waits.result(1)
        process_of(model)._hang_up()  # as when the process has ended and its socket's number is free again
        with pytest.raises(Away, match="exited and is being restarted"):
            waits.result(30)
    serving_help.until(lambda: answers(model), 60)
    process_of(model).close()


def test_all_that_it_started_ends_with_it(folder: Path) -> None:
    model = load(folder, "people", 3, "production", interpreters=found, seconds=60)
    model.predict(rows(model, 3, -5))
    family = list(commands(psutil.Process().children(recursive=True)))
    ours = [one for one, command in family if "model_process.server" in " ".join(command)]
    strays = [one for one, command in family if command[0].endswith("sleep")]
    assert strays and len(ours) >= 2
    pids = {process_of(model).pid, *(one.pid for one in strays)}
    del model
    gc.collect()
    gone = [one for one in (*ours, *strays) if one.pid in pids]
    _, alive = psutil.wait_procs(gone, timeout=30)
    assert not alive


def test_one_that_does_not_answer_in_time_is_ended(folder: Path) -> None:
    model = load(folder, "people", 3, "production", interpreters=found, seconds=1)
    pid = process_of(model).pid
    with pytest.raises(Away, match="within 1 s"):
        model.predict(rows(model, 3, -3))
    serving_help.until(lambda: answers(model), 60)
    assert process_of(model).pid != pid
    process_of(model).close()


def test_a_model_that_does_not_load_is_one_line(folder: Path, tmp_path: Path) -> None:
    import shutil

    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    (broken / "model.pkl").write_bytes(b"no pickle")
    with pytest.raises(
        MlpipesError, match=r"cannot be loaded in its environment \(UnpicklingError: "
    ) as caught:
        load(broken, "people", 3, "production", interpreters=found)
    assert "\n" not in caught.value.reason
    with pytest.raises(MlpipesError, match="/nowhere/python cannot be started"):
        load(folder, "people", 3, "production", interpreters=lambda told: Path("/nowhere/python"))
    with pytest.raises(MlpipesError, match="has its own environment, which cannot be built here"):
        load(folder, "people", 3, "production")


def test_what_the_model_prints_is_logged(model: ServedModel, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "mlpipes.model"):
        model.predict(rows(model, 2))
        serving_help.until(lambda: "asked for 2" in caplog.messages, 20)


def test_secrets_and_our_own_packages_stay_here() -> None:
    told = {"MLPIPES_DATABASE_URL": "x", "MLFLOW_TRACKING_PASSWORD": "x", "PYTHONPATH": "/ours"}
    made = process_environment(Path("/there/bin/python"), {**told, "JAVA_HOME": "/java", "PATH": "/usr/bin"})
    assert not told.keys() & made.keys()
    assert (made["JAVA_HOME"], made["PATH"]) == ("/java", "/there/bin:/usr/bin")
    assert json.dumps(made).count("/ours") == 0
