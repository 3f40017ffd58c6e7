"""Which steps a run makes: all, those of ``--from`` and ``--only``, or those that a run before left open."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlpipes_cli.config.pipeline.config import PipelineConfig
from mlpipes_cli.config.pipeline.order import dependants, in_order
from mlpipes_cli.config.pipeline.steps import Step
from mlpipes_cli.errors import UsageError
from mlpipes_cli.ports.automation.pipeline_runs import PipelineRun, StepRun
from mlpipes_cli.suggest import did_you_mean

NOT_ASKED_FOR = "not asked for"


@dataclass(frozen=True)
class Selection:
    """The steps of a run.

    Attributes:
        start_from: The step of ``--from``: it and all that wait for it.
        only: The steps of ``--only``.
    """

    start_from: str | None = None
    only: tuple[str, ...] = ()

    def check(self, config: PipelineConfig) -> None:
        """Make sure that the steps exist.

        Raises:
            UsageError: One does not, or both options are given.
        """
        if self.start_from is not None and self.only:
            raise UsageError("--from and --only cannot be combined", "use one of them")
        known = [step.name for step in config.steps]
        for flag, name in (("--from", self.start_from), *(("--only", one) for one in self.only)):
            if name is not None and name not in known:
                hint = did_you_mean(name, known).removeprefix("; ") or f"there are {', '.join(known)}"
                raise UsageError(f"{flag}: pipeline {config.pipeline!r} has no step {name!r}", hint)

    @property
    def named(self) -> frozenset[str]:
        """The steps that were asked for by name; ``when`` is not asked about steps that are left out."""
        return frozenset(self.only if self.start_from is None else (self.start_from,))

    def names(self, config: PipelineConfig) -> frozenset[str]:
        """Return the names of the steps that run."""
        if self.start_from is not None:
            return frozenset(dependants(config.steps, [self.start_from]))
        return frozenset(self.only or (step.name for step in config.steps))


def fingerprint(step: Step) -> str:
    """Return SHA-256 of a step as the file has it."""
    return hashlib.sha256(step.model_dump_json(by_alias=True).encode()).hexdigest()


def new_steps(config: PipelineConfig, selection: Selection) -> tuple[StepRun, ...]:
    """Return the steps of a new run, in an order in which they may run."""
    chosen = selection.names(config)
    return tuple(_new(step, chosen) for step in in_order(config.steps))


def resumed_steps(config: PipelineConfig, run: PipelineRun) -> tuple[StepRun, ...]:
    """Return the steps of a run that is resumed.

    A step stays done if it is the same in the file and all that it waits for stay done.
    """
    before: Mapping[str, StepRun] = run.by_name
    chosen = Selection(run.start_from, run.only).names(config)
    kept: dict[str, StepRun] = {}
    found: list[StepRun] = []
    for step in in_order(config.steps):
        old = before.get(step.name)
        waits = [name for name in step.waits_for if name in chosen]
        if (
            old is not None
            and old.status == "done"
            and old.fingerprint == fingerprint(step)
            and all(name in kept for name in waits)
        ):
            kept[step.name] = old
            found.append(old)
        else:
            found.append(_new(step, chosen, tries=0 if old is None else old.tries))
    return tuple(found)


def changed_steps(config: PipelineConfig, run: PipelineRun) -> Sequence[str]:
    """Return the steps that were done in a run and are other ones in the file now."""
    before = run.by_name
    return [
        step.name
        for step in config.steps
        if step.name in before
        and before[step.name].status == "done"
        and before[step.name].fingerprint != fingerprint(step)
    ]


def _new(step: Step, chosen: frozenset[str], tries: int = 0) -> StepRun:
    if step.name not in chosen:
        return StepRun(step.name, "skipped", reason=NOT_ASKED_FOR, fingerprint=fingerprint(step))
    return StepRun(step.name, tries=tries, fingerprint=fingerprint(step))
