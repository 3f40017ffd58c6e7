"""Every block of code on the pages of the documentation is executed by a test; this one says by which."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import documented
import pandas as pd
import pytest
import yaml
from e2e import test_readme as readme

from mlpipes_cli.config.project import ProjectConfig
from mlpipes_cli.scoring.metrics import evaluate
from mlpipes_cli.scoring.predictions import Predictions

ROOT = readme.ROOT
BLOCK = re.compile(
    r"(?:<!-- (?P<mark>[^>]+) -->\n+)?^```(?P<language>bash|sh|yaml|python)\n(?P<body>.*?)^```$", re.M | re.S
)
# Pages whose marked blocks are run in their order, and what runs them.
RUN = {
    "README.md": "e2e/test_readme.py",
    "docs/how-to/project.md": "e2e/test_readme.py",
    "docs/tutorial.md": "e2e/test_tutorial.py",
    "docs/how-to/automation/cron.md": "integration/pipelines/test_pages.py",
    "docs/how-to/automation/run.md": "integration/pipelines/test_pages.py",
    "docs/how-to/data/prepare.md": "integration/datasets/test_prepare_page.py",
    "docs/how-to/data/your-own-file.md": "integration/datasets/test_own_project.py",
    "docs/how-to/training/threshold.md": "integration/training/test_threshold.py",
}
# Pages with blocks marked `run: served`, which are run in a project whose API is up.
SERVED = "e2e/test_served_pages.py"
# The rest: which test executes the blocks of a language on a page, and a text by which it does.
ELSEWHERE = {
    ("README.md", "bash"): ("../.ci/run", "make test"),
    ("docs/explanation/metrics.md", "python"): ("e2e/test_documentation.py", "explanation/metrics.md"),
    ("docs/how-to/automation/airflow.md", "bash"): ("integration/pipelines/test_airflow.py", '"airflow.md"'),
    ("docs/how-to/automation/airflow.md", "python"): (
        "integration/pipelines/test_airflow.py", '"airflow.md"'),
    ("docs/how-to/automation/airflow.md", "yaml"): ("integration/pipelines/test_airflow.py", '"airflow.md"'),
    ("docs/how-to/automation/ci.md", "bash"): (
        "integration/pipelines/test_pages.py", '("export", "github"'),
    ("docs/how-to/automation/ci.md", "yaml"): (
        "e2e/test_documentation.py", "ProjectConfig.model_validate"),
    ("docs/how-to/automation/projects.md", "bash"): (
        "integration/registry/test_promotion_to_project.py", '"projects.md"'),
    ("docs/how-to/automation/run.md", "yaml"): ("integration/pipelines/test_pages.py", "Condition"),
    ("docs/how-to/automation/kubernetes.md", "bash"): (
        "unit/lifecycle/export/test_kubernetes_tools.py", '"kubernetes.md"'),
    ("docs/how-to/automation/kubernetes.md", "yaml"): (
        "unit/lifecycle/export/test_kubernetes_tools.py", '"kubernetes.md"'),
    ("docs/how-to/compose.md", "bash"): ("integration/docker/test_compose_plugin.py", "--profile api up"),
    ("docs/how-to/compose.md", "yaml"): ("e2e/test_documentation.py", "ProjectConfig.model_validate"),
    ("docs/how-to/data/loading.md", "bash"): ("integration/datasets/test_loading_page.py", "loading.md"),
    ("docs/how-to/data/loading.md", "yaml"): ("integration/datasets/test_loading_page.py", "loading.md"),
    ("docs/how-to/data/profile.md", "bash"): ("integration/datasets/test_profile.py", '"profile.md"'),
    ("docs/how-to/data/profile.md", "python"): ("integration/datasets/test_profile.py", '"profile.md"'),
    ("docs/how-to/monitoring/alerts.md", "bash"): (
        "integration/monitoring/test_monitor.py", '"alerts", "--test"'),
    ("docs/how-to/monitoring/alerts.md", "yaml"): (
        "e2e/test_documentation.py", "ProjectConfig.model_validate"),
    ("docs/how-to/monitoring/index.md", "python"): (
        "integration/monitoring/test_monitor.py", '"monitoring" / "index.md"'),
    ("docs/how-to/monitoring/index.md", "yaml"): (
        "e2e/test_documentation.py", "ProjectConfig.model_validate"),
    ("docs/how-to/monitoring/retrain.md", "bash"): (
        "integration/monitoring/test_retrain.py", '"monitoring" / "retrain.md"'),
    ("docs/how-to/monitoring/retrain.md", "python"): (
        "integration/monitoring/test_retrain.py", '"monitoring" / "retrain.md"'),
    ("docs/how-to/monitoring/retrain.md", "yaml"): (
        "e2e/test_documentation.py", "ProjectConfig.model_validate"),
    ("docs/how-to/monitoring/watch.md", "bash"): (
        "integration/monitoring/test_watch.py", '"watch", "--once"'),
    ("docs/how-to/monitoring/watch.md", "yaml"): (
        "e2e/test_documentation.py", "ProjectConfig.model_validate"),
    ("docs/how-to/python.md", "python"): ("integration/python_api/test_python_api.py", '"python.md"'),
    ("docs/how-to/stack.md", "yaml"): ("integration/docker/test_own_services.py", '"stack.md"'),
    ("docs/how-to/serving/compiled.md", "yaml"): ("unit/test_documented.py", "documented.examples()"),
    ("docs/how-to/serving/container.md", "bash"): (
        "integration/docker/test_api_in_containers.py", '"--with", "api"'),
    ("docs/how-to/serving/feedback.md", "bash"): (
        "integration/serving/test_feedback.py", '"/feedback"'),
    ("docs/how-to/serving/operations.md", "bash"): (
        "integration/serving/test_serve_command.py", '"--model"'),
    ("docs/how-to/serving/operations.md", "yaml"): (
        "e2e/test_documentation.py", "ProjectConfig.model_validate"),
    ("docs/how-to/serving/protocols.md", "bash"): ("contracts/test_scoring_protocol.py", "curl"),
    ("docs/how-to/serving/protocols.md", "python"): (
        "integration/protocols/test_inference.py", "InferenceServerClient"),
    ("docs/how-to/serving/reliability.md", "yaml"): (
        "e2e/test_documentation.py", "ProjectConfig.model_validate"),
    ("docs/how-to/training/data.md", "yaml"): ("unit/data/test_data_page.py", "training/data.md"),
    ("mlpipes_cli/trainers/keras/guide.md", "python"): (
        "contracts/inside/network_contract.py", "documented.runs("),
    ("mlpipes_cli/trainers/torch/guide.md", "python"): (
        "contracts/inside/network_contract.py", "documented.runs("),
}  # fmt: skip


@dataclass(frozen=True)
class Block:
    """A block of code on a page."""

    page: str
    mark: str
    language: str
    body: str


def pages() -> list[Path]:
    found = (ROOT / "docs").rglob("*.md")
    written = [path for path in found if not {"adr", "generated"} & set(path.relative_to(ROOT).parts)]
    return [ROOT / "README.md", *sorted(written), *documented.GUIDES]


def blocks() -> Iterator[Block]:
    for path in pages():
        page = str(path.relative_to(ROOT))
        for found in BLOCK.finditer(path.read_text(encoding="utf-8")):
            yield Block(page, found["mark"] or "", found["language"], found["body"])


def test_every_block_of_code_is_executed_by_a_test() -> None:
    of_training = {str(path.relative_to(ROOT)) for path in documented.PAGES}
    missing, used = [], set()
    for block in blocks():
        if block.mark == "run: served":
            assert block.page.removeprefix("docs/how-to/") in (ROOT / "tests" / SERVED).read_text()
        elif block.mark.startswith(("run", "file: ")):
            assert block.page in RUN, f"{block.page}: no test runs its marked blocks"
        elif block.language != "yaml" or block.page not in of_training:
            used.add((block.page, block.language))
            if (block.page, block.language) not in ELSEWHERE:
                missing.append(f"{block.page}: {block.language}: {block.body.splitlines()[0]}")
    assert missing == []
    wanted = {key for key in ELSEWHERE if key[1] != "yaml" or key[0] not in of_training}
    assert used == wanted


@pytest.mark.parametrize("key", ELSEWHERE, ids=" ".join)
def test_what_is_said_to_execute_a_block_is_there(key: tuple[str, str]) -> None:
    file, text = ELSEWHERE[key]
    assert text in (ROOT / "tests" / file).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", RUN)
def test_the_runner_of_a_page_names_it(page: str) -> None:
    assert Path(page).name in (ROOT / "tests" / RUN[page]).read_text(encoding="utf-8")


def commands_shown() -> list[tuple[str, str]]:
    """Every line of a shell block that calls mlpipes: the page and the line."""
    lines = [(b.page, line) for b in blocks() if b.language in ("bash", "sh") for line in b.body.splitlines()]
    return sorted({(page, line) for page, line in lines if line.startswith("mlpipes ")})


@pytest.mark.parametrize(("page", "line"), commands_shown())
def test_a_command_on_a_page_is_one_that_the_command_line_takes(page: str, line: str) -> None:
    """By the parser itself, which calls no command."""
    import typer.main

    from mlpipes_cli.cli import app, commands

    commands.register(app.app)
    command: Any = typer.main.get_command(app.app)
    shell = re.split(r" (?:\||>|\|\||&&) ", line)[0]
    words = app.hoist(shlex.split(shell, comments=True)[1:])
    if words == ["--version"]:  # answers while it is parsed
        return
    context = command.make_context("mlpipes", words)
    while (left := [*context._protected_args, *context.args]) and hasattr(command, "resolve_command"):
        name, command, rest = command.resolve_command(context, left)
        context = command.make_context(name, rest, parent=context)
    assert command.name != "mlpipes"


@pytest.mark.parametrize("block", [b for b in blocks() if b.language == "yaml"], ids=lambda b: b.page)
def test_a_block_of_settings_is_taken(block: Block) -> None:
    """Parts of ``mlpipes.yaml``; experiment files and other programs' files are valid YAML at least."""
    content = yaml.safe_load(block.body)
    assert content
    if isinstance(content, dict) and set(content) <= set(ProjectConfig.model_fields):
        ProjectConfig.model_validate({"project": "shown", **content})


