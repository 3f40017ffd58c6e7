"""A pipeline as a DAG: a task a step, each of which calls the same command as `mlpipes run`.

It imports nothing of mlpipes, and works with Airflow 3. Where the program or the project is at another place
than on the machine of the export, MLPIPES_AIRFLOW_PROGRAM and MLPIPES_AIRFLOW_PROJECT name it.
"""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, Asset, BaseOperator, CronTriggerTimetable, conf
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

# <pipeline>
NAME = "pipeline"
PROJECT = "."
PROGRAM = ["mlpipes"]
SCHEDULE = None
ZONE = None
PARALLEL = 2
STEPS = []
# </pipeline>

PROJECT = os.environ.get("MLPIPES_AIRFLOW_PROJECT") or PROJECT
PROGRAM = shlex.split(os.environ.get("MLPIPES_AIRFLOW_PROGRAM", "")) or PROGRAM
USAGE, REFUSED, TIMEOUT = 2, 3, 124  # exit codes: a mistake in a file, a gate that says no, too slow
RESULT_BYTES = 1_000_000  # of a command's output
XCOM_BYTES = 48_000  # of a result in Airflow's database
GRACE = 3.0  # seconds from SIGTERM to SIGKILL; Airflow itself waits for 5
STOPPING = 30.0  # seconds that a stopped task waits for its own end
LINE = 65_536
ENDING = "ending"  # the XCom that says how a step ended
MARK = "MLPIPES_AIRFLOW_TASK"  # the variable by which processes of an earlier try are found
COMPARISONS = ("equals", "differs", "above", "below", "at_least", "at_most")
VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
# Linux: the command gets SIGTERM when the process of its task is killed.
TIED = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 15); "
    "os.getppid() == int(sys.argv[1]) or os._exit(1); os.execvp(sys.argv[2], sys.argv[2:])"
)


