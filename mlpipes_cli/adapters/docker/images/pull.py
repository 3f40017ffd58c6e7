"""Pull an image from its registry, with a progress bar for each layer."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mlpipes_cli.adapters.docker.errors.pull import refusal
from mlpipes_cli.adapters.docker.images.build import SAID_EVERY
from mlpipes_cli.errors import MlpipesError

if TYPE_CHECKING:
    from mlpipes_cli.adapters.docker.engine.connection import DockerEngine
    from mlpipes_cli.adapters.docker.images.reference import ImageReference
    from mlpipes_cli.ports import Reporter, Task

_MEGABYTE = 1e6
_NOTED = 10  # megabytes between two notes
_DONE = ("Download complete", "Pull complete", "Already exists")


def pull(engine: DockerEngine, image: ImageReference, reporter: Reporter) -> None:
    """Pull an image: by digest if its name has one, else by tag.

    After Ctrl-C, the engine keeps the complete layers and does not pull them again.

    Raises:
        MlpipesError: The image could not be pulled; the message has the reason.
    """
    started = time.monotonic()
    reporter.info(f"pulling {image}")
    api = engine.client.api
    with _refused(engine, image), LayerProgress(str(image), reporter) as layers:
        stream = api.pull(image.repository, tag=image.digest or image.tag, stream=True, decode=True)
        with contextlib.closing(stream):
            for event in stream:
                if "error" in event:
                    raise refusal(image, str(event["error"]), logged_in=_logged_in(engine, image))
                layers.show(event)
        megabytes = layers.downloaded / _MEGABYTE
    reporter.info(f"pulled {image.named} ({megabytes:.1f} MB in {time.monotonic() - started:.0f} s)")


@contextlib.contextmanager
def _refused(engine: DockerEngine, image: ImageReference) -> Iterator[None]:
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except APIError as error:
        message = str(error.explanation or error)
        raise refusal(image, message, logged_in=_logged_in(engine, image)) from None
    except (RequestException, HTTPError, ConnectionError):
        raise MlpipesError(
            f"{image}: the Docker engine stopped responding while it pulled the image",
            "start Docker, then run the command again: completed layers are kept",
        ) from None
    except DockerException as error:  # a credential helper failed
        raise MlpipesError(
            f"{image}: the credentials for {image.registry} cannot be read ({error})",
            f"run `docker login {image.registry}` again, or remove them from ~/.docker/config.json",
        ) from None


def _logged_in(engine: DockerEngine, image: ImageReference) -> bool:
    from docker.errors import DockerException

    configs: Any = engine.client.api._auth_configs  # type: ignore[attr-defined]
    try:
        return bool(configs.resolve_authconfig(image.registry))
    except DockerException:
        return False


class LayerProgress:
    """Turns the engine's events about layers into progress, in megabytes."""

    def __init__(self, title: str, reporter: Reporter) -> None:
        self._title, self._reporter = title, reporter
        self._open = contextlib.ExitStack()
        self._tasks: dict[str, tuple[str, Task, contextlib.ExitStack]] = {}
        self._at: dict[str, float] = {}
        self._totals: dict[str, float] = {}
        self._sizes: dict[str, float] = {}
        self._arrived: dict[str, float] = {}
        self._whole_layers: dict[str, bool] = {}
        self._noted = (0, 0, 0)

    def __enter__(self) -> LayerProgress:
        self._task = self._open.enter_context(self._reporter.task(f"pulling {self._title}", every=SAID_EVERY))
        return self

    def __exit__(self, *exc: object) -> None:
        for _, _, stack in self._tasks.values():
            stack.close()
        self._open.close()

    @property
    def downloaded(self) -> float:
        """The size in bytes of the layers that were pulled or are being pulled."""
        return sum(self._sizes.values())

    def show(self, event: Mapping[str, Any]) -> None:
        """Show an event: ``{"id": layer, "status": …, "progressDetail": {"current", "total"}}``."""
        layer, status = str(event.get("id") or ""), str(event.get("status") or "")
        detail = event.get("progressDetail") or {}
        current, total = float(detail.get("current") or 0.0), float(detail.get("total") or 0.0)
        if not layer:
            return
        if status == "Downloading":  # the last event before the end may be missing: count the whole
            self._sizes[layer] = max(current, total)
            self._arrived[layer] = current
        self._count(layer, status)
        if status in _DONE:
            self._fill(layer)
            self._close(layer)
        elif total > 0 and status in ("Downloading", "Extracting"):
            self._move(layer, status, current, total)

    def _count(self, layer: str, status: str) -> None:
        """Report the overall progress: after each layer, and after each ten megabytes."""
        if status == "Pulling fs layer":
            self._whole_layers.setdefault(layer, False)
        if status in ("Pull complete", "Already exists"):
            self._whole_layers[layer] = True
        if status in _DONE and layer in self._sizes:
            self._arrived[layer] = self._sizes[layer]
        ended = sum(self._whole_layers.values())
        megabytes = sum(self._arrived.values()) / _MEGABYTE
        at = (ended, len(self._whole_layers), int(megabytes // _NOTED))
        if at != self._noted:
            self._noted = at
            self._task.note(f"{ended} of {len(self._whole_layers)} layers, {megabytes:.1f} MB fetched")

    def _move(self, layer: str, status: str, current: float, total: float) -> None:
        if self._tasks.get(layer, ("",))[0] != status:
            self._close(layer)
            self._totals[layer] = total
            stack = contextlib.ExitStack()
            task = stack.enter_context(
                self._reporter.task(f"  {layer} {status.lower()} (MB)", round(total / _MEGABYTE, 1))
            )
            self._tasks[layer] = (status, task, stack)
            self._at[layer] = 0.0
        task = self._tasks[layer][1]
        task.advance((current - self._at[layer]) / _MEGABYTE)
        self._at[layer] = current

    def _fill(self, layer: str) -> None:
        """Complete a layer's bar: the engine does not report the last bytes of a layer."""
        if layer in self._tasks:
            self._tasks[layer][1].advance((self._totals[layer] - self._at[layer]) / _MEGABYTE)

    def _close(self, layer: str) -> None:
        if layer in self._tasks:
            self._tasks.pop(layer)[2].close()
