"""Run the Compose file's steps: containers that run once, before the service that depends on them."""

from __future__ import annotations

from mlpipes_cli.adapters.docker.containers.spec import ContainerSpec
from mlpipes_cli.adapters.docker.errors.translate import translate_errors
from mlpipes_cli.adapters.docker.stack.stack import DockerStack
from mlpipes_cli.errors import MlpipesError

OWNER = "owner"  # changes the owner of a volume to its service's account
_SECONDS = 3600  # a volume may have many files


def run(stack: DockerStack, plan: ContainerSpec) -> str:
    """Run a step to its end.

    Args:
        place: The stack.
        plan: The step's container.

    Returns:
        The step's output, in one line.

    Raises:
        MlpipesError: The step fails, or its container cannot be created.
    """
    resources, name = stack.resources, plan.service.name
    full = resources.container(name)
    if strange := resources.foreign_container(full):
        raise strange
    with translate_errors(f"running the step {name}"):
        resources.remove(full)  # left by a call that was killed
        made = plan.create(resources.api, full)
        try:
            resources.api.start(made)
            code = int(resources.api.wait(made, timeout=_SECONDS)["StatusCode"])
            output = " ".join(resources.api.logs(made).decode(errors="replace").split())
        finally:
            resources.remove(made)
    if code:
        raise MlpipesError(
            f"the step {name} failed with exit code {code}", output or "its container printed nothing"
        )
    return output