class MlpipesOperator(BaseOperator):
    """Runs a step: its JSON is the result, its standard error the log."""

    ui_color = "#e4f0e8"

    def __init__(self, *, step, **kwargs):
        super().__init__(**kwargs)
        self.step = step

    def execute(self, context):
        """Run the command once; whether it is tried again is Airflow's decision."""
        task, step = context["ti"], self.step
        if step["when"] and (reason := not_to_run(step, task)):
            raise AirflowSkipException(reason)
        self.mark = f"{task.dag_id}/{task.run_id}/{task.task_id}"
        end_earlier_try(self.mark)
        code = self.run_command(task)
        said = f"exit code {code}: {self.last}" if self.last else f"exit code {code}"
        if code == 0 or code in step["allow"]:
            task.xcom_push(key=ENDING, value={"exit": code, "status": "done"})
            found = self.result()
            if code != 0 or (isinstance(found, dict) and found.get("outcome") == "unchanged"):
                self.outlets = []  # there is nothing new that others wait for
            return found
        if code == REFUSED and (step["own"] or task.try_number > task.max_tries):
            task.xcom_push(key=ENDING, value={"exit": code, "status": "refused"})
            if (found := self.result()) is not None:
                task.xcom_push(key="return_value", value=found)
            raise AirflowSkipException(f"a gate said no; {said}")
        task.xcom_push(key=ENDING, value={"exit": code, "status": "failed"})
        if code == USAGE and step["own"]:
            raise AirflowFailException(f"not tried again; {said}")
        raise AirflowException(said)

    def run_command(self, task):
        """Run the command to its end; return its exit code."""
        self.last, self.printed, self.process, self.stopped = "", None, None, False
        own = [*PROGRAM, "-C", PROJECT] if self.step["own"] else []
        tied = [sys.executable, "-ISc", TIED, str(os.getpid())] if sys.platform == "linux" else []
        self.process = subprocess.Popen(
            [*tied, *own, *self.step["command"]],
            cwd=PROJECT,
            env=self.variables(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        output = bytearray()
        readers = [
            threading.Thread(target=self.follow, args=(self.process.stdout, output), daemon=True),
            threading.Thread(target=self.follow, args=(self.process.stderr, None), daemon=True),
        ]
        for reader in readers:
            reader.start()
        try:
            code = self.process.wait()
        except BaseException as error:
            end_group(self.process)
            if type(error).__name__ == "AirflowTaskTimeout":
                task.xcom_push(key=ENDING, value={"exit": TIMEOUT, "status": "failed"})
            raise
        if code in (-signal.SIGTERM, 128 + signal.SIGTERM):
            time.sleep(1.0)  # where all processes get the signal, the command may be the first to end
        if self.stopped:  # Airflow decides what becomes of the task; it did not fail by itself
            time.sleep(STOPPING)
        end_group(self.process)
        for reader in readers:
            reader.join(2.0)
        if len(output) <= RESULT_BYTES:
            self.printed = bytes(output)
        else:
            self.log.warning("the output has more than %s bytes, so it is not the result", RESULT_BYTES)
        return code if code >= 0 else 128 - code

    def follow(self, pipe, output):
        """Read a pipe: the result, which is one document, or lines for the log."""
        while line := pipe.readline(LINE):
            if output is not None and len(output) <= RESULT_BYTES:
                output += line
            if output is None or not self.step["own"]:
                text = line.decode(errors="replace").rstrip()
                if text:
                    self.log.info("%s", text)
                if text and output is None and self.step["own"]:
                    self.last = text.removeprefix("error: ")[:300]

    def result(self):
        """Return the JSON of the output, or None; what is too large for an XCom is left out of it."""
        try:
            found = json.loads(self.printed.decode(), parse_constant=no_constant)
        except (AttributeError, ValueError, RecursionError):
            return None
        left_out = []
        while len(json.dumps(found)) > XCOM_BYTES:
            if not isinstance(found, dict):
                self.log.warning("the result has more than %s bytes, so it is not kept", XCOM_BYTES)
                return None
            largest = max(found, key=lambda name: len(json.dumps(found[name])))
            del found[largest]
            left_out.append(largest)
        if left_out:
            self.log.warning("too large for an XCom, so not in the result: %s", ", ".join(left_out))
        return found

    def variables(self):
        """Return the command's environment: without Airflow's settings, with what the step says."""
        settings = ("AIRFLOW__", "_AIRFLOW__")
        found = {name: value for name, value in os.environ.items() if not name.startswith(settings)}
        if self.step["env"]:
            known = {**dotenv(Path(PROJECT, ".env")), **os.environ}
            for name, text in self.step["env"].items():
                found[name] = filled(text, known)
        program = Path(PROGRAM[0])
        if program.is_absolute():  # `python` and `mlpipes` of a shell command are those of the program
            found["PATH"] = os.pathsep.join((str(program.parent), found.get("PATH", os.defpath)))
        names = {"MLPIPES_PIPELINE_RUN": self.mark.split("/")[1], "MLPIPES_PIPELINE_STEP": self.step["name"]}
        return {**found, **names, MARK: self.mark}

    def on_kill(self):
        """End the process group."""
        self.stopped = True
        if (process := getattr(self, "process", None)) is not None:
            end_group(process)


def not_to_run(step, task):
    """Return why a step with conditions does not run; an empty text if it does."""
    names = sorted({*step["needs"], *(condition["step"] for condition in step["when"])})
    found = task.get_task_states(dag_id=task.dag_id, task_ids=names, run_ids=[task.run_id])
    states = {name: getattr(state, "value", state) for name, state in found.get(task.run_id, {}).items()}
    endings = {name: task.xcom_pull(task_ids=name, key=ENDING) or {} for name in names}
    status = {name: ended_as(states.get(name), endings[name]) for name in names}
    for name in step["needs"]:
        if status[name] != "done":
            return f"step {name}: {status[name]}"
    for condition in step["when"]:
        name = condition["step"]
        exit_code = endings[name].get("exit")
        if status[name] == "skipped":
            return f"step {name} was skipped"
        if "exit" in condition:
            if exit_code not in condition["exit"]:
                return f"step {name} ended with {exit_code}, not {' or '.join(map(str, condition['exit']))}"
        elif "status" in condition:
            if status[name] != condition["status"]:
                return f"step {name} is {status[name]}, not {condition['status']}"
        else:
            result = task.xcom_pull(task_ids=name)
            if result is None and status[name] != "done":
                return f"step {name} is {status[name]}, without a result"
            value = value_of(result, condition)
            for comparison in COMPARISONS:
                if comparison in condition and not holds(comparison, value, condition):
                    bound = condition[comparison]
                    return f"{condition['value']} of step {name}: {value!r}; {comparison}: {bound!r}"
    return ""


def ended_as(state, ending):
    """Return how a step ended, in the words of `mlpipes run`."""
    if state == "success":
        return "done"
    if state == "skipped":
        return "refused" if ending.get("status") == "refused" else "skipped"
    return "failed" if state == "failed" else "skipped"


def value_of(result, condition):
    """Return the value of a result that a condition names."""
    found = result
    for key in condition["value"].split("."):
        if isinstance(found, dict) and key in found:
            found = found[key]
        elif isinstance(found, list) and key.isdecimal() and int(key) < len(found):
            found = found[int(key)]
        else:
            raise AirflowFailException(
                f"when: the result of step {condition['step']} has no {condition['value']!r}"
            )
    return found


def holds(comparison, value, condition):
    """Compare as JSON does: true is not 1."""
    bound = condition[comparison]
    if comparison in ("equals", "differs"):
        booleans = isinstance(value, bool) or isinstance(bound, bool)
        same = value is bound if booleans else value == bound
        return same if comparison == "equals" else not same
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise AirflowFailException(
            f"when: {condition['value']} of step {condition['step']} is {value!r}, which is not a number"
        )
    if comparison == "above":
        return value > bound
    if comparison == "below":
        return value < bound
    return value >= bound if comparison == "at_least" else value <= bound


def end_earlier_try(mark):
    """End what an earlier try of this task left, as after a kill of Airflow (on Linux)."""
    own, wanted = os.getpid(), f"{MARK}={mark}".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if int(entry.name) != own and wanted in (entry / "environ").read_bytes().split(b"\0"):
                end_group(None, os.getpgid(int(entry.name)))
        except OSError:
            continue


def end_group(process, group=None):
    """End a process group: SIGTERM, and SIGKILL after a grace period."""
    group = process.pid if group is None else group
    started, number = time.monotonic(), signal.SIGTERM
    while group != os.getpgrp() and time.monotonic() < started + 2 * GRACE:
        try:
            os.killpg(group, number)
        except (ProcessLookupError, PermissionError):
            return
        if process is not None:
            process.poll()
        time.sleep(0.05)
        if time.monotonic() > started + GRACE:
            number = signal.SIGKILL


def filled(text, known):
    """Return a text with $NAME and ${NAME} replaced."""

    def value(found):
        name = found[1] or found[2]
        if name not in known:
            raise AirflowFailException(f"the variable {name} is set neither in the environment nor in .env")
        return known[name]

    return VARIABLE.sub(value, text)


def dotenv(path):
    """Return the values of a file of lines NAME=value."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        if match := re.match(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*$", line):
            value = match[2]
            quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
            found[match[1]] = value[1:-1] if quoted else value
    return found


def no_constant(text):
    raise ValueError(f"{text} is not JSON")


zone = ZONE or conf.get("core", "default_timezone")
schedule = None
if SCHEDULE is not None:  # without a start date: a new DAG waits for the next moment, whatever the one before
    schedule = CronTriggerTimetable(
        SCHEDULE, timezone="UTC" if zone == "system" else zone, run_immediately=timedelta(0)
    )
with DAG(
    NAME,
    schedule=schedule,
    catchup=False,
    max_active_runs=1,
    max_active_tasks=PARALLEL,
    tags=["mlpipes"],
) as dag:
    tasks = {
        step["name"]: MlpipesOperator(
            task_id=step["name"],
            step=step,
            retries=step["retries"],
            retry_delay=timedelta(seconds=step["retry_delay"]),
            retry_exponential_backoff=step["retry_backoff"] if step["retry_backoff"] > 1 else 0,
            max_retry_delay=timedelta(seconds=max(3600.0, step["retry_delay"])),
            execution_timeout=None if step["timeout"] is None else timedelta(seconds=step["timeout"]),
            outlets=[Asset(name=uri.removeprefix("mlpipes://"), uri=uri) for uri in step["outlets"]],
            trigger_rule="all_done" if step["when"] else "all_success",
        )
        for step in STEPS
    }
    for step in STEPS:
        for name in sorted({*step["needs"], *(condition["step"] for condition in step["when"])}):
            tasks[name] >> tasks[step["name"]]
