"""Create a container from an image by the image's name, so that ``docker ps`` shows the name, not the id."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from mlpipes_cli.adapters.docker.errors.translate import is_missing
from mlpipes_cli.adapters.docker.images.reference import parse

if TYPE_CHECKING:
    from docker.api import APIClient


def make_by_name(api: APIClient, image: str, reference: str, make: Callable[[str], str]) -> str:
    """Create a container of the image by its name, or by its id if the image has no name.

    A name may move to another image meanwhile, if a build ends: such a container is removed and created
    again by the id.

    Args:
        api: The engine's API client.
        image: The image's id.
        reference: ``name:tag`` or ``name:tag@sha256:…``, which may name another image.
        make: Creates a container from an image's name or id, and returns the container's id.

    Returns:
        The container's id.

    Raises:
        docker.errors.APIError: The engine refuses; no container is left.
    """
    name = name_of(api, image, reference)
    if name is None:
        return make(image)
    made = make(name)
    try:
        right = _same(api.inspect_container(made)["Image"], image)
        if not right:
            api.remove_container(made, force=True, v=True)
    except BaseException:
        api.remove_container(made, force=True, v=True)
        raise
    return made if right else make(image)


def name_of(api: APIClient, image: str, reference: str) -> str | None:
    """Return a name of the image: the reference, its ``name:tag`` or another tag; None if it has none."""
    wanted = parse(reference)
    for name in dict.fromkeys((reference, wanted.named)):
        if _same(str((inspect(api, name) or {}).get("Id")), image):
            return name
    tags = (inspect(api, image) or {}).get("RepoTags") or []
    return next((tag for tag in sorted(tags) if parse(tag).repository == wanted.repository), None)


def inspect(api: Any, name: str) -> Mapping[str, Any] | None:
    """Return the engine's details of an image; None if it does not exist."""
    from docker.errors import APIError

    try:
        return dict(api.inspect_image(name))
    except APIError as error:
        if is_missing(error):
            return None
        raise


def _same(first: str, second: str) -> bool:
    """Return whether two image ids are equal; Podman sometimes omits the prefix ``sha256:``."""
    return first.removeprefix("sha256:") == second.removeprefix("sha256:")
