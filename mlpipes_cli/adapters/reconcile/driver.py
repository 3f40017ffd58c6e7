"""The seam between the reconciler and what runs the services."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from mlpipes_cli.adapters.reconcile.service import Service
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports import Reporter

S = TypeVar("S", bound=Service)
ServiceT = TypeVar("ServiceT", bound=Service, contravariant=True)


class TryAgain(Exception):
    """A start failed, and another attempt makes sense, for example because the port was taken.

    Attributes:
        error: The error to raise if no attempt is left.
    """

    def __init__(self, error: MlpipesError) -> None:
        super().__init__(error.reason)
        self.error = error


@dataclass
class Progress:
    """Receives what happens in one call; the reconciler and its driver share it.

    Attributes:
        reporter: Receives messages.
        note: Called with a text on the current step.
        changes: The changes made, a line each.
    """

    reporter: Reporter
    note: Callable[[str], None] = lambda text: None
    changes: list[str] = field(default_factory=list)


class Driver(Protocol[ServiceT]):
    """Observes, starts and stops services of one kind: containers, or local processes.

    Methods may raise :class:`~mlpipes_cli.errors.MlpipesError`, which ends the call.
    """

    def observe(self, service: ServiceT) -> None:
        """Compare the actual with the desired state: adopt what is as desired, remove what differs."""

    def create(self, service: ServiceT) -> None:
        """Prepare an absent service while its dependencies are not ready yet."""

    def start(self, service: ServiceT) -> None:
        """Start a service, without waiting for it to answer.

        Raises:
            TryAgain: Its port was taken, and another one was chosen.
        """

    def answers(self, service: ServiceT) -> bool:
        """Return whether a started service works; provision it if that makes it work.

        Raises:
            TryAgain: It has to be started again.
        """

    def has_exited(self, service: ServiceT) -> bool:
        """Return whether a started service no longer runs."""

    def exited(self, service: ServiceT) -> None:
        """Handle a service that exited; leave it in a stage from which it is started again, or raise.

        Raises:
            TryAgain: Another attempt makes sense.
            MlpipesError: The service failed; the error has its last log lines.
        """

    def silent(self, service: ServiceT) -> None:
        """Handle a service that did not answer in time: restart it, or raise."""

    def finish(self, service: ServiceT) -> None:
        """Do the work that is left after a service is ready, while others start."""

    def replan(self, services: Sequence[ServiceT]) -> None:
        """Update the services that are not ready after a failed attempt: a port may have changed."""

    def undo(self, service: ServiceT) -> None:
        """Remove what this call left of a service that is not ready."""


def startup_error(name: str, what: str, log: str, hint: str = "") -> MlpipesError:
    """Return the error for a service that does not start, with the last lines of its log as evidence.

    Args:
        name: The service's name.
        what: What happened, after the name.
        log: The last lines of its log, as one line.
        hint: The way out; by default the commands that show more.
    """
    evidence = f"; its last log lines: {log}" if log else ""
    return MlpipesError(f"{name} {what}{evidence}", hint or f"see `mlpipes logs {name}` and `mlpipes doctor`")
