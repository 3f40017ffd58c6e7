"""``mlpipes export gitlab``: jobs for GitLab CI/CD."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli.lifecycle.export.ci import files, scripts
from mlpipes_cli.lifecycle.export.ci.files import CiExport
from mlpipes_cli.lifecycle.export.ci.plan import CiPlan, make_plan

if TYPE_CHECKING:
    from mlpipes_cli.ports import Reporter
    from mlpipes_cli.project import ProjectFolder

_JOBS, _ROOT = ".gitlab/mlpipes.yml", ".gitlab-ci.yml"
_TOKEN = "MLPIPES_GITLAB_TOKEN"  # noqa: S105  the name of a variable
_COMMENT = f"""\
if [ -n "${{{_TOKEN}:-}}" ]; then
  python - <<'END'
import json
import os
import pathlib
import urllib.request

address = "{{CI_API_V4_URL}}/projects/{{CI_PROJECT_ID}}/merge_requests/{{CI_MERGE_REQUEST_IID}}/notes"
text = pathlib.Path("{scripts.RESULTS}/report.md").read_text()
request = urllib.request.Request(
    address.format_map(os.environ),
    json.dumps({{"body": text[:900_000]}}).encode(),
    {{"PRIVATE-TOKEN": os.environ["{_TOKEN}"], "Content-Type": "application/json"}},
)
urllib.request.urlopen(request, timeout=60).close()
END
fi"""


def export(
    project: ProjectFolder,
    file: Path,
    shown_as: str,
    reporter: Reporter,
    *,
    output: Path | None = None,
    force: bool = False,
) -> CiExport:
    """Write the jobs of a project, and a ``.gitlab-ci.yml`` that includes them if there is none.

    Args:
        project: The project.
        file: The pipeline's file; without one, the jobs load, prepare and train what the project has.
        shown_as: How messages call it.
        reporter: Gets a warning about what has to be set in GitLab.
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
    where = files.below(project, root)
    requirements = (project.root / "requirements.txt").is_file()
    zone = f" ({plan.timezone})" if plan.timezone else ""
    comments = (
        f"# CI/CD variables, masked and protected: {', '.join(plan.secrets)}.\n"
        f"# {_TOKEN}, a token with the scope `api`, lets a job comment on merge requests.\n"
        f"# `mlpipes:monitor` runs in scheduled pipelines: make a schedule with {plan.schedule!r}{zone}.\n"
    )
    texts = {_JOBS: files.rendered("gitlab", _jobs(plan, where, requirements), comments)}
    kept: tuple[str, ...] = ()
    includes = files.rendered("gitlab", {"include": [{"local": _JOBS}]})
    if (root / _ROOT).is_file() and files.mark("gitlab") not in (root / _ROOT).read_text("utf-8", "replace"):
        kept = (str(root / _ROOT),)
        reporter.warn(f"{_ROOT} is yours and stays; add to it: `include: [{{local: {_JOBS}}}]`")
    else:
        texts[_ROOT] = includes
    files.write("gitlab", root, texts, force=force)
    return CiExport(tuple(str(root / name) for name in texts), kept, plan.secrets, plan.left_out)


def _jobs(plan: CiPlan, where: str, requirements: bool) -> dict[str, Any]:
    enter = [] if where == "." else [f"cd {where}"]
    path = scripts.RESULTS if where == "." else f"{where}/{scripts.RESULTS}"
    base = {
        "image": "python:3.12",
        "interruptible": False,
        "before_script": [*enter, scripts.install(requirements), scripts.start()],
        "artifacts": {"when": "always", "expire_in": "30 days", "paths": [path]},
    }
    main = {"if": "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH && $CI_PIPELINE_SOURCE != 'schedule'"}
    jobs: dict[str, Any] = {
        ".mlpipes": base,
        "mlpipes:compare": {
            "extends": ".mlpipes",
            "stage": "test",
            "rules": [{"if": "$CI_PIPELINE_SOURCE == 'merge_request_event'"}],
            "script": [*(scripts.step(one) for one in plan.before), scripts.compare(plan), _COMMENT],
        },
        "mlpipes:promote": {
            "extends": ".mlpipes",
            "stage": "deploy",
            "resource_group": "mlpipes-promote",
            "rules": [main],
            "script": [scripts.promote(plan), scripts.report(plan, "")],
        },
        "mlpipes:monitor": {
            "extends": ".mlpipes",
            "stage": "test",
            "rules": [{"if": "$CI_PIPELINE_SOURCE == 'schedule'"}],
            "script": [scripts.monitor(plan)],
        },
    }
    if plan.deploy.by == "image":
        jobs["mlpipes:deploy"] = _deploy(plan, main, path)
    return jobs


def _deploy(plan: CiPlan, main: dict[str, Any], path: str) -> dict[str, Any]:
    own = plan.deploy.image
    registry, user, password = (
        (own.partition("/")[0], "$REGISTRY_USER", "$REGISTRY_PASSWORD")
        if own
        else ("$CI_REGISTRY", "$CI_REGISTRY_USER", "$CI_REGISTRY_PASSWORD")
    )
    lines = [
        f'if [ "$(cat {scripts.RESULTS}/promoted)" != true ]; then echo "no new version"; exit 0; fi',
        "apt-get update -qq && apt-get install -y -qq docker-cli",
        f'printf %s "{password}" | docker login "{registry}" --username "{user}" --password-stdin',
        scripts.build(plan, own or "$CI_REGISTRY_IMAGE"),
    ]
    if plan.deploy.command:
        image = f'IMAGE="$(cat {scripts.RESULTS}/image)"\nexport IMAGE\n'
        lines.append(image + plan.deploy.command.rstrip("\n"))
    return {
        "extends": ".mlpipes",
        "stage": "deploy",
        "needs": [{"job": "mlpipes:promote", "artifacts": True}],
        "services": ["docker:28-dind"],
        "variables": {"DOCKER_HOST": "tcp://docker:2376", "DOCKER_CERT_PATH": "/certs/client",
                      "DOCKER_TLS_VERIFY": "1", "DOCKER_TLS_CERTDIR": "/certs"},
        "rules": [main],
        "script": lines,
    }  # fmt: skip
