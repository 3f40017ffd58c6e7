"""The lines of the shell that the steps of a workflow run, the same for every CI system.

They run under ``set -e``. Results are files in ``ci-results/``, which a job keeps.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

import mlpipes_cli
from mlpipes_cli.lifecycle.pipelines import commands

if TYPE_CHECKING:
    from mlpipes_cli.config.pipeline.steps import Step
    from mlpipes_cli.lifecycle.export.ci.plan import CiPlan

RESULTS = "ci-results"
REFUSED = 3
_BEST = """run="$(python -c 'import json; print(json.load(open("{file}"))["runs"][0]["run_id"])')\""""
_PROMOTED = """\
python - <<'END'
import json
import pathlib

found = json.loads(pathlib.Path("{results}/promotion.json").read_text())
results = [step["result"] for step in found["steps"]] if "steps" in found else [found]
made = [one for one in results if isinstance(one, dict) and one.get("outcome") == "promoted"]
promoted = any(one.get("alias") == "{alias}" for one in made)
pathlib.Path("{results}/promoted").write_text("true" if promoted else "false")
END"""


def install(requirements: bool) -> str:
    """Return the installation of this release, and of what the project needs besides."""
    more = " -r requirements.txt" if requirements else ""
    return f'python -m pip install --quiet "mlpipes=={mlpipes_cli.__version__}"{more}'


def start() -> str:
    """Return what connects to the services, or starts them on the machine of the job."""
    return f"mkdir -p {RESULTS}\nmlpipes up"


def step(one: Step) -> str:
    """Return the command of a step of the pipeline: its result is a file, and retries and ``allow`` hold."""
    if one.run is not None:
        command = one.run if "\n" not in one.run else f"{{\n{one.run}\n}}"
        line = f"( {command} )" if one.retries or one.allow else command
    else:
        line = f"{commands.shell_line(one)} > {RESULTS}/{one.name}.json"
    script = allowed(tried(line, one), one.allow)
    if not one.env:
        return script
    variables = "\n".join(f"export {name}={_quoted(value)}" for name, value in one.env.items())
    return f"(\n{variables}\n{script}\n)"


def _quoted(value: str) -> str:
    """Return a value for the shell, in which ``$NAME`` is still a variable."""
    return '"' + re.sub(r'(["`\\]|\$(?![A-Za-z_]))', r"\\\1", value) + '"'


def tried(line: str, one: Step) -> str:
    """Return a command that is tried again as the step says."""
    if not one.retries:
        return line
    tries = " ".join(str(number) for number in range(1, one.retries + 2))
    return (
        f"code=1\nfor try in {tries}; do\n"
        f'  if [ "$try" -gt 1 ]; then sleep {one.retry_delay:g}; fi\n'
        f"  code=0\n  {line} || code=$?\n"
        '  case "$code" in 0 | 2 | 3) break ;; esac\ndone\n(exit "$code")'
    )


def allowed(script: str, codes: Sequence[int]) -> str:
    """Return a script that also ends well with these exit codes."""
    if not codes:
        return script
    known = " | ".join(map(str, (0, *codes)))
    *before, last = script.split("\n")
    lines = [*before, "code=0", f"{last} || code=$?", f'case "$code" in {known}) ;; *) exit "$code" ;; esac']
    return "\n".join(lines)


def compare(plan: CiPlan) -> str:
    """Return the promotion test and the report; nothing is promoted, and a refusal is no failure."""
    promote = commands.shell_line(plan.promote)
    given = plan.promote.promote
    best = "" if given and given.run else f"{_BEST.format(file=f'{RESULTS}/{plan.train.name}.json')}\n"
    run = ' --run "$run"' if best else ""
    test = allowed(f"{promote}{run} --dry-run > {RESULTS}/verdict.json", (REFUSED,))
    return f"{best}{test}\n{report(plan, '$run' if best else given.run if given and given.run else '')}"


def report(plan: CiPlan, run: str) -> str:
    """Return the commands that write the report: Markdown for people, one page with the plots."""
    given = plan.promote.promote
    words = ["mlpipes", "report"]
    options = []
    if given is not None and given.to:
        options += ["--to", given.to]
    if given is not None and given.metric:
        options += ["--metric", given.metric]
    if given is not None and given.experiment:
        options += ["--experiment", given.experiment]
    named = f'"{run}"' if run.startswith("$") else shlex.quote(run) if run else ""
    line = " ".join(part for part in (shlex.join(words), named, shlex.join(options)) if part)
    return f"{line} > {RESULTS}/report.md\n{line} --output {RESULTS}/report.html --force"


def promote(plan: CiPlan) -> str:
    """Return what promotes: the pipeline, or the training and the promotion; then whether it did.

    A gate that says no is no failure: the version in use stays.
    """
    if plan.pipeline is not None:
        line = f"mlpipes --json run {shlex.quote(plan.pipeline)} > {RESULTS}/promotion.json"
        done = allowed(line, (REFUSED,))
    else:
        trained = "\n".join(step(one) for one in plan.before)
        best = _BEST.format(file=f"{RESULTS}/{plan.train.name}.json")
        line = f'{commands.shell_line(plan.promote)} --run "$run" > {RESULTS}/promotion.json'
        done = "\n".join([trained, best, allowed(line, (REFUSED,))])
    return f"{done}\n{_PROMOTED.format(results=RESULTS, alias=plan.alias)}"


def build(plan: CiPlan, repository: str) -> str:
    """Return what builds and pushes the image; its name with the digest is the file ``image``.

    Args:
        plan: The plan.
        repository: The repository without a tag, as the shell has it.
    """
    return (
        f'mlpipes --json build --alias {shlex.quote(plan.alias)} --push "{repository}"'
        f" --sbom {RESULTS}/sbom.json > {RESULTS}/image.json\n"
        f"python - <<'END'\nimport json\nimport pathlib\n\n"
        f'(one,) = json.loads(pathlib.Path("{RESULTS}/image.json").read_text())["pushed"]\n'
        f'name = one["name"].rpartition(":")[0] + "@" + one["digest"]\n'
        f'pathlib.Path("{RESULTS}/image").write_text(name)\nEND'
    )


def monitor(plan: CiPlan) -> str:
    """Return the scheduled check; an alarm ends it with exit code 3."""
    return f"{commands.shell_line(plan.monitor)} --output {RESULTS}/monitor.html > {RESULTS}/monitor.json"


def variable(name: str) -> bool:
    """Return whether a name can be one of a CI variable; those that begin with ``GITHUB_`` are reserved."""
    return bool(re.fullmatch(r"(?!GITHUB_|CI_)[A-Z_][A-Z0-9_]*", name))
