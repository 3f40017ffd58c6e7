"""The Python API: the verbs of the command line as methods of a project.

``import mlpipes_cli as mlpipes`` gives the names below. A method takes what its command takes, and returns
what the command prints with ``--json``, as dataclasses. What goes wrong is an :class:`MlpipesError` with a
reason and a hint. Commands that are about the whole machine or a terminal (``projects``, ``environments``,
``images``, ``demo``, ``psql``, ``shell``, ``open``) have no method.
"""

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
]
