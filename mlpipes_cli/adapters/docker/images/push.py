"""Push an image to a registry, with the credentials of Docker's own configuration."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlpipes_cli.adapters.docker.errors.push import refusal, unreadable_credentials
from mlpipes_cli.adapters.docker.errors.translate import translate_errors
from mlpipes_cli.adapters.docker.images.build import SAID_EVERY
from mlpipes_cli.errors import MlpipesError

if TYPE_CHECKING:
    from mlpipes_cli.adapters.docker.engine.connection import DockerEngine
    from mlpipes_cli.adapters.docker.images.reference import ImageReference
    from mlpipes_cli.ports import Reporter, Task

_THERE = ("Pushed", "Layer already exists", "Mounted from")


def push(engine: DockerEngine, image: ImageReference, reporter: Reporter) -> str:
    """Push an image that the engine has under this name; return the digest of its manifest.

    Layers that the registry has already are not sent again.

    Raises:
        MlpipesError: The registry did not take it; the message has the reason.
    """
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException
    from urllib3.exceptions import HTTPError

    started = time.monotonic()
    reporter.info(f"pushing {image.named}")
    try:
        with reporter.task(f"pushing {image.named}", every=SAID_EVERY) as task:
            digest = _sent(engine, image, task)
    except APIError as error:
        raise refusal(image, str(error.explanation or error)) from None
    except (RequestException, HTTPError, ConnectionError):
        raise MlpipesError(
            f"{image.named}: the Docker engine stopped responding while it pushed the image",
            "start Docker, then run the command again: layers that were sent are kept",
        ) from None
    except DockerException as error:  # a credential helper failed
        raise unreadable_credentials(image, error) from None
    reporter.info(f"pushed {image.named} ({time.monotonic() - started:.0f} s)")
    return digest


def _sent(engine: DockerEngine, image: ImageReference, task: Task) -> str:
    api: Any = engine.client.api
    layers: dict[str, bool] = {}
    digest = ""
    with contextlib.closing(api.push(image.repository, tag=image.tag, stream=True, decode=True)) as events:
        for event in events:
            if "error" in event:
                raise refusal(image, str(event["error"]))
            digest = _digest(event) or digest
            if layer := str(event.get("id") or ""):
                layers[layer] = str(event.get("status") or "").startswith(_THERE)
                task.note(f"{sum(layers.values())} of {len(layers)} layers")
    return digest or _known_digest(engine, image)


def _digest(event: Mapping[str, Any]) -> str:
    return str((event.get("aux") or {}).get("Digest") or "")


def _known_digest(engine: DockerEngine, image: ImageReference) -> str:
    """Return the digest that the engine noted for a repository; some engines do not send it as an event.

    Raises:
        MlpipesError: It has noted none.
    """
    with translate_errors(f"looking for {image.named}"):
        api: Any = engine.client.api
        found = api.inspect_image(image.named).get("RepoDigests") or []
    for reference in found:
        repository, _, digest = str(reference).partition("@")
        if repository == image.repository:
            return digest
    raise MlpipesError(f"{image.named} was pushed, but the engine does not know its digest")
