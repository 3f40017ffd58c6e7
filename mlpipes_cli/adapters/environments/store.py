"""Finds, builds, holds, lists and removes the environments of this machine.

``FOLDER/HASH/`` is an environment, complete once it holds ``mlpipes.json``, which is written last.
``HASH.lock`` is held exclusively to build or remove it and shared by all its users; its modification time is
that of the last use. ``requests/KEY.json`` maps a request to its exact versions.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from mlpipes_cli.adapters.environments import files, hashes
from mlpipes_cli.adapters.environments.file_lock import EnvironmentLock
from mlpipes_cli.adapters.environments.interpreters import Interpreters
from mlpipes_cli.adapters.environments.pip_settings import uv_environment
from mlpipes_cli.adapters.environments.uv import Uv
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports.environments import BuiltEnvironment, EnvironmentSpec, Say, silent

MARKER = "mlpipes.json"
_RESOLVING = ".resolve-"
_LONG = 3600.0  # no resolution takes longer than so many seconds


def cache(environ: Mapping[str, str]) -> Path:
    """Return the folder that projects share."""
    if environ.get("MLPIPES_CACHE"):
        return Path(environ["MLPIPES_CACHE"]).expanduser().absolute()
    home = Path(environ.get("HOME") or "~").expanduser()
    return Path(environ.get("XDG_CACHE_HOME") or home / ".cache").absolute() / "mlpipes"


class EnvironmentStore:
    """Implements :class:`mlpipes_cli.ports.environments.Environments`.

    Args:
        environ: The environment variables that apply.
        folder: Holds the environments; the shared cache if omitted.
    """

    def __init__(self, environ: Mapping[str, str] | None = None, folder: Path | None = None) -> None:
        environ = dict(os.environ if environ is None else environ)
        self._folder = folder or cache(environ) / "environments"
        variables = uv_environment(environ)
        if environ.get("PYTHONDONTWRITEBYTECODE"):  # imports would not keep bytecode, so uv compiles it
            variables.setdefault("UV_COMPILE_BYTECODE", "1")
        self._uv = Uv(variables, self.folder)
        self._interpreters = Interpreters(self._uv, environ, self.folder.parent / "pythons")
        self._held: dict[str, EnvironmentLock] = {}
        self._guard = threading.Lock()

    @property
    def folder(self) -> Path:
        """The folder that holds the environments."""
        return self._folder

    def __enter__(self) -> EnvironmentStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop running builds and release all held environments."""
        self._uv.stop()
        with self._guard:
            held, self._held = self._held, {}
        for hold in held.values():
            hold.release()

    def interpreter(self, version: str) -> Path | None:
        """Return a Python of that version on this machine, or None."""
        return self._interpreters.find(version)

    def find(self, spec: EnvironmentSpec) -> BuiltEnvironment | None:
        """Return the environment if it exists, held from now on."""
        lock = self._known(spec)
        if lock is None:
            return None
        digest = hashes.of_environment(spec.python, lock)
        if self._read(digest) is None:
            return None
        hold = EnvironmentLock(self._lock_file(digest))
        with files.may_fail(self.folder):
            return self._held_now(digest, hold) if hold.take(shared=True) else None

    def ensure(self, spec: EnvironmentSpec, log: Path | None = None, say: Say = silent) -> BuiltEnvironment:
        """Return the environment, built if necessary, held from now on.

        Raises:
            MlpipesError: It cannot be built.
        """
        with files.may_fail(self.folder):
            if found := self.find(spec):
                return found
            lock = self._known(spec) or self._resolve(spec, log, say)
            digest = hashes.of_environment(spec.python, lock)
            hold = EnvironmentLock(self._lock_file(digest))
            while True:
                waiting = (
                    f"{spec.purpose or digest}: waiting for another process to build the same environment"
                )
                if not hold.wait(False, lambda text=waiting: say(text), lambda: self._uv.stopped):  # type: ignore[misc]
                    raise MlpipesError("stopped")
                try:
                    if self._read(digest) is None:
                        self._build(spec, digest, lock, log, say)
                except BaseException:
                    hold.remove()
                    raise
                # The change from exclusive to shared is not atomic: another process may remove it in between.
                if hold.take(shared=True) and (built := self._held_now(digest, hold)):
                    return built

    def listing(self) -> list[BuiltEnvironment]:
        """Return all existing environments, the most recently used first."""
        purposes: dict[str, set[str]] = {}
        for file in (self.folder / "requests").glob("*.json"):
            if (request := files.read_json(file)) and request.get("purpose"):
                purposes.setdefault(str(request["hash"]), set()).add(str(request["purpose"]))
        found = []
        for marker in self.folder.glob(f"*/{MARKER}"):
            if (built := self._read(marker.parent.name)) is not None:
                names = sorted(
                    purposes.get(built.hash, set()) | ({built.purpose} if built.purpose else set())
                )
                found.append(dataclasses.replace(built, purpose=", ".join(names)))
        return sorted(found, key=lambda built: -built.last_used)

    def remove(self, digest: str) -> bool:
        """Remove an environment and the requests that led only to it; return False if it is in use."""
        hold = EnvironmentLock(self._lock_file(digest))
        with files.may_fail(self.folder):
            if not hold.take(shared=False):
                return False
            if files.runs_from(self.folder / digest):
                hold.release()
                return False
            (self.folder / digest / MARKER).unlink(missing_ok=True)  # from now on it is not an environment
            shutil.rmtree(self.folder / digest, ignore_errors=True)
            for file in (self.folder / "requests").glob("*.json"):
                if (files.read_json(file) or {}).get("hash") == digest:
                    file.unlink(missing_ok=True)
            hold.remove()
            return True

    def sweep(self) -> int:
        """Remove what killed builds left; return how many there were."""
        count = 0
        for folder in self.folder.glob("*"):
            if not folder.is_dir() or folder.name == "requests" or (folder / MARKER).exists():
                continue
            if folder.name.startswith(_RESOLVING):  # it takes no lock, and never runs long
                if files.changed(folder) < time.time() - _LONG:
                    shutil.rmtree(folder, ignore_errors=True)
                continue
            hold = EnvironmentLock(self._lock_file(folder.name))
            if hold.take(shared=False):
                shutil.rmtree(folder, ignore_errors=True)
                hold.remove()
                count += 1
        return count

    def _lock_file(self, digest: str) -> Path:
        return self.folder / f"{digest}.lock"

    def _known(self, spec: EnvironmentSpec) -> tuple[str, ...] | None:
        if spec.lock is not None:
            return hashes.pins(spec.lock)
        request = files.read_json(self.folder / "requests" / f"{hashes.of_request(spec)}.json")
        return tuple(request["lock"]) if request else None

    def _read(self, digest: str) -> BuiltEnvironment | None:
        """Return the environment of a hash if it is complete."""
        folder = self.folder / digest
        python = folder / "bin" / "python"
        marker = files.read_json(folder / MARKER)
        if marker is None or not python.exists():  # exists follows the link to the Python it was made with
            return None
        with contextlib.suppress(OSError, KeyError, TypeError, ValueError):
            return BuiltEnvironment(
                hash=digest,
                python=python,
                version=str(marker["python"]),
                pins=tuple(marker["lock"]),
                purpose=str(marker["purpose"]),
                size=int(marker["size"]),
                last_used=files.changed(self._lock_file(digest)) or float(marker["built"]),
                seconds=float(marker["seconds"]),
            )
        return None

    def _held_now(self, digest: str, hold: EnvironmentLock) -> BuiltEnvironment | None:
        """Return a complete environment under our shared lock; this counts as a use."""
        built = self._read(digest)
        if built is None:
            hold.release()
            return None
        with contextlib.suppress(OSError):
            os.utime(self._lock_file(digest))
        with self._guard:
            if digest in self._held:
                hold.release()
            else:
                self._held[digest] = hold
        return built

    def _resolve(self, spec: EnvironmentSpec, log: Path | None, say: Say) -> tuple[str, ...]:
        say(f"{spec.purpose}: resolving the package versions of its environment")
        python = self._interpreters.get(spec.python, log)
        (self.folder / "requests").mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=_RESOLVING, dir=self.folder) as place:
            wanted, fixed, out = (Path(place) / name for name in ("wanted.in", "fixed.txt", "pins.txt"))
            wanted.write_text("\n".join(spec.requirements) + "\n", encoding="utf-8")
            fixed.write_text("\n".join(spec.constraints) + "\n", encoding="utf-8")
            out.write_text("\n".join(spec.preferences) + "\n", encoding="utf-8")
            options = [
                "--no-annotate",
                "--no-header",
                "--no-emit-index-url",
                "--no-emit-find-links",
                "--quiet",
            ]
            command = ["pip", "compile", "--python", str(python), *options, "--constraints", str(fixed)]
            self._uv.run([*command, "--output-file", str(out), str(wanted)], log)
            lock = hashes.pins(out.read_text(encoding="utf-8").splitlines())
        digest = hashes.of_environment(spec.python, lock)
        content = {"hash": digest, "python": spec.python, "lock": list(lock), "purpose": spec.purpose}
        files.write_json(self.folder / "requests" / f"{hashes.of_request(spec)}.json", content)
        return lock

    def _build(
        self, spec: EnvironmentSpec, digest: str, lock: tuple[str, ...], log: Path | None, say: Say
    ) -> None:
        """Build it in its final place, since an environment cannot be moved."""
        say(f"{spec.purpose or digest}: building its environment, {len(lock)} packages")
        folder, started = self.folder / digest, time.monotonic()
        python = self._interpreters.get(spec.python, log)
        shutil.rmtree(folder, ignore_errors=True)
        try:
            self._uv.run(["venv", "--quiet", "--no-project", "--python", str(python), str(folder)], log)
            (folder / "requirements.txt").write_text("\n".join(lock) + "\n", encoding="utf-8")
            command = ["pip", "install", "--quiet", "--python", str(folder / "bin" / "python")]
            self._uv.run([*command, "--requirements", str(folder / "requirements.txt")], log)
            seconds = time.monotonic() - started
            content = {"hash": digest, "python": spec.python, "lock": list(lock), "purpose": spec.purpose}
            files.write_json(
                folder / MARKER,
                content | {"size": files.size_of(folder), "seconds": round(seconds, 2), "built": time.time()},
            )
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        say(f"{spec.purpose or digest}: its environment was built in {seconds:.0f} s")
