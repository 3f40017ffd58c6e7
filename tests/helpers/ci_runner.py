"""Runs the jobs of exported workflows as GitHub's and GitLab's runners do: bash, variables, outputs.

Actions are left out, and what installs programs: what is installed is what is tested.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from conftest import Cli

_GH = """#!/bin/sh
echo "$@" >> gh.txt
case "$*" in *--edit-last*) exit 1 ;; esac
while [ "$1" != --body-file ]; do shift; done
cp "$2" comment.txt
"""


class _Machine:
    """A machine of a CI system, in a project's folder.

    Args:
        root: The project's folder, which is the repository.
        cli: The command line there.
        secrets: The values of the CI's secrets; others are empty.
        environment: Further variables of the machine.
    """

    def __init__(
        self,
        root: Path,
        cli: Cli,
        secrets: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.root, self.cli, self.secrets = root, cli, dict(secrets or {})
        self._more = dict(environment or {})
        (root / "bin").mkdir(exist_ok=True)
        for name, text in (("gh", _GH), ("apt-get", "#!/bin/sh\n")):  # what asks GitHub, and Debian
            (root / "bin" / name).write_text(text)
            (root / "bin" / name).chmod(0o755)

    def _bash(self, script: str, given: Mapping[str, str]) -> str:
        folders = (self.root / "bin", Path(sys.executable).parent, self.cli.environment["PATH"])
        environment = {**self.cli.environment, **self._more, **given, "PATH": ":".join(map(str, folders))}
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=self.root, env=environment, capture_output=True, text=True, timeout=1200,
        )  # fmt: skip
        assert done.returncode == 0, f"{script}\n{done.stdout[-2000:]}{done.stderr[-3000:]}"
        return done.stdout + done.stderr


class GitHub(_Machine):
    """Runs the steps of workflows."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.summary, self.outputs, self.said = self.root / "summary.md", dict[str, str](), ""

    def run(self, workflow: str, jobs: Sequence[str] | None = None) -> list[str]:
        """Run all jobs, or these; return the names of the steps."""
        folder = self.root / ".github" / "workflows"
        found, done = yaml.safe_load((folder / f"mlpipes-{workflow}.yml").read_text()), []
        self.summary.write_text("")
        self.said = ""
        for name, job in found["jobs"].items():
            for step in job["steps"] if jobs is None or name in jobs else ():
                if "run" in step and step["name"] != "Install":
                    self._step(step)
                    done.append(step["name"])
        return done

    def _step(self, step: dict[str, Any]) -> None:
        output = self.root / "output.txt"
        output.write_text("")
        given = {name: self._value(text) for name, text in step.get("env", {}).items()}
        files = {"GITHUB_STEP_SUMMARY": str(self.summary), "GITHUB_OUTPUT": str(output)}
        self.said += self._bash(step["run"], {**given, **files})
        self.outputs |= dict(line.split("=", 1) for line in output.read_text().splitlines())

    def _value(self, text: str) -> str:
        known = {
            "${{ github.event.pull_request.number }}": "7",
            "${{ github.token }}": "token",
            "${{ steps.kept.outputs.artifact-url }}": "https://github.test/kept",
        }
        known |= {f"${{{{ secrets.{name} }}}}": value for name, value in self.secrets.items()}
        return known.get(text, "")  # a secret that is not set is empty


class GitLab(_Machine):
    """Runs jobs; ``variables`` are those that GitLab sets."""

    def run(self, job: str, **variables: str) -> str:
        """Run one job: all its lines in one shell; return what it printed."""
        jobs = yaml.safe_load((self.root / ".gitlab" / "mlpipes.yml").read_text())
        base = jobs[jobs[job]["extends"]]
        lines = [line for line in base["before_script"] if not line.startswith("python -m pip install")]
        assert len(lines) == len(base["before_script"]) - 1
        return self._bash("\n".join([*lines, *jobs[job]["script"]]), {**self.secrets, **variables})
