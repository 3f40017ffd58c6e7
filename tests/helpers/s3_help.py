"""A real S3 server for tests: rclone's, over a folder."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from waiting import until

RCLONE = shutil.which("rclone", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
KEYS = ("theid", "thesecret")


@contextlib.contextmanager
def s3_server(root: Path, *, looks: bool = True) -> Iterator[str]:
    """Serve the folders in ``root`` as buckets; gives the address.

    With ``looks`` it soon sees what others do to the folders. (Not at once: with no cache at all rclone
    keeps a processor busy for each folder that it has seen.)
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    keys = ",".join(KEYS)
    command = [str(RCLONE), "serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", keys]
    command += [*(["--dir-cache-time", "20ms"] if looks else []), "--vfs-cache-mode", "off", str(root)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: _open(port), 90)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(10)


def _open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
