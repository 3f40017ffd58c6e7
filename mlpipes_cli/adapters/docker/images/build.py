"""Build an image from a folder or a set of files."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from mlpipes_cli.adapters.docker.errors.pull import kind_of, refusal
from mlpipes_cli.adapters.docker.errors.translate import translate_errors
from mlpipes_cli.adapters.docker.images.base_images import filled
from mlpipes_cli.adapters.docker.images.reference import parse
from mlpipes_cli.errors import MlpipesError

if TYPE_CHECKING:
    from mlpipes_cli.adapters.docker.engine.connection import DockerEngine
    from mlpipes_cli.compose.model import Build
    from mlpipes_cli.ports import Reporter

LABEL = "mlpipes.build"
SAID_EVERY = 10.0  # seconds between two lines if no progress bar is shown
_LAST = 8
_NOTE = 80  # characters of a build's last line that are shown beside its step
_STEP = re.compile(r"step (\d+/\d+) ?: (.*)", re.IGNORECASE)  # Podman writes `STEP 3/9: RUN …`
_NETWORK = re.compile(
    r"name resolution|name or service not known|resolve host|network is unreachable"
    r"|timed out|max retries|connection refused|no matching distribution|certificate",
    re.IGNORECASE,
)


def fingerprint(build: Build) -> str:
    """Return a hash of an image's build input: the files, the Dockerfile's name, the arguments.

    Raises:
        MlpipesError: A file cannot be read, or the Dockerfile does not exist.
    """
    digest = hashlib.sha256(repr((build.dockerfile, sorted(build.args.items()))).encode())
    for name, content in _files(build):
        digest.update(f"\0{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:32]


def dockerfile(build: Build) -> str:
    """Return the text of a build's Dockerfile.

    Raises:
        MlpipesError: The Dockerfile does not exist, or cannot be read.
    """
    return dict(_files(build))[build.dockerfile].decode()


def _files(build: Build) -> Iterator[tuple[str, bytes]]:
    """Yield the files by their path in the build; folders without hidden files and compiled Python."""
    parts = build.parts or {"": build.context}
    for needed in (build.parts.get(build.dockerfile, build.context / build.dockerfile), *parts.values()):
        if not needed.exists():
            raise MlpipesError(f"{needed}: no such file", "the installation is damaged: reinstall mlpipes")
    for name, source in sorted(parts.items()):
        if source.is_file():
            yield name, _content(source)
            continue
        for path in sorted(source.rglob("*")):
            below = path.relative_to(source).parts
            if path.is_file() and not any(part.startswith(".") or part == "__pycache__" for part in below):
                yield "/".join((name, *below) if name else below), _content(path)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise MlpipesError(f"{path}: cannot be read ({error.strerror})", "check its permissions") from None


def _tar(build: Build) -> IO[bytes]:
    """Return the files as an archive in a temporary file, determined by their names and content alone."""
    packed = tempfile.TemporaryFile()  # noqa: SIM115  closed by the caller
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in _files(build):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.mode = 0o755 if content.startswith(b"#!") else 0o644
            archive.addfile(entry, io.BytesIO(content))
    packed.seek(0)
    return packed


def build_image(
    engine: DockerEngine,
    name: str,
    build: Build,
    reporter: Reporter,
    *,
    labels: Mapping[str, str] | None = None,
    platform: str | None = None,
    bases: Mapping[str, str] | None = None,
) -> str:
    """Build an image, tag it with the name, and return its id.

    The name moves only when the image is complete; an interrupted build leaves unnamed images, which
    ``docker image prune`` removes.

    Args:
        engine: The engine that builds.
        name: The image's name, with a tag.
        build: The build input.
        reporter: Receives messages and progress.
        labels: Additional labels.
        platform: Such as linux/arm64; None is the engine's own.
        bases: The base images that the engine has, by the build argument that names them.

    Raises:
        MlpipesError: A step failed (with its last lines), or the base image is not available.
    """
    started = time.monotonic()
    reporter.info(f"building {name}")
    marks = {**(labels or {}), LABEL: fingerprint(build)}
    args = {**build.args, **(bases or {})}
    task_title = f"building {name}"
    with (
        reporter.task(task_title, every=SAID_EVERY) as task,
        translate_errors(task_title),
        _tar(build) as packed,
    ):
        events = engine.client.api.build(
            fileobj=packed,
            custom_context=True,
            dockerfile=build.dockerfile,
            buildargs=args,
            tag=name,
            labels=marks,
            platform=platform,
            rm=True,
            forcerm=True,
            pull=False,
            use_config_proxy=True,
            decode=True,
        )
        progress = BuildProgress(f"{name} for {platform}" if platform else name, args)
        for event in events:
            progress.take(event)
            for line in progress.lines:
                reporter.detail(line)
            if progress.lines:
                task.note(progress.note)
    with translate_errors(f"looking for {name}"):
        api: Any = engine.client.api
        id = str(api.inspect_image(name)["Id"])
    reporter.info(f"built {name} ({time.monotonic() - started:.0f} s)")
    return id


class BuildProgress:
    """Follows the events of a build; raises an error if the build failed.

    Attributes:
        lines: The lines of the last event.
    """

    def __init__(self, name: str, args: Mapping[str, str]) -> None:
        self._name, self._args, self.lines = name, args, list[str]()
        self._step, self._last = "", deque[str](maxlen=_LAST)

    @property
    def note(self) -> str:
        """The current step, the number of steps, the shortened last line: ``step 4/9: Collecting numpy``."""
        number, _, order = self._step.partition(" : ")
        line = self._last[-1] if self._last else " ".join(order.split())
        shown = line if len(line) <= _NOTE else f"{line[: _NOTE - 1]}…"
        return f"{number.lower()}: {shown}" if number else shown

    def take(self, event: dict[str, object]) -> None:
        """Process one event: ``{"stream": text}``, ``{"status": …}`` of a pull, or ``{"error": text}``."""
        if "error" in event:
            raise self._failed(str(event["error"]))
        text = str(event.get("stream") or "")
        plain = (re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", line).strip() for line in text.splitlines())
        self.lines = [line for line in plain if line]
        for line in self.lines:
            begun = _STEP.fullmatch(line)
            if begun:
                self._step = f"Step {begun[1]} : {begun[2]}"
                self._last.clear()
            elif not line.startswith(("--> ", "---> ", "Removing intermediate container")):
                self._last.append(line)

    def _failed(self, message: str) -> MlpipesError:
        words = self._step.partition(" : ")[2].split()
        if words[:1] == ["FROM"] and len(words) > 1 and kind_of(message):
            base = refusal(parse(filled(words[1], self._args)), message)
            return MlpipesError(f"building {self._name}: {base.reason}", base.hint)
        lines = " | ".join(self._last)
        step = self._step.split(" : ")[0] or "the build"
        detail = f"; its last lines: {lines}" if lines else ""
        return MlpipesError(
            f"building {self._name}: {step} failed: {' '.join(message.split())[:300]}{detail}",
            _hint(f"{message} {lines}"),
        )


def _hint(text: str) -> str:
    if "no space left" in text.lower():
        return "free disk space on the engine (`docker system df`)"
    if "specified platform" in text or "exec format error" in text.lower():
        return "this engine cannot build for that platform: use one that can, or leave out --platform"
    if _NETWORK.search(text):
        return "a build needs the network: check it and the proxy in ~/.docker/config.json, then try again"
    return "run the command again with -v to see the full build output"
