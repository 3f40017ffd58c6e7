"""Spark's Java process and its session. A logged model contains this module's code.

This module starts the process without Spark's shell scripts, so that Java may be that of a wheel (which lacks
a module that those scripts require), and no shell is needed. The process reads its standard input, whose
other end this process holds: so it always ends when this process does.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlpipes_cli.trainers.models.java_home import WHEEL, look_for_java

OLDEST, NEWEST = 17, 21  # feature releases of Java that Spark 4 supports
_LOG = "java.log"
_START, _END = 180.0, 20.0  # seconds that a start and an end may take
_QUIET = {
    "spark.log.level": "ERROR",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
}
_PLAIN = (  # no file in the system's temporary folder; the same sums whatever libraries a machine has
    "-XX:-UsePerfData -Dnetlib.allowNativeBlas=false"
)
BRIEF = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"  # halves the work for small data
_TO_ANSWER = {"spark.default.parallelism": "1", "spark.driver.extraJavaOptions": BRIEF}
_VECTORS = "--add-modules=jdk.incubator.vector"  # gives other sums, and not every Java has it


@contextmanager
def session(java: Path, folder: Path, memory: int, settings: Mapping[str, str], master: str) -> Iterator[Any]:
    """Run a ``SparkSession`` in a separate Java process for the duration of the context.

    Args:
        java: JAVA_HOME.
        folder: The folder for Spark's files; empty or missing.
        memory: Bytes of Java's heap.
        settings: Further settings of Spark.
        master: Spark's master URL.

    Raises:
        RuntimeError: Java did not start, ended, or raised an exception; the message quotes it.
    """
    from py4j.protocol import Py4JError  # type: ignore[import-not-found,unused-ignore]

    process, found = start(java, folder, memory, settings, master)
    try:
        yield found
    except BaseException as error:
        sys.stderr.write((folder / _LOG).read_text("utf-8", errors="replace"))
        if isinstance(error, Py4JError | OSError):  # read the error while Java still responds
            raise RuntimeError(_description(error, process, folder / _LOG)) from None
        raise
    finally:
        end(process, found)


def start(
    java: Path, folder: Path, memory: int, settings: Mapping[str, str], master: str
) -> tuple[subprocess.Popen[bytes], Any]:
    """Start the process and its session; see :func:`session`."""
    import pyspark

    folder.mkdir(parents=True, exist_ok=True)
    conf = _conf(folder, memory, settings, master)
    home = Path(pyspark.__file__).parent
    environment = {
        **os.environ, "JAVA_HOME": str(java), "SPARK_HOME": str(home), "SPARK_CONNECT_MODE": "0",
        "SPARK_LOCAL_DIRS": str(folder), "SPARK_SCALA_VERSION": _scala(home),
    }  # fmt: skip
    environment.pop("SPARK_REMOTE", None)
    if master.startswith("local"):
        environment["SPARK_LOCAL_IP"] = "127.0.0.1"
    log = folder / _LOG
    command = _command(java, home, conf, environment, log)
    meeting = folder / "gateway"
    environment["_PYSPARK_DRIVER_CONN_INFO_PATH"] = str(meeting)
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=output, stderr=output,
            preexec_fn=_let_python_decide,
        )  # fmt: skip
    try:
        port, secret = _meet(process, meeting, log)
        return process, _connect(port, secret, conf)
    except BaseException as error:
        process.kill()
        process.wait()
        if isinstance(error, RuntimeError) or not isinstance(error, Exception):
            raise
        raise RuntimeError(f"it did not start on {master}: {last_words(log)}") from None


def end(process: subprocess.Popen[bytes], found: Any) -> None:
    """Stop the session, and kill its process if necessary."""
    try:
        found.stop()
        gateway = type(found.sparkContext)._gateway
        gateway.shutdown()
    except Exception:  # noqa: BLE001, S110 (Java may have exited)
        pass
    finally:
        _forget()
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(_END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def shared(memory: int) -> Any:
    """Return the session that the models of this process share; the first call starts it.

    Raises:
        RuntimeError: There is no suitable Java, or it did not start.
    """
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    kept = vars(SparkContext).get("_mlpipes_process")
    if kept is not None and kept != os.getpid():  # a fork cannot communicate with its parent's Java
        _forget()
    elif SparkContext._active_spark_context is not None:
        return SparkSession(SparkContext._active_spark_context)
    java, refused = look_for_java(OLDEST, NEWEST)
    if java is None:
        looked = f" ({'; '.join(refused)})" if refused else ""
        raise RuntimeError(
            f"this model runs in Spark, which needs Java {OLDEST} to {NEWEST}{looked}; install one and"
            f" set JAVA_HOME, or `pip install {WHEEL}`"
        )
    folder = Path(tempfile.mkdtemp(prefix="spark-model-"))
    process, found = start(java.home, folder, memory, _TO_ANSWER, "local[1]")
    SparkContext._mlpipes_process = os.getpid()
    owner = os.getpid()

    def finish() -> None:
        if os.getpid() == owner:
            end(process, found)
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(finish)
    return found


def last_words(log: Path) -> str:
    """Return the most informative line of Java's output."""
    try:
        lines = log.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    errors = [line.strip() for line in lines if re.search("Error| ERROR |Exception", line)]
    return (errors or [line.strip() for line in lines if line.strip()] or [""])[0][:300]


