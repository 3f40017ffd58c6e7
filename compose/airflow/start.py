"""Starts Airflow and keeps its parts running: `start.py --port N --host H --home DIR --dags DIR`.

It runs with the Python of Airflow's environment. AIRFLOW_DATABASE_URL, AIRFLOW_PASSWORD, AIRFLOW_FERNET_KEY,
AIRFLOW_JWT_SECRET and AIRFLOW_SECRET_KEY come from the environment, or from files that NAME_FILE names. The
tables are made or upgraded first. A part that ends is started again; SIGTERM ends all. What keeps it from
starting is told in one line.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

SECRETS = (
    "AIRFLOW_DATABASE_URL",
    "AIRFLOW_PASSWORD",
    "AIRFLOW_FERNET_KEY",
    "AIRFLOW_JWT_SECRET",
    "AIRFLOW_SECRET_KEY",
    "MLFLOW_TRACKING_PASSWORD",
    "MLPIPES_DATABASE_URL",
    "MLPIPES_MODEL_KEY",
)
OWN = SECRETS[:5]  # Airflow's; the others are for the commands that it runs
GRACE = 4.0  # seconds from SIGTERM to SIGKILL
LONG = 60.0  # seconds after which a part counts as started
WAITS = (1.0, 30.0)  # seconds before a part is started again: at first, at most
ADOPT = 36  # PR_SET_CHILD_SUBREAPER: what a killed scheduler leaves is ours


class CannotStart(Exception):
    """The text is the one line to show."""


def main(arguments):
    given = read_arguments(arguments)
    try:
        read_secrets()
        settings = prepare(given)
        migrate(settings, given.home)
    except CannotStart as error:
        say(f"cannot start: {error}")
        return 1
    return Parts(settings, given).run()


def read_arguments(arguments):
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--dags", type=Path, required=True)
    parser.add_argument("--parallel", type=int, default=4)
    return parser.parse_args(arguments)


def say(text):
    print(f"mlpipes: {text}", file=sys.stderr, flush=True)


def read_secrets():
    """What is in a file becomes a variable of this process."""
    for name in SECRETS:
        path = os.environ.pop(f"{name}_FILE", "")
        try:
            if path:
                os.environ[name] = Path(path).read_text(encoding="utf-8").rstrip("\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8"
            raise CannotStart(f"{name}_FILE: {path} cannot be read ({reason})") from None
    for name in OWN:
        if not os.environ.get(name):
            raise CannotStart(f"{name} is not set")


def prepare(given):
    """Make the folder, write the login, and return the environment of all parts."""
    secret = {name: os.environ[name] for name in OWN}
    passwords = given.home / "passwords.json"
    try:
        given.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = passwords.with_suffix(".new")
        new.unlink(missing_ok=True)
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(json.dumps({"admin": secret["AIRFLOW_PASSWORD"]}) + "\n")
        new.replace(passwords)
    except OSError as error:
        raise CannotStart(f"{given.home}: cannot be written ({error.strerror})") from None
    plain = secret["AIRFLOW_DATABASE_URL"].partition("://")[2]
    plain_async = plain.replace("sslmode=", "ssl=")
    settings = {
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{given.port}",
        "AIRFLOW__API__SECRET_KEY": secret["AIRFLOW_SECRET_KEY"],
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API_AUTH__JWT_SECRET": secret["AIRFLOW_JWT_SECRET"],
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(given.dags),
        "AIRFLOW__CORE__DEFAULT_TIMEZONE": zone(),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{given.port}/execution/",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__FERNET_KEY": secret["AIRFLOW_FERNET_KEY"],
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": str(given.parallel),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "15",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{plain}",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": f"postgresql+asyncpg://{plain_async}",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(given.home / "logs"),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        # A server that still loads answers late, and a call that is repeated would fail the task; one that
        # is started again does not answer for a while.
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "90",
        "AIRFLOW__WORKERS__EXECUTION_API_RETRIES": "40",
        "AIRFLOW__WORKERS__EXECUTION_API_RETRY_WAIT_MAX": "5",
        "AIRFLOW_HOME": str(given.home),
        "MALLOC_ARENA_MAX": "2",
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
        "SPT_NOENV": "1",  # titles of processes leave their environments readable, by which they are found
    }
    others = (*OWN, "AIRFLOW__", "AIRFLOW_HOME")  # settings are of a person's other Airflow
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    return {**inherited, **settings}


def zone():
    """Return the name of this machine's time zone."""
    given = os.environ.get("TZ", "").lstrip(":")
    if not given:
        with contextlib.suppress(OSError):
            given = str(Path("/etc/localtime").resolve()).partition("zoneinfo/")[2]
    try:
        return ZoneInfo(given).key if given else "UTC"
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return "UTC"


