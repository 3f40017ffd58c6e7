"""A Docker engine of the tests' own, which they may stop and kill; the machine's own is never touched.

It lives in a network namespace of its own, as if on another machine: neither its bridges nor its firewall
rules meet the machine's. Whoever talks to a container of it has to be in there too (:meth:`inside`); its
own socket is an ordinary file.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from conftest import Cli
from docker_help import CORE, is_present, references
from waiting import until

_NAMESPACE = """
import fcntl, socket, struct, sys
with socket.socket() as any:
    fcntl.ioctl(any, 0x8914, struct.pack("16sh14x", b"lo", 0x41))  # set flags: up, running
print("ready", flush=True)
sys.stdin.read()
"""


def missing_for_it() -> str:
    """What a private engine cannot do without, and is not here; empty if nothing."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return "root on Linux"
    lacking = [name for name in ("dockerd", "unshare", "nsenter", "umount") if not _program(name)]
    return ", ".join(lacking)


def _program(name: str) -> str:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:/usr/local/sbin") or ""


@dataclass
class PrivateEngine:
    """An engine, its namespace and its folder.

    Attributes:
        folder: Short, since sockets have short names.
    """

    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="engine-")))
    _space: subprocess.Popen[str] | None = None
    _daemon: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        """Its address, for DOCKER_HOST."""
        return f"unix://{self.folder}/sock"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def inside(self, *command: str) -> list[str]:
        """The command, run where the containers' ports are."""
        assert self._space is not None
        return [_program("nsenter"), f"--net=/proc/{self._space.pid}/ns/net", "--", *command]

    # -- the namespace and the images

    def begin(self) -> None:
        self._space = subprocess.Popen(
            [_program("unshare"), "--net", sys.executable, "-c", _NAMESPACE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._space.stdout is not None
        assert self._space.stdout.readline() == "ready\n"
        self.start()

    def bring_images(self, other: Any) -> None:
        """The images of a stack, from another engine's client; here they come from no registry."""
        import mlpipes_cli

        known = references()
        names = [known[name].split("@")[0] for name in CORE if name != "python"]
        built = f"mlpipes-mlflow:{mlpipes_cli.__version__}"
        names += [built] if is_present(other, built) else []
        with self.client() as client:
            for name in names:
                stream = other.api.get_image(name)
                with contextlib.closing(stream):
                    client.api.load_image(stream)
            assert all(is_present(client, name) for name in names)

    @contextlib.contextmanager
    def client(self) -> Iterator[Any]:
        import docker

        with contextlib.closing(docker.DockerClient(self.host, timeout=120)) as client:
            yield client

    # -- its life

    def start(self) -> None:
        folders = [f"--{name}={self.folder / name}" for name in ("data-root", "exec-root")]
        command = [_program("dockerd"), *folders, f"--pidfile={self.folder}/pid", f"--host={self.host}"]
        with (self.folder / "log").open("ab") as log:
            self._daemon = subprocess.Popen(
                self.inside(*command, "--bridge=none"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until(self._answers, 60)

    def _answers(self) -> bool:
        assert self._daemon is not None and self._daemon.poll() is None, self.log[-2000:]
        with contextlib.suppress(Exception), self.client() as client:
            return bool(client.ping())
        return False

    def stop(self, number: int = signal.SIGTERM) -> None:
        assert self._daemon is not None
        self._daemon.send_signal(number)
        self._daemon.wait(120)
        self._forget_containerd()

    def _forget_containerd(self) -> None:
        """What a killed engine leaves of its own helper would keep the next one from starting its own."""
        file = self.folder / "exec-root" / "containerd" / "containerd.pid"
        with contextlib.suppress(FileNotFoundError, ValueError):
            pid = int(file.read_text())
            with contextlib.suppress(psutil.NoSuchProcess):
                helper = psutil.Process(pid)
                if str(self.folder) in " ".join(helper.cmdline()):
                    helper.kill()
                    psutil.wait_procs([helper], timeout=5)  # it may stay as a zombie that nobody fetches
            file.unlink()

    def end(self) -> None:
        """Everything of it, the containers that a killed engine left too."""
        if self._daemon is not None:
            if self._daemon.poll() is not None:
                self.start()  # it takes over what still runs
            with self.client() as client:
                for one in client.containers.list(all=True, ignore_removed=True):
                    one.remove(force=True, v=True)
            self.stop()
        if self._space is not None:
            self._space.communicate(timeout=30)
        subprocess.run([_program("umount"), "--quiet", str(self.folder / "data-root")], check=False)
        shutil.rmtree(self.folder)


class InsideCli(Cli):
    """The binary, run where the private engine's ports are, and on that engine."""

    warm = False

    def __init__(self, engine: PrivateEngine, home: Path, cwd: Path) -> None:
        super().__init__(home, cwd)
        self.engine = engine
        self.environment["DOCKER_HOST"] = engine.host

    def command(self, *args: str | Path) -> list[str]:
        return self.engine.inside(*super().command(*args))
