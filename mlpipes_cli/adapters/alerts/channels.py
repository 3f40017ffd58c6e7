"""Makes the channels that ``monitoring: alerts`` describes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mlpipes_cli.adapters.alerts.commands import Command
from mlpipes_cli.adapters.alerts.mail import Mail
from mlpipes_cli.adapters.alerts.webhooks import Webhook
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.local_files import env_file, variables

if TYPE_CHECKING:
    from mlpipes_cli.config.monitoring_alerts import AlertChannel
    from mlpipes_cli.ports.alerts import Channel
    from mlpipes_cli.project import ProjectFolder


class ConfiguredChannel:
    """Implements :class:`mlpipes_cli.ports.alerts.Channel`; addresses are read anew for each alert.

    Args:
        project: The project; ``$NAME`` is from the environment, else from its ``.env``.
        alert: The settings of the channel.
    """

    def __init__(self, project: ProjectFolder, alert: AlertChannel) -> None:
        self._project, self._alert = project, alert

    def send(self, message: Mapping[str, Any]) -> str | None:
        return self._made().send(message)

    def _made(self) -> Channel:
        alert = self._alert
        if alert.command is not None:
            return Command(alert.command, self._project.root)
        if alert.webhook is not None:
            return Webhook(self._filled("webhook", alert.webhook, ("http", "https")), alert.format)
        assert alert.smtp and alert.sender and alert.email
        return Mail(self._filled("smtp", alert.smtp, ("smtp", "smtps")), alert.sender, alert.email)

    def _filled(self, key: str, url: str, schemes: tuple[str, ...]) -> str:
        known = {**env_file.read(self._project.env_file), **os.environ}
        absent: list[str] = []
        found = variables.filled(url, known, absent.append)
        if absent:
            raise MlpipesError(
                f"{key}: the variable {absent[0]} is not set, neither in the environment nor in .env"
            )
        try:
            parts = urlsplit(found)
            valid = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
        except ValueError:
            valid = False
        if not valid or any(ord(character) <= 32 for character in found):
            raise MlpipesError(f"{key}: the address is not a valid {' or '.join(schemes)} URL")
        return found


def make(project: ProjectFolder) -> dict[str, Channel]:
    """Return the channels of a project, by name."""
    return {alert.name: ConfiguredChannel(project, alert) for alert in project.config.monitoring.alerts}
