"""Methods for the stack and for its data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mlpipes_cli.api.base import Base, File
from mlpipes_cli.tabular import TableRows

if TYPE_CHECKING:
    from mlpipes_cli.lifecycle.transfer.backup import BackupResult
    from mlpipes_cli.lifecycle.transfer.migrate import Migrated
    from mlpipes_cli.lifecycle.transfer.upgrade import Upgraded
    from mlpipes_cli.ports import Halted, ServiceStatus, StackStatus

Runtime = Literal["docker", "embedded", "remote", "auto"]


class StackMethods(Base):
    """Methods that start, stop and inspect the stack, back up its data and move it."""

    def up(
        self,
        *,
        runtime: Runtime | None = None,
        services: Sequence[str] = (),
        auth: bool | None = None,
    ) -> StackStatus:
        """Start or repair the stack and wait until every service answers.

        Args:
            runtime: None uses the setting of ``mlpipes.yaml``.
            services: Optional services, as ``--with`` names them, such as ``api``; ``none`` drops them.
            auth: Whether MLflow requires a name and a password; None leaves it as it is.

        Raises:
            UsageError: There is no such runtime or service.
            MlpipesError: A service does not start.
        """
        from mlpipes_cli.lifecycle import stack

        return stack.up(self._settings, self._events, runtime=runtime, extra=services, auth=auth)

    def down(self, *, volumes: bool = False, backups: bool = False, yes: bool = False) -> Sequence[str]:
        """Stop the stack; the data stays.

        Args:
            volumes: Remove the data too; requires ``yes``.
            backups: With ``volumes``: remove the backups in ``.mlpipes`` too.
            yes: Confirm the removal.

        Returns:
            The services that were stopped.

        Raises:
            UsageError: Data would be removed, and ``yes`` is missing.
            MlpipesError: Something cannot be stopped or removed.
        """
        from mlpipes_cli.lifecycle import stack

        return stack.down(self._settings, self._events, volumes=volumes, backups=backups, yes=yes)

    def restart(self, service: str | None = None) -> StackStatus | ServiceStatus:
        """Stop and start one service, or the whole stack, and wait until it answers.

        Raises:
            UsageError: There is no such service.
            MlpipesError: The service does not start.
        """
        from mlpipes_cli.lifecycle import stack

        if service is None:
            return stack.restart_all(self._settings, self._events)
        return stack.restart(self._settings, service, self._events)

    def stop(self, service: str) -> Halted:
        """Stop one service until ``start`` or ``up``; keep its data and log.

        Raises:
            UsageError: There is no such service, or the stack is remote.
            MlpipesError: The service cannot be stopped.
        """
        from mlpipes_cli.lifecycle import single_service

        return single_service.stop(self._settings, service, self._events)

    def start(self, service: str) -> ServiceStatus:
        """Start one service and its dependencies, and wait until it answers.

        Raises:
            UsageError: There is no such service, or the stack is remote.
            MlpipesError: There is no stack yet, or the service does not start.
        """
        from mlpipes_cli.lifecycle import single_service

        return single_service.start(self._settings, service, self._events)

    def status(self) -> StackStatus:
        """Return the state of each service, with address and uptime; ``.frame()`` has a row for each."""
        from mlpipes_cli.lifecycle import stack

        return stack.status(self._settings)

    def doctor(self) -> TableRows:
        """Return the doctor checks, with a fix for each problem: rows with name, level, found and fix."""
        from mlpipes_cli.lifecycle import stack
        from mlpipes_cli.ports import Check

        return TableRows(stack.doctor(self._settings), Check)

    def env(self) -> Mapping[str, str]:
        """Return the environment variables for clients, such as MLFLOW_TRACKING_URI; one may hold a password.

        Raises:
            MlpipesError: The stack is not running.
        """
        from mlpipes_cli.lifecycle import stack

        return stack.environment(self._settings)

    def logs(
        self, *services: str, follow: bool = False, tail: int | None = None, since: str | None = None
    ) -> Iterator[str]:
        """Yield the lines of the services' logs; of all services if none is named.

        Args:
            services: Their names.
            follow: Continue with new lines, across restarts.
            tail: Only the last lines of each service, at most this many.
            since: Only lines from this time on: ``10m``, ``2h``, ``2026-11-21T10:00``.

        Raises:
            UsageError: There is no such service, or ``since`` is not a time.
            MlpipesError: No service has a log.
        """
        from mlpipes_cli.lifecycle.logs import lines

        return lines(self._settings, services, follow=follow, tail=tail, since=since)

    def backup(self, file: File, *, force: bool = False) -> BackupResult:
        """Copy databases and artifacts into one file, ``.tar`` or ``.tar.gz``, while the stack runs.

        Raises:
            UsageError: The file exists and ``force`` is missing, or its name has another ending.
            MlpipesError: Something cannot be read or written.
        """
        from mlpipes_cli.lifecycle.transfer.backup import backup

        return backup(self._settings, Path(file).absolute(), self._events, force=force)

    def restore(self, file: File, *, yes: bool = False) -> BackupResult:
        """Replace all data with that of a backup; the whole backup is checked first.

        Raises:
            UsageError: There is no such file, or data would be replaced and ``yes`` is missing.
            MlpipesError: The file is damaged, or the restore failed; in both cases the old data is kept.
        """
        from mlpipes_cli.lifecycle.transfer.restore import restore

        return restore(self._settings, self._file(file), self._events, yes=yes)

    def migrate(self, to: Literal["docker", "embedded", "remote"], *, yes: bool = False) -> Migrated:
        """Move the project to another runtime; the present one keeps its data.

        Raises:
            UsageError: The target holds data, and ``yes`` is missing.
            MlpipesError: The migration failed; the project stays on the present runtime.
        """
        from mlpipes_cli.lifecycle.transfer.migrate import migrate

        return migrate(self._settings, to, self._events, yes=yes)

    def upgrade(self, *, dry_run: bool = False) -> Upgraded:
        """Upgrade the stack to the versions of this release: back up first, and roll back on failure.

        Raises:
            MlpipesError: The upgrade failed; the previous versions run again.
        """
        from mlpipes_cli.lifecycle.transfer.upgrade import upgrade

        return upgrade(self._settings, self._events, dry_run=dry_run)
