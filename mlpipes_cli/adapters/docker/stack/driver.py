"""Reconcile the stack's containers: keep what works, repair what does not, change only what differs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlpipes_cli.adapters.docker.containers.spec import ContainerSpec, in_words
from mlpipes_cli.adapters.docker.errors import startup
from mlpipes_cli.adapters.docker.errors.translate import port_in_use, refused, translate_errors
from mlpipes_cli.adapters.docker.stack import one_off
from mlpipes_cli.adapters.docker.stack.container_service import ServiceState
from mlpipes_cli.adapters.docker.stack.desired_state import DesiredState
from mlpipes_cli.adapters.docker.stack.port_allocator import PortAllocator
from mlpipes_cli.adapters.docker.stack.prerequisites import prepare, refuse_other_store
from mlpipes_cli.adapters.docker.stack.provisioning import Provisioner
from mlpipes_cli.adapters.docker.stack.resources import Container
from mlpipes_cli.adapters.docker.stack.settings import port_settings
from mlpipes_cli.adapters.docker.stack.stack import DockerStack
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.services.catalog import DATABASE, STORES, timeout

if TYPE_CHECKING:
    from mlpipes_cli.compose.model import Compose
    from mlpipes_cli.ports import Reporter

_ATTEMPTS = 8
_GRACE = 5.0  # for a service that has run for long and does not answer at once
_PAUSE = 0.05


@dataclass
class ContainerReconciler:
    """Reconciles the containers of a stack in one call.

    Attributes:
        draft: The desired state.
        publishing: Chooses ports.
        reporter: Receives messages.
        note: Called with a text on the current step.
        pieces: The services, each after its dependencies.
        changes: The changes made, a line each.
        said: The last text on what is waited for.
    """

    draft: DesiredState
    publishing: PortAllocator
    reporter: Reporter
    note: Callable[[str], None] = lambda text: None
    pieces: list[ServiceState] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    said: str = ""

    @property
    def place(self) -> DockerStack:
        """The stack."""
        return self.draft.place

    @property
    def _provision(self) -> Provisioner:
        return Provisioner(self.place, self.reporter.info, self.reporter.detail)

    def everything(self, versions: Mapping[str, str] | None = None) -> None:
        """Start all services, and remove containers that are not configured.

        Raises:
            MlpipesError: A service does not start; the others stay as they are.
        """
        found = self.place.holdings.containers()
        refuse_other_store(self.place)
        wanted = [one for one in port_settings(self.place.project.config) if one.service in self.draft.names]
        self.publishing.choose(wanted, found)
        self._prepare(found, versions)
        try:
            self._end_unwanted(found)
            for piece in self.pieces:
                self._settle(piece, found.get(piece.name))
            self._run()
        except BaseException:
            self._undo()
            raise

    def again(self, name: str) -> None:
        """Restart one service, whatever its state; the others are not changed.

        Raises:
            MlpipesError: The service does not start.
        """
        self._alone(name, force=True)

    def one(self, name: str) -> None:
        """Reconcile one service; the others are not changed.

        Raises:
            MlpipesError: The service does not start.
        """
        self._alone(name, force=False)

    def resume(self, name: str) -> None:
        """Reconcile one service, after those of its dependencies that do not run.

        Raises:
            MlpipesError: A service does not start.
        """
        self._alone(name, force=False, before=self._idle_needs(name))

    def _idle_needs(self, name: str) -> frozenset[str]:
        """Return the service and its direct and indirect dependencies, as far as they do not run."""
        compose, found = self.draft.compose({}), self.place.holdings.containers()
        seen, left = set[str](), {name}
        while left:
            seen |= left
            left = {needed for one in left for needed in self.draft.needs(compose, one)} - seen
        return frozenset(one for one in seen if one not in found or found[one].state != "running")

    def _alone(self, name: str, *, force: bool, before: frozenset[str] = frozenset()) -> None:
        found = self.place.holdings.containers()
        those = {name, *before}
        wanted = [one for one in port_settings(self.place.project.config) if one.service in those]
        self.publishing.choose(wanted, found)
        for other in found.values():
            self._keep_ports(other)
        self._prepare(found, None)
        self.pieces = [one for one in self.pieces if one.name in those]
        for piece in self.pieces:
            piece.needs &= those
        try:
            if force and name in found:
                self.note(f"stopping {name}")
                self.place.holdings.stop(found[name])
            there = self.place.holdings.containers()
            for piece in self.pieces:
                self._settle(piece, there.get(piece.name))
                piece.done = "restarted" if force else piece.done
            self._run()
        except BaseException:
            self._undo()
            raise

    def _keep_ports(self, container: Container) -> None:
        for one in port_settings(self.place.project.config):
            if one.service == container.service and one.inside in container.ports:
                self.publishing.chosen.setdefault(one.name, container.ports[one.inside])

    def _prepare(self, found: Mapping[str, Container], versions: Mapping[str, str] | None) -> None:
        self.pieces = prepare(self.draft, self._compose(), found, versions, self.reporter)

    def _compose(self) -> Compose:
        return self.draft.compose(self.publishing.chosen)

    def _end_unwanted(self, found: Mapping[str, Container]) -> None:
        for name in sorted(found.keys() - set(self.draft.names)):
            self.place.holdings.stop(found[name])
            self.place.holdings.remove(found[name].id)
            if not found[name].oneoff:
                self.changes.append(f"{name}: removed, since it is no longer configured")

    def _settle(self, piece: ServiceState, found: Container | None) -> None:
        """Keep a container that is in the desired state; remove one that differs or is dead."""
        if found is None:
            return
        differs = piece.plan.differences(found.labels)
        if differs or found.state in ("dead", "removing"):
            self.note(f"stopping {piece.name}")
            self.place.holdings.stop(found)
            self.place.holdings.remove(found.id)
            piece.done = f"recreated ({in_words(differs) if differs else 'the container was dead'})"
            return
        piece.container, piece.stage = found.id, "created"
        state = (self.place.holdings.inspect(found.id) or {}).get("State", {})
        if found.state == "running":
            piece.adopt(state, timeout(piece.name), _GRACE)
        elif found.state == "paused":
            with translate_errors(f"waking {piece.name}"):
                self.place.holdings.api.unpause(found.id)
            piece.done = "resumed, since it was paused"
            piece.adopt(state, timeout(piece.name), _GRACE)
        else:
            piece.done = f"started again ({startup.ended(state)})"
            if found.state == "restarting":
                self.place.holdings.stop(found)

    def _create(self, piece: ServiceState) -> None:
        from docker.errors import APIError

        holdings = self.place.holdings
        name = holdings.container(piece.name)
        deadline = time.monotonic() + _GRACE
        while not piece.container:
            with translate_errors(f"creating the container {name}"):
                try:
                    piece.container = piece.plan.create(holdings.api, name)
                except APIError as error:
                    strange = holdings.foreign_container(name)
                    if strange or error.status_code != 409 or time.monotonic() > deadline:
                        raise strange or refused(f"creating the container {name}", error) from None
                    holdings.remove(name)  # left by a call that was interrupted meanwhile
                    time.sleep(_PAUSE)
        piece.stage = "created"
        piece.fresh = True

    def _start(self, piece: ServiceState) -> None:
        """Start a container; if its port was taken meanwhile, recreate it with another port."""
        from docker.errors import APIError

        for _ in range(_ATTEMPTS):
            if piece.stage == "absent":
                self._create(piece)
            if piece.before:  # also for an existing container: an earlier call may have been killed
                self._step(piece.before)
            fresh, piece.fresh = piece.fresh, False  # after an interruption it may run
            with translate_errors(f"starting {piece.name}"):
                try:
                    if not fresh:
                        piece.plan.fill(self.place.holdings.api, piece.container)
                    piece.plan.join(self.place.holdings.api, piece.container)
                    self.place.holdings.api.start(piece.container)
                    piece.started(timeout(piece.name))
                    return
                except APIError as error:
                    piece.fresh = fresh
                    port = port_in_use(error)
                    if port is None:
                        raise
            self._move(piece, port)
        raise MlpipesError(f"{piece.name}: no free port found", "set a fixed port in mlpipes.yaml")

    def _step(self, plan: ContainerSpec) -> None:
        self.note(f"running the step {plan.service.name}")
        if said := one_off.run(self.place, plan):
            self.reporter.info(said)

    def _move(self, piece: ServiceState, port: int) -> None:
        wanted = [one for one in port_settings(self.place.project.config) if one.service == piece.name]
        try:
            if not wanted:  # a user's own service, whose ports are in its file
                raise self.publishing.taken(piece.name, port or min(piece.ports.values(), default=0))
            self.publishing.replace(wanted, port)
        finally:
            self._drop(piece)
        self._redraw()

    def _drop(self, piece: ServiceState) -> None:
        self.place.holdings.remove(piece.container)
        piece.container, piece.stage = "", "absent"

    def _redraw(self) -> None:
        """Update the container specs; remove containers that differ and are not ready, to recreate them."""
        compose = self._compose()
        for piece in self.pieces:
            before = piece.plan.labels()
            piece.plan = self.draft.plan(compose, compose.services[piece.name])
            differs = piece.plan.differences(before)
            if differs and piece.stage in ("created", "started"):
                if piece.stage == "started":
                    piece.done = f"recreated ({in_words(differs)})"
                self._drop(piece)

    # -- the wait until all services are ready

    def _run(self) -> None:
        waiting = list(self.pieces)
        while waiting:
            ready = {piece.name for piece in self.pieces if piece.stage == "ready"}
            for piece in waiting:
                if piece.stage in ("absent", "created") and piece.needs <= ready:
                    self._start(piece)
            for piece in waiting:
                if piece.stage == "absent":
                    self._create(piece)
            before = len(waiting)
            self._say(waiting)
            for piece in self.pieces:
                if piece.stage == "ready" and not piece.settled:
                    self._settle_user(piece)
            for piece in waiting:
                if piece.stage == "started" and piece.needs <= ready:
                    self._look(piece)
            waiting = [piece for piece in self.pieces if piece.stage != "ready" or not piece.settled]
            if len(waiting) == before:
                time.sleep(_PAUSE)

    def _settle_user(self, piece: ServiceState) -> None:
        """Create MLflow's own user in the store while MLflow starts, which needs it only later."""
        own = self.place.keys.own
        self._provision.store_user(piece.container, piece.name, piece.plan.image, piece.ports)
        piece.settled = True
        if self.place.keys.own != own:
            self._redraw()  # MLflow gets other keys than planned

    def _say(self, waiting: list[ServiceState]) -> None:
        """Report what is waited for, if that has changed."""
        text = f"waiting for {', '.join(piece.name for piece in waiting if piece.stage == 'started')}"
        if text != self.said:
            self.note(text)
            self.said = text

    def _look(self, piece: ServiceState) -> None:
        if self._answers(piece):
            piece.stage = "ready"
            if piece.done or piece.touched:
                ports = "".join(f" on port {port.host_port}" for port in piece.plan.service.ports[:1])
                self.changes.append(f"{piece.name}: {piece.done or 'started'}{ports}")
            return
        state = startup.read_startup_state(self.place.holdings, piece)
        if state.ended and piece.touched:
            raise startup.report(self.place, piece, state)
        if state.ended:
            self._start_after_all(piece, state)
            return
        if time.monotonic() > piece.deadline:
            if piece.touched:
                raise startup.report(self.place, piece, state)
            with translate_errors(f"restarting {piece.name}"):
                grace = max(1, round(piece.plan.service.stop_grace_period))
                self.place.holdings.api.restart(piece.container, timeout=grace)
            piece.done = "restarted, since it did not answer"
            piece.started(timeout(piece.name))

    def _start_after_all(self, piece: ServiceState, state: startup.StartupState) -> None:
        """Start a container that has exited since this call began, perhaps without a dependency."""
        found = self.place.holdings.containers().get(piece.name)
        if found is None:
            piece.container, piece.stage = "", "absent"
            return
        self.place.holdings.stop(found)  # else the engine might start it too
        piece.done = f"started again ({state.words})"
        self._start(piece)

    def _answers(self, piece: ServiceState) -> bool:
        if piece.name == DATABASE:
            piece.said = self._provision.database(piece.container, piece.ports, touched=piece.touched)
        elif piece.name in STORES:
            piece.said = self._provision.store(piece.ports)
        if piece.name in (DATABASE, *STORES):
            return not piece.said
        answer = self.place.answers(piece.name, piece.ports)
        if answer is None:
            return startup.read_startup_state(self.place.holdings, piece).healthy
        return answer

    def _undo(self) -> None:
        """Remove containers that were created and never started."""
        for piece in self.pieces:
            if piece.fresh and piece.stage == "created":
                with contextlib.suppress(MlpipesError):
                    self._drop(piece)
