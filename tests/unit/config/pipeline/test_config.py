"""``pipeline.yaml``: what it takes, and what it says of mistakes."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from mlpipes_cli.config.pipeline.config import PipelineConfig, load_pipeline
from mlpipes_cli.config.pipeline.order import dependants, in_order
from mlpipes_cli.errors import ConfigError

CONTRACT = """\
pipeline: loans
schedule: "0 3 * * *"
steps:
  - {name: load, data: load, file: dataset.yaml}
  - {name: prepare, data: prepare, file: dataset.yaml, needs: [load]}
  - {name: train, train: experiment.yaml, needs: [prepare]}
  - {name: promote, promote: {metric: ks, to: staging}, needs: [train]}
  - {name: check, monitor: {since: 1d}, needs: [], allow: [3]}
  - {name: mine, run: "python my_step.py", needs: [promote], retries: 2, timeout: 600}
"""


def load(tmp_path: Path, text: str) -> PipelineConfig:
    for name in ("dataset.yaml", "experiment.yaml"):
        (tmp_path / name).touch()
    path = tmp_path / "pipeline.yaml"
    path.write_text(text)
    return load_pipeline(path, tmp_path, "pipeline.yaml")


def problems(tmp_path: Path, steps: str, head: str = "pipeline: p\n") -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, f"{head}steps:\n{steps}")
    return caught.value.problems


def test_the_whole_file(tmp_path: Path) -> None:
    found = load(tmp_path, CONTRACT)
    assert (found.pipeline, found.schedule, found.parallel, found.at_once) == (
        "loans",
        "0 3 * * *",
        2,
        "refuse",
    )
    assert found.keep == timedelta(days=365)
    assert [step.action for step in found.steps] == ["data", "data", "train", "promote", "monitor", "run"]
    assert [step.input_file for step in found.steps[:3]] == [
        "dataset.yaml",
        "dataset.yaml",
        "experiment.yaml",
    ]
    mine = found.step("mine")
    assert (mine.retries, mine.timeout, mine.needs, mine.allow) == (2, 600.0, ("promote",), ())
    assert found.step("check").allow == (3,)


def test_retries_wait_longer_each_time_up_to_an_hour(tmp_path: Path) -> None:
    text = "pipeline: p\nsteps:\n- {name: a, run: 'true', retries: 9, retry_delay: 1m, retry_backoff: 3}\n"
    (step,) = load(tmp_path, text).steps
    assert [step.delay(n) for n in (1, 2, 3, 4, 5)] == [60.0, 180.0, 540.0, 1620.0, 3600.0]


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("{name: a}", "pipeline.yaml:3: steps -> 0: step 'a' needs one of `data`, `train`, "),
        ("{name: a, run: x, train: experiment.yaml}", "got `train` and `run`"),
        ("{name: a, run: x, file: b}", "step 'a': `file` is for `data`"),
        ("{name: a, run: x, output: b}", "`output` is for `data: profile`"),
        ("{name: a, data: laod}", "3: steps -> 0 -> data: 'laod' is not valid; did you mean 'load'?"),
        ("{name: 1a, run: x}", "steps -> 0 -> name"),
        ("{name: a, run: x, need: [b]}", "steps -> 0 -> need: unknown key; did you mean 'needs'?"),
        ("{name: a, promote: {metrik: ks}}", "steps -> 0 -> promote -> metrik: unknown key"),
        (
            "{name: a, run: x, timeout: soon}",
            "expected seconds, or a time such as 30s, 10m or 2h, got 'soon'",
        ),
        ("{name: a, run: x, timeout: 0}", "steps -> 0 -> timeout"),
        ("{name: a, run: x, allow: [0]}", "steps -> 0 -> allow -> 0"),
        ("{name: a, run: x, env: {'a-b': c}}", "'a-b' is not a valid name of an environment variable"),
        ("{name: a, run: x, env: {A: 1}}", "steps -> 0 -> env -> A"),
        ("{name: a, run: x, needs: [a]}", "steps -> 0 -> needs -> 0: step 'a' waits for itself"),
        ("{name: a, run: x, needs: [b]}", "steps -> 0 -> needs -> 0: there is no step 'b'; there are a"),
        ("{name: a, run: x, when: {step: b, exit: 3}}", "steps -> 0 -> when -> step: there is no step 'b'"),
        ("{name: a, run: x, when: {step: b}}", "a condition needs one of `exit`, `status` and `value`"),
        ("{name: a, run: x, when: {step: b, value: c}}", "`value` needs a comparison"),
        ("{name: a, run: x, when: {step: b, exit: 3, above: 1}}", "a comparison needs `value`"),
        ("{name: a, data: load, file: gone.yaml}", "steps -> 0 -> file: "),
        ("{name: a, train: gone.yaml}", "gone.yaml: no such file"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, step: str, expected: str) -> None:
    (found, *_) = problems(tmp_path, f"- {step}\n")
    assert found.startswith("pipeline.yaml:3: ") and expected in found


def test_all_mistakes_of_names_at_once(tmp_path: Path) -> None:
    steps = "- {name: a, run: x}\n- {name: a, run: x}\n- name: c\n  run: x\n  needs: [aa]\n"
    assert problems(tmp_path, steps) == [
        "pipeline.yaml:4: steps -> 1 -> name: duplicate name 'a'; each step needs its own",
        "pipeline.yaml:7: steps -> 2 -> needs -> 0: there is no step 'aa'; did you mean 'a'?",
    ]


def test_steps_that_wait_for_each_other(tmp_path: Path) -> None:
    steps = "- {name: a, run: x, needs: [c]}\n- {name: b, run: x, needs: [a]}\n"
    steps += "- {name: c, run: x, when: {step: b, exit: 0}}\n- {name: d, run: x}\n"
    (found,) = problems(tmp_path, steps)
    assert found == "pipeline.yaml:2: steps: the steps wait for each other: a -> c -> b -> a"


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("0 3 * *", "is not a cron expression of five fields"),
        ("0 0 3 * * *", "is not a cron expression of five fields"),
        ("60 3 * * *", "bad minute"),
        ("0 3 L * *", "is not a cron expression of five fields"),
        ("0 3 31 2 *", "bad day-of-month"),
    ],
)
def test_a_wrong_schedule(tmp_path: Path, schedule: str, expected: str) -> None:
    head = f"pipeline: p\nschedule: {schedule!r}\n"
    (found,) = problems(tmp_path, "- {name: a, run: x}\n", head)
    assert found.startswith("pipeline.yaml:2: schedule: ") and expected in found


def test_a_wrong_time_zone(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, "- {name: a, run: x}\n", "pipeline: p\ntimezone: Berlin/Europe\n")
    assert "'Berlin/Europe' is not a known time zone" in found


def test_a_file_that_an_earlier_step_may_make_need_not_exist_yet(tmp_path: Path) -> None:
    text = "pipeline: p\nsteps:\n- {name: b, data: load, file: made.yaml, needs: [a]}\n- {name: a, run: x}\n"
    assert [step.name for step in in_order(load(tmp_path, text).steps)] == ["a", "b"]


def test_the_order_is_that_of_needs_then_of_the_file(tmp_path: Path) -> None:
    steps = load(tmp_path, CONTRACT).steps
    shuffled = [steps[n] for n in (5, 4, 3, 2, 1, 0)]
    assert [step.name for step in in_order(shuffled)] == [
        "check",
        "load",
        "prepare",
        "train",
        "promote",
        "mine",
    ]
    assert dependants(shuffled, ["train"]) == {"train", "promote", "mine"}