def test_python_blocks_can_be_compiled() -> None:
    for block in blocks():
        if block.language == "python":
            ast.parse(block.body, block.page)


def test_the_metrics_are_those_that_the_page_computes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The block of docs/explanation/metrics.md on predictions as a run keeps them."""
    (block,) = [b for b in blocks() if b.page == "docs/explanation/metrics.md"]
    rows = pd.DataFrame({"target": [0, 0, 1, 1, 0, 1] * 20})
    rows["score"] = [(i * 37 % 101) / 101 * 0.6 + 0.4 * t for i, t in enumerate(rows["target"])]
    rows["prediction"] = (rows["score"] > 0.5).astype(int)
    rows.to_parquet(tmp_path / "holdout_predictions.parquet")
    monkeypatch.chdir(tmp_path)
    *lines, last = block.body.strip().splitlines()
    names: dict[str, Any] = {}
    exec("\n".join(lines[:-1]), names)
    ks, auc = eval(lines[-1].partition("#")[0], names), eval(last.partition("#")[0], names)
    given = {name: rows[name].to_numpy() for name in ("target", "prediction")}
    scored = Predictions(
        "binary", (0, 1), scores=rows["score"].to_numpy(), ids=rows.index.to_numpy(), **given
    )
    found = evaluate(scored)
    assert found["ks"] == pytest.approx(ks, abs=1e-12) and found["roc_auc"] == pytest.approx(auc, abs=1e-12)
