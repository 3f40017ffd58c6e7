"""The order of steps, tries, timeouts and conditions, with real processes and the files of a run."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
from process_help import ended
from reporter_help import Told

from mlpipes_cli.config.pipeline.config import PipelineConfig
from mlpipes_cli.lifecycle.pipelines.journal import Journal
from mlpipes_cli.lifecycle.pipelines.scheduler import Scheduler
from mlpipes_cli.lifecycle.pipelines.selection import Selection, new_steps, resumed_steps
from mlpipes_cli.lifecycle.pipelines.step_worker import StepContext
from mlpipes_cli.ports.automation.pipeline_runs import PipelineRun, StepRun
from mlpipes_cli.project import ProjectFolder, find_project

ALL = Selection()
ID = "01a22a8e-d0d5-733f-900b-fd7ca3093d80"
MARK = 'echo "$MLPIPES_PIPELINE_STEP" >> order.txt'


@dataclass
class Made:
    project: ProjectFolder
    states: list[PipelineRun] = field(default_factory=list)

    @property
    def journal(self) -> Journal:
        return Journal(self.project)

    def order(self) -> list[str]:
        path = self.project.root / "order.txt"
        return path.read_text().split() if path.exists() else []

    def config(self, steps: Sequence[Mapping[str, Any]], **more: Any) -> PipelineConfig:
        named = [{"run": MARK, **step} for step in steps]
        return PipelineConfig.model_validate({"pipeline": "p", "steps": named, **more})

    def run(
        self, config: PipelineConfig, selection: Selection = ALL, *, resume: bool = False,
        before: Mapping[str, StepRun] | None = None, changed: Any = None,
    ) -> PipelineRun:  # fmt: skip
        steps = resumed_steps(config, self.states[-1]) if resume else new_steps(config, selection)
        record = PipelineRun(
            ID,
            "p",
            "running",
            datetime.now(UTC),
            None,
            "me",
            "here",
            selection.start_from,
            selection.only,
            0,
            steps,
        )
        reporter = Told()
        context = StepContext(self.project.root, ID, self.journal, dict(os.environ), {}, reporter)

        def keep(state: PipelineRun) -> None:
            self.journal.write(state)
            self.states.append(state)
            if changed is not None:
                changed(state)

        return Scheduler(config, record, context, before or {}, keep).run()


@pytest.fixture
def made(project_dir: Path) -> Made:
    return Made(find_project(project_dir))


def statuses(run: PipelineRun) -> dict[str, str]:
    return {step.name: step.status for step in run.steps}


def test_steps_run_after_those_that_they_need(made: Made) -> None:
    steps = [{"name": "c", "needs": ["b"]}, {"name": "b", "needs": ["a"]}, {"name": "a"}]
    found = made.run(made.config(steps, parallel=3))
    assert made.order() == ["a", "b", "c"] == [step.name for step in found.steps]
    assert (found.status, statuses(found)) == ("done", {"a": "done", "b": "done", "c": "done"})
    assert made.journal.runs("p") == [found] and made.journal.runs("other") == []


def test_steps_run_side_by_side_up_to_the_limit(made: Made) -> None:
    """Each of the two waits for the other; a third starts when one has ended."""
    meet = "touch {0}; for i in $(seq 400); do test -e {1} && exit 0; sleep 0.05; done; exit 1"
    steps = [
        {"name": "a", "run": meet.format("a", "b")},
        {"name": "b", "run": meet.format("b", "a")},
        {"name": "c"},
    ]
    found = made.run(made.config(steps, parallel=2))
    assert found.status == "done"
    most = [sum(step.status == "running" for step in state.steps) for state in made.states]
    assert max(most) == 2


def test_one_at_a_time(made: Made) -> None:
    alone = "mkdir lock && sleep 0.05 && rmdir lock"
    found = made.run(made.config([{"name": name, "run": alone} for name in "abcd"], parallel=1))
    assert found.status == "done"


def test_dependants_of_a_failed_step_are_skipped_and_others_run(made: Made) -> None:
    steps = [
        {"name": "a", "run": "exit 7"},
        {"name": "b", "needs": ["a"]},
        {"name": "c", "needs": ["b"]},
        {"name": "d"},
    ]
    found = made.run(made.config(steps))
    assert statuses(found) == {"a": "failed", "b": "skipped", "c": "skipped", "d": "done"}
    assert (found.status, made.order()) == ("failed", ["d"])
    states = found.by_name
    assert (states["a"].exit, states["a"].reason) == (7, "exit code 7")
    assert (states["b"].reason, states["c"].reason) == ("step a failed", "step b was skipped")
    assert (states["b"].exit, states["b"].seconds, states["b"].tries) == (None, None, 0)


def test_exit_codes_that_count_as_done_and_a_gate_that_says_no(made: Made) -> None:
    steps = [
        {"name": "allowed", "run": "exit 3", "allow": [3]},
        {"name": "after", "needs": ["allowed"]},
        {"name": "gate", "run": "exit 3"},
        {"name": "behind", "needs": ["gate"]},
    ]
    found = made.run(made.config(steps))
    assert statuses(found) == {"allowed": "done", "after": "done", "gate": "refused", "behind": "skipped"}
    assert (found.status, found.by_name["allowed"].exit) == ("refused", 3)


def test_a_failed_step_is_tried_again(made: Made) -> None:
    flaky = "echo x >> tries; test $(wc -l < tries) -ge 3"
    found = made.run(made.config([{"name": "a", "run": flaky, "retries": 5, "retry_delay": 0}]))
    (step,) = found.steps
    assert (step.status, step.tries, step.exit, step.reason) == ("done", 3, 0, "")


def test_our_commands_are_not_tried_again_where_that_cannot_help(made: Made) -> None:
    """Exit code 2, a wrong option; the reason is the last line that the command wrote."""
    config = PipelineConfig.model_validate(
        {"pipeline": "p", "steps": [{"name": "a", "data": "load", "file": "no.yaml", "retries": 3}]}
    )
    (step,) = made.run(config).steps
    assert (step.status, step.tries, step.exit) == ("failed", 1, 2)
    assert step.reason.startswith("no.yaml: no such file") or "no.yaml: no such file" in step.reason


def test_a_step_that_takes_too_long_is_ended_with_all_its_processes(made: Made) -> None:
    stubborn = "trap '' TERM; sleep 1000 & echo $! > child; echo $$ > shell; sleep 1001"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mlpipes_cli.lifecycle.pipelines.attempt.GRACE", 0.3)
        (step,) = made.run(made.config([{"name": "a", "run": stubborn, "timeout": 0.7}])).steps
    assert (step.status, step.exit, step.reason) == ("failed", 124, "did not end within 0.7 seconds")
    for name in ("child", "shell"):
        assert ended(int((made.project.root / name).read_text()))


def test_nothing_outlives_a_step_unless_it_has_a_session_of_its_own(made: Made) -> None:
    command = "sleep 1000 & echo $! > left; setsid sleep 1002 & echo $! > daemon; sleep 0.2"
    found = made.run(made.config([{"name": "a", "run": command}]))
    assert found.status == "done"
    assert ended(int((made.project.root / "left").read_text()))
    daemons = [one for one in psutil.process_iter(["cmdline"]) if one.info["cmdline"] == ["sleep", "1002"]]
    assert len(daemons) == 1
    daemons[0].kill()


def test_conditions_by_exit_code_status_and_values(made: Made) -> None:
    when = {
        "exit": {"step": "check", "exit": [3, 4]},
        "other": {"step": "check", "exit": 0},
        "status": {"step": "broken", "status": "failed"},
        "above": {"step": "load", "value": "splits.train", "at_least": 80},
        "below": {"step": "load", "value": "rows", "below": 100},
        "first": {"step": "load", "value": "names.0", "equals": "x"},
        "differs": {"step": "load", "value": "ok", "differs": True},
        "both": [{"step": "load", "value": "rows", "above": 0}, {"step": "check", "exit": 0}],
        "typo": {"step": "load", "value": "splits.tran", "above": 0},
        "text": {"step": "load", "value": "names.0", "above": 0},
    }
    result = '{"rows": 100, "splits": {"train": 80}, "names": ["x"], "ok": true}'
    steps: list[dict[str, Any]] = [
        {"name": "check", "run": "exit 3", "allow": [3]},
        {"name": "broken", "run": "exit 1"},
        {"name": "load", "run": f"echo '{result}'"},
        *({"name": name, "when": condition} for name, condition in when.items()),
    ]
    found = made.run(made.config(steps, parallel=8))
    states = {name: found.by_name[name] for name in when}
    assert {name for name, state in states.items() if state.status == "done"} == {
        "exit", "status", "above", "first",
    }  # fmt: skip
    assert sorted(made.order()) == ["above", "exit", "first", "status"]
    assert states["other"].reason == "step check ended with 3, not 0"
    assert states["below"].reason == "rows of step load is not below 100.0: 100"
    assert states["both"].status == "skipped"
    assert states["typo"].status == "failed"
    assert states["typo"].reason == "when: the result of step load has no 'splits.tran'; there are train"
    assert states["text"].reason == "when: names.0 of step load is 'x', which is not a number to compare"


@pytest.mark.parametrize(
    ("output", "result"),
    [
        ('{"a": [1, 2.5, null]}\n', {"a": [1, 2.5, None]}),
        ("done: 5 rows\n", None),
        ("NaN", None),
        ('{"a": 1}\n{"a": 2}\n', None),
    ],
)
def test_the_result_is_json_or_nothing(made: Made, output: str, result: Any) -> None:
    (made.project.root / "out").write_text(output)
    (step,) = made.run(made.config([{"name": "a", "run": "cat out"}])).steps
    assert (step.status, step.result) == ("done", result)


def test_a_result_that_no_database_takes_is_left_out_with_a_reason(made: Made) -> None:
    for output, reason in (('"\\u0000"', "U+0000"), ('"\\ud800"', "surrogate"), ("[1e999]", "too large")):
        (made.project.root / "out").write_text(output)
        (step,) = made.run(made.config([{"name": "a", "run": "cat out"}])).steps
        assert (step.status, step.result) == ("done", None) and reason in step.reason


def test_the_log_is_bounded_and_ends_with_the_last_lines(made: Made) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mlpipes_cli.lifecycle.pipelines.step_log.LOG_BYTES", 10_000)
        made.run(made.config([{"name": "a", "run": "seq 20000"}]))
    folder = made.journal.folder(ID)
    assert sum(path.stat().st_size for path in folder.glob("a.log*")) < 25_000
    assert made.journal.tail(ID, "a", 3) == ["19998", "19999", "20000"]


def test_only_and_from(made: Made) -> None:
    steps = [{"name": "a"}, {"name": "b", "needs": ["a"]}, {"name": "c", "needs": ["b"]}, {"name": "d"}]
    found = made.run(made.config(steps), Selection("b"))
    assert (made.order(), found.by_name["a"].reason) == (["b", "c"], "not asked for")
    assert found.status == "done"
    made.run(made.config(steps), Selection(only=("d", "c")))
    assert sorted(made.order()[2:]) == ["c", "d"]


def test_a_condition_on_a_step_that_is_left_out_looks_at_its_last_run(made: Made) -> None:
    when = {"step": "a", "value": "ok", "equals": True}
    steps = [{"name": "a"}, {"name": "b"}, {"name": "c", "needs": ["b"], "when": when}]
    found = made.run(made.config(steps), Selection("b"))
    assert found.by_name["c"].reason == "step a is left out, and no earlier run has its result"
    good, bad = (StepRun("a", "done", 1, 0, result={"ok": ok}) for ok in (True, False))
    assert statuses(made.run(made.config(steps), Selection("b"), before={"a": good}))["c"] == "done"
    assert statuses(made.run(made.config(steps), Selection("b"), before={"a": bad}))["c"] == "skipped"
    assert statuses(made.run(made.config(steps), Selection("c")))["c"] == "done", "asked for by its name"


def test_resume_runs_what_is_not_done(made: Made) -> None:
    steps = [
        {"name": "a"},
        {"name": "b", "needs": ["a"], "run": f"{MARK}; test -e repaired"},
        {"name": "c", "needs": ["b"]},
        {"name": "d"},
    ]
    first = made.run(made.config(steps, parallel=1))
    assert statuses(first) == {"a": "done", "b": "failed", "c": "skipped", "d": "done"}
    (made.project.root / "repaired").touch()
    (made.project.root / "order.txt").unlink()
    second = made.run(made.config(steps, parallel=1), resume=True)
    assert (made.order(), second.status) == (["b", "c"], "done")
    assert second.by_name["a"] == first.by_name["a"] and second.by_name["b"].tries == 2


def test_resume_repeats_a_step_that_the_file_has_changed_and_what_waits_for_it(made: Made) -> None:
    steps: list[dict[str, Any]] = [{"name": "a"}, {"name": "b", "needs": ["a"]}, {"name": "c"}]
    made.run(made.config(steps))
    (made.project.root / "order.txt").unlink()
    steps[0]["run"] = f"{MARK}; true"
    assert made.run(made.config(steps), resume=True).status == "done"
    assert made.order() == ["a", "b"]


def test_ctrl_c_ends_the_steps_and_leaves_a_run_to_resume(made: Made) -> None:
    import signal

    steps = [
        {"name": "a"},
        {"name": "b", "needs": ["a"], "run": "echo $$ > pid; trap 'exit 0' TERM; sleep 1003 & wait"},
        {"name": "c", "needs": ["b"]},
    ]

    def interrupt(state: PipelineRun) -> None:
        if state.by_name["b"].status == "running" and state.status == "running":
            timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
            timer.start()

    found = made.run(made.config(steps), changed=interrupt)
    assert (found.status, statuses(found)) == ("stopped", {"a": "done", "b": "stopped", "c": "waiting"})
    assert ended(int((made.project.root / "pid").read_text()))
    steps[1]["run"] = MARK
    assert made.run(made.config(steps), resume=True).status == "done"
    assert made.order() == ["a", "b", "c"]