def _conf(folder: Path, memory: int, settings: Mapping[str, str], master: str) -> dict[str, str]:
    own = {
        "spark.master": master,
        "spark.app.name": "mlpipes",
        "spark.driver.memory": f"{max(memory // 2**20, 512)}m",
        "spark.local.dir": str(folder),
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
    }
    if master.startswith("local"):
        own |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
    given = dict(settings)
    options = f"{_PLAIN} -Djava.io.tmpdir={folder}"
    options = f"{options} {given.pop('spark.driver.extraJavaOptions', '')}".strip()
    return {**_QUIET, **own, **given, "spark.driver.extraJavaOptions": options}


def _scala(home: Path) -> str:
    """Return the version in ``spark-core_2.13-4.3.0.jar``, which Spark's launcher requires."""
    core = next((home / "jars").glob("spark-core_*.jar"), None)
    return "2.13" if core is None else core.name.split("_")[1].split("-")[0]


def _command(
    java: Path, home: Path, conf: Mapping[str, str], environment: Mapping[str, str], log: Path
) -> list[str]:
    """Return the command that Spark's own launcher would start (``spark-class`` gets it in the same way)."""
    arguments = [part for name, value in conf.items() for part in ("--conf", f"{name}={value}")]
    program = str(java / "bin" / ("java.exe" if os.name == "nt" else "java"))
    asked = subprocess.run(
        [program, "-Xmx128m", "-XX:-UsePerfData", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
         "-cp", str(home / "jars" / "*"), "org.apache.spark.launcher.Main",
         "org.apache.spark.deploy.SparkSubmit", *arguments, "pyspark-shell"],
        env=dict(environment), stdin=subprocess.DEVNULL, capture_output=True, check=False,
    )  # fmt: skip
    log.write_bytes(asked.stderr)
    _, _, command = asked.stdout.partition(b"\0\n")
    parts = [part.decode() for part in command.split(b"\0") if part]
    if asked.returncode or not parts:
        raise RuntimeError(f"Spark did not start: {last_words(log) or f'exit {asked.returncode}'}")
    return [part for part in parts if part != _VECTORS]


def _description(error: Exception, process: subprocess.Popen[bytes], log: Path) -> str:
    """Describe an error in Java: its cause, or the last output if Java has exited."""
    try:
        cause = error.java_exception  # type: ignore[attr-defined]
        while cause.getCause() is not None:
            cause = cause.getCause()
        return str(cause.toString())
    except AttributeError:  # not an exception of Java
        pass
    except Exception:  # noqa: BLE001, S110 (Java has exited)
        pass
    try:
        process.wait(_END)  # its connections close shortly before it exits
    except subprocess.TimeoutExpired:
        return f"{type(error).__name__} in a call of Java"
    return f"its Java process exited: {last_words(log)}"


def _let_python_decide() -> None:
    """Ignore Ctrl-C in Java: the process that owns it handles the signal."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _meet(process: subprocess.Popen[bytes], meeting: Path, log: Path) -> tuple[int, str]:
    """Return the port and the secret that Java writes to a file when it is ready."""
    deadline = time.monotonic() + _START
    while not meeting.exists():
        if process.poll() is not None:
            raise RuntimeError(f"Java exited while Spark was starting: {last_words(log)}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"Spark did not start in {_START:.0f} s: {last_words(log)}")
        time.sleep(0.02)
    content = meeting.read_bytes()
    port, length = struct.unpack_from("!ii", content)
    return port, content[8 : 8 + length].decode()


def _connect(port: int, secret: str, conf: Mapping[str, str]) -> Any:
    from pyspark import SparkConf, SparkContext
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import SparkSession

    given = {"PYSPARK_GATEWAY_PORT": str(port), "PYSPARK_GATEWAY_SECRET": secret}
    os.environ.update(given)
    try:
        gateway = launch_gateway()
    finally:
        for name in given:
            os.environ.pop(name, None)
    settings = SparkConf(loadDefaults=True, _jvm=gateway.jvm)
    for name, value in conf.items():
        settings.set(name, value)
    context = SparkContext(conf=settings, gateway=gateway)
    context.setLogLevel("ERROR")
    return SparkSession(context)


def _forget() -> None:
    """Reset the state, so that the next session of this process starts another Java."""
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    SparkContext._gateway = SparkContext._jvm = SparkContext._active_spark_context = None
    SparkSession._instantiatedSession = SparkSession._activeSession = None
    if "_mlpipes_process" in vars(SparkContext):
        del SparkContext._mlpipes_process
