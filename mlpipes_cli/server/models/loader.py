"""Load a model from its folder, and find out whether its calls can be faster or shared."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.mlflow_tags import MODEL_ENVIRONMENT
from mlpipes_cli.model_process.client import Away, LoadRequest, ModelError, ModelProcess, NotLoaded
from mlpipes_cli.model_process.output import ModelOutput
from mlpipes_cli.server.models.requirements import missing
from mlpipes_cli.server.models.served_model import ServedModel, Shortcut
from mlpipes_cli.server.models.signature import Description, describe

logger = logging.getLogger("mlpipes.server")
_TIMED_ROWS = 200
_CLOSE = 1e-12  # how far scores of the same row may differ if requests share a call

Interpreters = Callable[[Mapping[str, Any]], Path]
"""From ``environment`` of a model's details to the Python interpreter of such an environment, which may
have to be made first."""


def load(
    folder: Path,
    name: str,
    version: int,
    alias: str,
    promoted_at: str | None = None,
    interpreters: Interpreters | None = None,
    seconds: float | None = None,
) -> ServedModel:
    """Load a version from its files; a model with its own environment is loaded in a process there.

    Args:
        folder: The model's files.
        name: The registered model's name.
        version: Its version.
        alias: The alias that points to the version.
        promoted_at: When the alias was moved to it, ISO 8601, or None.
        interpreters: Finds the environments of models that have one.
        seconds: Time limit for an answer of a model in its own process; None is no limit.

    Raises:
        MlpipesError: The model cannot be loaded; the reason in one line.
    """
    try:
        description = describe(folder)
        if description.details.get(MODEL_ENVIRONMENT):
            process = _elsewhere(description, name, version, interpreters, seconds)
            try:
                merges = _shares_calls(description, process)
                return ServedModel(
                    description, None, None, name, version, alias, promoted_at, None, merges, process
                )
            except BaseException:
                process.close()
                raise
        native = None if description.pickled is None else _unpickled(description.pickled)
        pyfunc = None if native is not None else _pyfunc(folder)
    except MlpipesError:
        raise
    except Exception as error:  # noqa: BLE001  a pickled model may raise anything
        lacking = missing(folder) if isinstance(error, ImportError) else []
        if lacking:
            raise MlpipesError(
                f"version {version} of model {name!r} needs packages that are not installed here: "
                f"{', '.join(lacking)}",
                "`mlpipes build` makes an image of the API with all packages of the model",
            ) from None
        line = " ".join(str(error).split())[:300] or type(error).__name__
        raise MlpipesError(
            f"version {version} of model {name!r} cannot be loaded ({type(error).__name__}: {line})",
            "retrain and promote it in this environment, or run `mlpipes rollback`",
        ) from None
    shortcut = _shortcut(description, native) if native is not None else None
    row_by_row = pyfunc is not None and _answers_row_by_row(description, pyfunc)
    return ServedModel(description, native, pyfunc, name, version, alias, promoted_at, shortcut, row_by_row)


def _elsewhere(
    description: Description,
    name: str,
    version: int,
    interpreters: Interpreters | None,
    seconds: float | None,
) -> ModelProcess:
    """Return the model in a process of its environment, ready to answer.

    Raises:
        MlpipesError: The environment is not available, or the model cannot be loaded there.
    """
    which = f"version {version} of model {name!r}"
    if interpreters is None:
        raise MlpipesError(f"{which} has its own environment, which cannot be built here")
    try:
        python = interpreters(description.details[MODEL_ENVIRONMENT])
    except MlpipesError as error:
        raise MlpipesError(f"{which}: {error.reason}", error.hint) from None
    asked = LoadRequest(description.folder, description.pickled, description.details)
    process = ModelProcess(python, asked, which, seconds)
    try:
        process.start()
    except NotLoaded as error:
        raise MlpipesError(
            f"{which} cannot be loaded in its environment ({error})",
            "retrain and promote it, or run `mlpipes rollback`",
        ) from None
    return process


def _shares_calls(description: Description, process: ModelProcess) -> bool:
    """Return whether a row gets the same answer alone and among others (scores to 1e-12), on a few rows."""
    from mlpipes_cli.server import compiled

    sample = compiled.read_sample(description.folder)
    rows = example_rows(description) if sample is None else sample.frame.head(_FEW_ELSEWHERE)
    if rows is None or len(rows) < 2 or description.params:
        return False
    rows = rows.head(_FEW_ELSEWHERE).reset_index(drop=True)
    try:
        together = process.ask(rows)
        alone = [process.ask(rows.iloc[[at]]) for at in range(len(rows))]
    except (Away, ModelError, TypeError):
        return False
    batched = _listed(together.raw)
    if len(batched) != len(rows) or any(len(_listed(single.raw)) != 1 for single in alone):
        return False
    return repr(batched) == repr([_listed(single.raw)[0] for single in alone]) and _near(together, alone)


def _near(together: ModelOutput, alone: Sequence[ModelOutput]) -> bool:
    import numpy as np

    if together.scores is None:
        return True
    apart = [row for single in alone for row in single.scores or ()]
    return bool(np.allclose(together.scores, apart, rtol=0.0, atol=_CLOSE, equal_nan=True))


def _unpickled(path: Path) -> Any:
    import cloudpickle

    with path.open("rb") as file:
        return cloudpickle.load(file)


def _pyfunc(folder: Path) -> Any:
    from mlpipes_cli.server.requests import mlflow_parser

    mlflow_parser.prepare()
    import mlflow.pyfunc

    return mlflow.pyfunc.load_model(str(folder))


def _shortcut(description: Description, native: Any) -> Shortcut | None:
    """Return a compiled predictor, if it gives the estimator's answers on the holdout's rows."""
    from mlpipes_cli.server import compiled

    made = compiled.compile_model(native, description.columns, description.details)
    sample = compiled.read_sample(description.folder) if made is not None else None
    if made is None or sample is None:
        return None
    difference = compiled.check(made, native, sample, description.columns, description.details)
    if difference is not None:
        logger.warning("the model is called without the fast path: %s", difference)
        return None
    rows = compiled.sample_rows(sample, description.columns, _TIMED_ROWS)
    call = min(_seconds(made, rows[:1]) for _ in range(3))
    many = min(_seconds(made, rows) for _ in range(2))
    return Shortcut(made, call, max(0.0, many - call) / max(1, len(rows) - 1))


def _seconds(ask: Any, rows: Any) -> float:
    begin = time.perf_counter()
    ask(rows)
    return time.perf_counter() - begin


def _answers_row_by_row(description: Description, pyfunc: Any) -> bool:
    """Return whether a row gets the same answer alone and among others, on the rows stored with the model.

    Only then do requests share a predict call. The rows are predicted together, each alone, and reversed.
    """
    from mlpipes_cli.server import compiled

    sample = compiled.read_sample(description.folder)
    rows = example_rows(description) if sample is None else sample.frame.head(_FEW)
    if rows is None or len(rows) < 2 or description.params:
        return False
    try:
        together = _listed(pyfunc.predict(rows))
        alone = [_listed(pyfunc.predict(rows.iloc[[at]])) for at in range(len(rows))]
        reverse = _listed(pyfunc.predict(rows.iloc[::-1]))
    except Exception:  # noqa: BLE001  a model may raise anything; then requests share no call
        return False
    return (
        len(together) == len(rows)
        and all(len(single) == 1 for single in alone)
        and repr(together) == repr([single[0] for single in alone]) == repr(reverse[::-1])
    )


_FEW, _FEW_ELSEWHERE = 8, 4


def example_rows(description: Description) -> Any:
    """Return the input example that was logged with the model as a frame, or None."""
    from mlpipes_cli.server.requests.mlflow_parser import MlflowParser

    try:
        side = MlflowParser(description.folder)
        example = side.metadata.load_input_example(str(description.folder))
        return side.enforce(example, None)[0] if hasattr(example, "iloc") else None
    except Exception:  # noqa: BLE001  the example does not fit its own signature
        return None


def _listed(answer: Any) -> list[Any]:
    from mlpipes_cli.server.predictions.stored_rows import listed

    return listed(answer)
