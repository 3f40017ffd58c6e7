"""``mlpipes export github``: workflows for GitHub Actions."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli.lifecycle.export.ci import files, scripts
from mlpipes_cli.lifecycle.export.ci.files import CiExport
from mlpipes_cli.lifecycle.export.ci.plan import CiPlan, make_plan

if TYPE_CHECKING:
    from mlpipes_cli.ports import Reporter
    from mlpipes_cli.project import ProjectFolder

_ACTIONS = {  # by commit: a tag can be moved
    "actions/checkout": ("11bd71901bbe5b1630ceea73d27597364c9af683", "v4.2.2"),
    "actions/setup-python": ("a26af69be951a213d495a4c3e4e4022e16d87065", "v5.6.0"),
    "actions/upload-artifact": ("ea165f8d65b6e75b540449e92b4886f43607fa02", "v4.6.2"),
}
_FOLDER = ".github/workflows"
_COMMENT = 60_000  # characters; GitHub takes 65,536
# A summary shows neither `data:` addresses nor files of the job: the plots are in the page that is kept.
_LINK = {
    "name": "Link the results",
    "if": "${{ !cancelled() }}",
    "env": {"RESULTS": "${{ steps.kept.outputs.artifact-url }}"},
    "run": 'if [ -n "$RESULTS" ]; then\n  echo "[All results, with reports and plots]($RESULTS)"'
    ' >> "$GITHUB_STEP_SUMMARY"\nfi\n',
}
_SUMMARY = f'cat {scripts.RESULTS}/report.md >> "$GITHUB_STEP_SUMMARY"'


def export(
    project: ProjectFolder,
    file: Path,
    shown_as: str,
    reporter: Reporter,
    *,
    output: Path | None = None,
    force: bool = False,
) -> CiExport:
    """Write the workflows of a project.

    Args:
        project: The project.
        file: The pipeline's file; without one, the workflows load, prepare and train what the project has.
        shown_as: How messages call it.
        reporter: Gets a warning about what GitHub does differently.
        output: The folder of the repository; found from the project if omitted.
        force: Replace files that are not of this command.

    Raises:
        UsageError: The pipeline has mistakes, or a file would replace another one.
        MlpipesError: A file cannot be written.
    """
    plan = make_plan(project, file, shown_as)
    if plan.warning:
        reporter.warn(plan.warning)
    root = output or files.repository(project)
    workflows = {
        "mlpipes-pull-request.yml": _pull_request(plan),
        "mlpipes-main.yml": _main(plan),
        "mlpipes-monitor.yml": _monitor(plan),
    }
    if plan.timezone not in (None, "UTC"):
        reporter.warn(f"GitHub's schedules are in UTC, not in {plan.timezone}")
    if project.config.runtime != "remote":
        reporter.warn(
            "jobs start services of their own on GitHub's machines, which have no version in production; "
            "with `runtime: remote` they use yours"
        )
    where = files.below(project, root)
    requirements = (project.root / "requirements.txt").is_file()
    texts = {
        f"{_FOLDER}/{name}": _text(_completed(content, plan, where, requirements))
        for name, content in workflows.items()
    }
    files.write("github", root, texts, force=force)
    written = tuple(str(root / name) for name in texts)
    return CiExport(written, (), plan.secrets, plan.left_out)


def _text(content: Mapping[str, Any]) -> str:
    pinned = re.compile(r"^(.*uses: (\S+)@[0-9a-f]{40})$", re.MULTILINE)
    return pinned.sub(
        lambda found: f"{found[1]}  # {_ACTIONS[found[2]][1]}", files.rendered("github", content)
    )


def _uses(action: str, **options: Any) -> dict[str, Any]:
    return {"uses": f"{action}@{_ACTIONS[action][0]}", **({"with": options} if options else {})}


def _run(name: str, script: str, **more: Any) -> dict[str, Any]:
    return {"name": name, **more, "run": script + "\n"}


def _completed(content: dict[str, Any], plan: CiPlan, where: str, requirements: bool) -> dict[str, Any]:
    """Add what all jobs have: the machine, the program, the secrets, and results that are kept."""
    secrets = {name: f"${{{{ secrets.{name} }}}}" for name in plan.secrets if scripts.variable(name)}
    for job in content["jobs"].values():
        first = [
            _uses("actions/checkout", **{"persist-credentials": False}),
            _uses("actions/setup-python", **{"python-version": "3.12"}),
            _run("Install", scripts.install(requirements)),
            _run("Connect to the services", scripts.start(), env=dict(secrets)),
        ]
        path = scripts.RESULTS if where == "." else f"{where}/{scripts.RESULTS}"
        last = {
            "name": "Keep the results",
            "id": "kept",
            "if": "${{ !cancelled() }}",
            **_uses(
                "actions/upload-artifact",
                **{"name": f"mlpipes-{job.pop('results')}", "path": path, "if-no-files-found": "ignore"},
            ),
        }
        for step in job["steps"]:
            if step.pop("secrets", False):
                step["env"] = {**step.get("env", {}), **secrets}
        steps = [_ordered(step) for step in (*first, *job["steps"], last, _LINK)]
        job |= {
            "runs-on": "ubuntu-latest",
            "timeout-minutes": 360,
            "defaults": {"run": {"shell": "bash", "working-directory": where}},
        }
        del job["steps"]
        job["steps"] = steps  # after all that is short
    return content


def _ordered(step: dict[str, Any]) -> dict[str, Any]:
    keys = ("name", "id", "if", "timeout-minutes", "uses", "with", "env", "run")
    return {key: step[key] for key in keys if step.get(key)}


def _steps(plan: CiPlan) -> list[dict[str, Any]]:
    found = []
    for one in plan.before:
        limit = {} if one.timeout is None else {"timeout-minutes": math.ceil(one.timeout / 60)}
        found.append(_run(f"Step {one.name}", scripts.step(one), secrets=True, **limit))
    return found


def _pull_request(plan: CiPlan) -> dict[str, Any]:
    comment = (
        f"head -c {_COMMENT} {scripts.RESULTS}/report.md > {scripts.RESULTS}/comment.md\n"
        f'gh pr comment "$PULL_REQUEST" --edit-last --body-file {scripts.RESULTS}/comment.md ||\n'
        f'  gh pr comment "$PULL_REQUEST" --body-file {scripts.RESULTS}/comment.md'
    )
    job = {
        "name": "Compare with production",
        "if": "github.event.pull_request.head.repo.full_name == github.repository",  # others have no secrets
        "permissions": {"contents": "read", "pull-requests": "write"},
        "results": "report",
        "steps": [
            *_steps(plan),
            _run("Compare", scripts.compare(plan), secrets=True),
            _run("Summary", _SUMMARY),
            _run(
                "Comment",
                comment,
                env={
                    "GH_TOKEN": "${{ github.token }}",
                    "GH_REPO": "${{ github.repository }}",
                    "PULL_REQUEST": "${{ github.event.pull_request.number }}",
                },
            ),
        ],
    }
    return {
        "name": "mlpipes: pull request",
        "on": {"pull_request": {}},
        "permissions": {},
        "concurrency": {"group": "mlpipes-${{ github.ref }}", "cancel-in-progress": True},
        "jobs": {"compare": job},
    }


def _main(plan: CiPlan) -> dict[str, Any]:
    promoted = f'echo "promoted=$(cat {scripts.RESULTS}/promoted)" >> "$GITHUB_OUTPUT"'
    jobs: dict[str, Any] = {
        "promote": {
            "name": "Train and promote",
            "permissions": {"contents": "read"},
            "outputs": {"promoted": "${{ steps.result.outputs.promoted }}"},
            "results": "promotion",
            "steps": [
                _run("Train and promote", scripts.promote(plan), secrets=True),
                _run("Result", promoted, id="result"),
                _run("Summary", f"{scripts.report(plan, '')}\n{_SUMMARY}", secrets=True),
            ],
        }
    }
    if plan.deploy.by == "image":
        jobs["deploy"] = _deploy(plan)
    return {
        "name": "mlpipes: main",
        "on": {"push": {"branches": ["main"]}, "workflow_dispatch": {}},
        "permissions": {},
        "concurrency": {"group": "mlpipes-main", "cancel-in-progress": False},
        "jobs": jobs,
    }


def _deploy(plan: CiPlan) -> dict[str, Any]:
    own = plan.deploy.image
    registry = own.partition("/")[0] if own else "ghcr.io"
    user = "${{ secrets.REGISTRY_USER }}" if own else "${{ github.actor }}"
    password = "${{ secrets.REGISTRY_PASSWORD }}" if own else "${{ github.token }}"
    login = (
        'printf %s "$REGISTRY_PASSWORD" |\n'
        f'  docker login {registry} --username "$REGISTRY_USER" --password-stdin'
    )
    repository = own or "ghcr.io/${GITHUB_REPOSITORY,,}"
    steps = [
        _run("Log in", login, env={"REGISTRY_USER": user, "REGISTRY_PASSWORD": password}),
        _run("Build and push the image", scripts.build(plan, repository), secrets=True),
    ]
    if plan.deploy.command:
        image = f'IMAGE="$(cat {scripts.RESULTS}/image)"\nexport IMAGE\n'
        steps.append(_run("Deploy", image + plan.deploy.command.rstrip("\n"), secrets=True))
    shown = f'echo "Image: $(cat {scripts.RESULTS}/image)" >> "$GITHUB_STEP_SUMMARY"'
    steps.append(_run("Summary", shown))
    permissions = {"contents": "read"} | ({} if own else {"packages": "write"})
    return {
        "name": "Build, push and deploy",
        "needs": "promote",
        "if": "needs.promote.outputs.promoted == 'true'",
        "permissions": permissions,
        "results": "image",
        "steps": steps,
    }


def _monitor(plan: CiPlan) -> dict[str, Any]:
    verdict = (
        f"python - <<'END' >> \"$GITHUB_STEP_SUMMARY\"\nimport json\n\n"
        f'print(json.load(open("{scripts.RESULTS}/monitor.json"))["verdict"])\nEND'
    )
    return {
        "name": "mlpipes: monitor",
        "on": {"schedule": [{"cron": plan.schedule}], "workflow_dispatch": {}},
        "permissions": {},
        "concurrency": {"group": "mlpipes-monitor", "cancel-in-progress": False},
        "jobs": {
            "monitor": {
                "name": "Check the model in use",
                "permissions": {"contents": "read"},
                "results": "monitor",
                "steps": [
                    _run("Monitor", scripts.monitor(plan), secrets=True),
                    _run("Summary", verdict, **{"if": "${{ !cancelled() }}"}),
                ],
            }
        },
    }