def migrate(settings, home):
    """Make or upgrade the tables, unless they are those of this environment already."""
    import psycopg2

    note = home / "tables.json"
    address = settings["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].replace("+psycopg2", "", 1)
    try:
        with (
            contextlib.closing(psycopg2.connect(address, connect_timeout=10)) as link,
            link.cursor() as cursor,
        ):
            revision = revision_of(cursor)
    except psycopg2.Error as error:
        raise CannotStart(f"its database does not answer: {' '.join(str(error).split())}") from None
    wanted = {"revision": revision, "python": sys.prefix}
    with contextlib.suppress(OSError, ValueError):
        if revision is not None and json.loads(note.read_text(encoding="utf-8")) == wanted:
            return
    say("making or upgrading the tables")
    if subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], env=settings).returncode:
        raise CannotStart("its tables cannot be made or upgraded; see the lines above")
    with contextlib.closing(psycopg2.connect(address, connect_timeout=10)) as link, link.cursor() as cursor:
        note.write_text(json.dumps({**wanted, "revision": revision_of(cursor)}), encoding="utf-8")


def revision_of(cursor):
    cursor.execute("select to_regclass('public.alembic_version')")
    if cursor.fetchone()[0] is None:
        return None
    cursor.execute("select version_num from alembic_version")
    row = cursor.fetchone()
    return row[0] if row else None


class Parts:
    """The processes of Airflow."""

    def __init__(self, settings, given):
        self.settings = settings
        self.commands = {
            "api-server": ["api-server", "--host", given.host, "--port", str(given.port), "--workers", "1"],
            "scheduler": ["scheduler", "--skip-serve-logs"],
            "dag-processor": ["dag-processor"],
            "triggerer": ["triggerer", "--skip-serve-logs"],
        }
        self.running, self.due, self.ended = {}, {}, False

    def run(self):
        """Keep the parts running until SIGTERM or SIGINT; return the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.stop)
        adopt()
        for name in self.commands:
            self.start(name, WAITS[0])
        while not self.ended:
            time.sleep(0.2)
            for name, (process, started, wait) in list(self.running.items()):
                if process.poll() is not None:
                    del self.running[name]
                    again = WAITS[0] if time.monotonic() - started > LONG else wait
                    say(f"{name} ended with {process.returncode}; it is started again in {again:g} s")
                    self.due[name] = (time.monotonic() + again, min(2 * again, WAITS[1]))
            for name, (moment, wait) in list(self.due.items()):
                if time.monotonic() >= moment and not self.ended:
                    del self.due[name]
                    self.start(name, wait)
            reap({process.pid for process, _, _ in self.running.values()})
        self.end()
        return 0

    def start(self, name, wait):
        command = [sys.executable, "-m", "airflow", *self.commands[name]]
        process = subprocess.Popen(command, env=self.settings, stdin=subprocess.DEVNULL)
        self.running[name] = (process, time.monotonic(), wait)

    def stop(self, *_):
        self.ended = True

    def end(self):
        processes = [process for process, _, _ in self.running.values()]
        for process in processes:
            process.terminate()
        deadline = time.monotonic() + GRACE
        for process in processes:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
        while left := children():  # also those of parts that have ended
            for pid in left:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
                with contextlib.suppress(OSError):
                    os.waitpid(pid, 0)


def adopt():
    """Become the parent of what a killed part leaves (on Linux)."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(ADOPT, 1, 0, 0, 0)


def reap(known):
    """End the workers without a task that a killed scheduler left, and forget those that have ended."""
    for pid in children():
        if pid in known:
            continue
        with contextlib.suppress(OSError):
            if b"<idle>" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)  # they ignore SIGTERM
            os.waitpid(pid, os.WNOHANG)


def children():
    """Return the processes whose parent this one is (on Linux)."""
    with contextlib.suppress(OSError):
        return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
    return []


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
