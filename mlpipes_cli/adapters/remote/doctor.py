"""The doctor checks of a remote stack."""

from __future__ import annotations

from collections.abc import Sequence

from mlpipes_cli.adapters.doctor_checks import common, service
from mlpipes_cli.adapters.processes.local_services import LocalServices
from mlpipes_cli.adapters.remote import addresses, checks
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports import Check
from mlpipes_cli.project import ProjectFolder


def examine(project: ProjectFolder, local: LocalServices) -> Sequence[Check]:
    """Check this machine, the settings, the remote services, and the processes that run here."""
    found = common(project, ())
    found.append(_passwords(project))
    try:
        found += checks.examine(addresses.resolve(project))
    except MlpipesError as error:
        fix = "correct mlpipes.yaml, .env or the environment"
        found += [Check("addresses", "fault", line, fix) for line in error.lines()]
    found += [service(row) for row in local.statuses()]
    return found


def _passwords(project: ProjectFolder) -> Check:
    keys = addresses.secrets_in_file(project)
    if keys:
        fix = "write $NAME instead, and set NAME=... in .env"
        return Check("passwords", "warning", f"mlpipes.yaml contains a password: {', '.join(keys)}", fix)
    return Check("passwords", "ok", "none in mlpipes.yaml")
