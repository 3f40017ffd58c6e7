"""The runs that README and docs/how-to/training show, read as files and given to trainers as jobs.

The pages' parts of files (a list of runs, the keys of one run, ``data:`` alone) are made whole first. Used in
trainers' own environments too, so it imports no more than they have.
"""

from __future__ import annotations

import json
import re
import tempfile
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter

from mlpipes_cli.config.any_run import AnyRun
from mlpipes_cli.config.experiment import ExperimentConfig, load_experiment
from mlpipes_cli.config.runs import Run
from mlpipes_cli.trainers import catalog
from mlpipes_cli.trainers.base import Comparison, Fitted, Training
from mlpipes_cli.trainers.search import search
from mlpipes_cli.worker import protocol

ROOT = Path(__file__).parents[2]
GUIDES = tuple(sorted((ROOT / "mlpipes_cli" / "trainers").glob("*/guide.md")))
PAGES = (
    *sorted((ROOT / "docs" / "how-to" / "training").glob("*.md")),
    *GUIDES,
    ROOT / "docs" / "how-to" / "serving" / "compiled.md",
)
_BLOCK = re.compile(r"^```(?P<language>yaml|python)\n(?P<body>.*?)^```$", re.M | re.S)
_OF_A_FILE = {"cross_validate", "experiment", "data", "executor", "metric", "runs", "threshold"}
_RUNS = "runs: [{name: any, trainer: sklearn, estimator: sklearn.dummy.DummyClassifier}]\n"
_MOST = {
    "n_estimators": 5, "iterations": 2, "epochs": 2, "num_trees": 3, "max_models": 1, "max_iter": 3,
}  # fmt: skip


@dataclass(frozen=True)
class Example:
    """A block of YAML.

    Attributes:
        place: ``page:line``.
        config: The file that it is, or is a part of.
        shows_runs: Whether it has runs of its own.
        module: The Python that its page shows, for ``my_module``.
    """

    place: str
    config: ExperimentConfig
    shows_runs: bool
    module: str


def examples() -> list[Example]:
    """Every block of YAML on the pages.

    Raises:
        ConfigError: One of them is no file that mlpipes takes.
    """
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        blocks = list(_BLOCK.finditer(text))
        module = "\n".join(block["body"] for block in blocks if block["language"] == "python")
        for block in blocks:
            if block["language"] == "yaml":
                line = text.count("\n", 0, block.start()) + 1
                place = f"{page.relative_to(ROOT)}:{line}"
                content, shows_runs = _whole(textwrap.dedent(block["body"]), page.parent.name)
                found.append(Example(place, _config(content, place), shows_runs, module))
    return found


def group(spec: Mapping[str, Any]) -> str:
    """Where a run can be trained: its trainer's name, or ``boosting`` for estimators that we do not bring."""
    outside = str(spec.get("estimator", "sklearn")).partition(".")[0] != "sklearn"
    return "boosting" if spec["trainer"] == "sklearn" and outside else str(spec["trainer"])


def runs(wanted: str) -> list[tuple[str, dict[str, Any], Example]]:
    """The runs of a group: the place and its name, what the trainer gets, and where it stands."""
    return [
        (f"{example.place} {run.name}", spec, example)
        for example in examples()
        if example.shows_runs
        for run in example.config.runs
        if group(spec := as_job(run)) == wanted
    ]


def as_job(run: Run) -> dict[str, Any]:
    """What a trainer gets of a run, after its way through a file of JSON."""
    packed = json.loads(json.dumps(protocol.pack(run.model_dump(mode="python"))))
    return dict(protocol.unpack(packed))


def spec_of(**run: Any) -> dict[str, Any]:
    """What a trainer gets of a run with these keys in the file."""
    return as_job(TypeAdapter(AnyRun).validate_python({"name": "one", **run}))


def shortened(spec: Mapping[str, Any]) -> dict[str, Any]:
    """With fewer rounds, models or epochs, which cost time and show nothing more."""

    def fewer(given: Mapping[str, Any]) -> dict[str, Any]:
        return {name: min(v, _MOST[name]) if name in _MOST else v for name, v in given.items()}

    found = {**spec, "params": fewer(spec["params"])}
    return {**found, "search": fewer(spec["search"])} if spec.get("search") else found


def fit(training: Training, spec: Mapping[str, Any]) -> Fitted | Comparison:
    """Check a run and fit it, after its search if it has one, as a candidate's process does."""
    trainer = catalog.make(spec["trainer"])
    assert trainer.check(spec) == []
    training = replace(training, spec=spec)
    if not spec.get("search"):
        return trainer.fit(training)
    assert search.problems(trainer, spec) == []
    return search.search(trainer, training, lambda *_: None, side_by_side=False)


def without_a_case(names: Iterable[str] | type[BaseModel], *cases: Mapping[str, Any]) -> list[str]:
    """Names (of a model's fields) that stand in none of the cases."""
    wanted = names.model_fields if isinstance(names, type) else names
    return sorted(set(wanted).difference(*cases))


def _whole(body: str, trainer: str) -> tuple[str, bool]:
    keys = set(re.findall(r"^(\w+):", body, re.M))
    if body.startswith("- "):
        body, keys = f"runs:\n{textwrap.indent(body, '  ')}", {"runs"}
    elif not keys <= _OF_A_FILE:
        part = textwrap.indent(body, "    ")
        body, keys = f"runs:\n  - name: part\n    trainer: {trainer}\n{part}", {"runs"}
    if "data" in keys and not re.search(r"\bsource:", body):  # settings alone
        body = body.replace("data:\n", "data:\n  source: rows.csv\n  target: target\n")
    body += "" if "experiment" in keys else "experiment: documented\n"
    body += "" if "data" in keys else "data: {source: rows.csv, target: target}\n"
    return (body, True) if "runs" in keys else (body + _RUNS, False)


def _config(content: str, place: str) -> ExperimentConfig:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "experiment.yaml"
        file.write_text(content, encoding="utf-8")
        return load_experiment(file, place)[0]
