"""Python API: the commands of the command line as methods of a project.

``import mlpipes_cli as mlpipes`` provides the names below. A method takes the arguments of its command and
returns what the command prints with ``--json``, as dataclasses. Failures are an :class:`MlpipesError` with a
reason and a hint. Commands that concern the whole machine or a terminal (``projects``, ``environments``,
``images``, ``demo``, ``psql``, ``shell``, ``open``) have no method.
"""

from mlpipes_cli.api.monitoring import monitor
from mlpipes_cli.api.progress import Event
from mlpipes_cli.api.project import Project, init
from mlpipes_cli.errors import ConfigError, Interrupted, MlpipesError, Refused, UsageError

__all__ = [
    "ConfigError",
    "Event",
    "Interrupted",
    "MlpipesError",
    "Project",
    "Refused",
    "UsageError",
    "init",
    "monitor",
]
