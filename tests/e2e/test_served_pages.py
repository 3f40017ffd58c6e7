"""Blocks of how-to guides that follow ``<!-- run: served -->``, run in a project whose API is up."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from conftest import Cli, sealed_environment
from e2e.test_readme import ROOT

pytestmark = pytest.mark.slow
PAGES = (  # in this order: from the first API key on, the API asks for one
    "monitoring/index.md", "serving/predictions.md", "serving/feedback.md", "serving/models.md", "stack.md",
    "training/environments.md", "serving/operations.md",
)  # fmt: skip
SERVED = re.compile(r"^<!-- run: served -->\n```bash\n(.*?)^```$", re.M | re.S)
BLOCKS = [
    (page, body)
    for page in PAGES
    for body in SERVED.findall((ROOT / "docs" / "how-to" / page).read_text(encoding="utf-8"))
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A served model named credit-default, five predictions, and their truth in ``outcomes.csv``."""
    base = tmp_path_factory.mktemp("served")
    folder, cli = base / "credit", Cli(base / "home", base)
    cli("init", folder).ok()
    for name in ("experiment.yaml", "mlpipes.yaml"):
        text = (folder / name).read_text(encoding="utf-8")
        assert ": breast-cancer" in text
        (folder / name).write_text(text.replace(": breast-cancer", ": credit-default"), encoding="utf-8")
    try:
        for words in (
            ("up", "--runtime", "embedded"),
            ("train", "--only", "logistic"),
            ("promote", "--metric", "ks"),
            ("serve", "--detach"),
            ("predict", "data/new_rows.csv", "--output", "scored.csv"),
        ):
            cli(*words, cwd=folder).ok()
        scored = pd.read_csv(folder / "scored.csv").rename(columns={"prediction": "truth"})
        scored[["prediction_id", "truth"]].to_csv(folder / "outcomes.csv", index=False)
        yield folder
    finally:
        cli("down", "--volumes", "--yes", cwd=folder)


@pytest.mark.parametrize(("page", "body"), BLOCKS, ids=lambda value: value.splitlines()[0][:40])
def test_a_block_runs(project: Path, page: str, body: str) -> None:
    environ = sealed_environment(project.parent / "home")
    environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", body], cwd=project, env=environ, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]


def test_what_the_blocks_left(project: Path) -> None:
    exported = pd.read_parquet(project / "log.parquet")
    rows = pd.read_csv(project / "outcomes.csv")
    assert set(rows["prediction_id"]) == set(exported["prediction_id"].astype(str))
    cli = Cli(project.parent / "home", project)
    (line,) = cli("performance", "--period", "month", "--json").ok().json["lines"]
    assert line["with_truth"] == len(rows)
    (key,) = cli("keys", "list", "--json").ok().json
    assert (key["name"], key["state"]) == ("billing service", "revoked")
