"""Under which name a container is made from an image, so that ``docker ps`` shows it and not an id."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from mlpipes_cli.adapters.docker.errors.translate import is_missing
from mlpipes_cli.adapters.docker.images.reference import parse

if TYPE_CHECKING:
    from docker.api import APIClient


def make_by_name(api: APIClient, image: str, reference: str, make: Callable[[str], str]) -> str:
    """Make a container of the image by its name, or by its id where no name stands for it.

    A name may move to another image meanwhile (a build that ends just then): such a container is removed,
    and made again by the id.

    Args:
        api: The engine's own interface.
        image: The image's id.
        reference: ``name:tag`` or ``name:tag@sha256:…``, which may stand for another image.
        make: Makes the container of what is given (a name or an id); returns its id.

    Returns:
        The container's id.

    Raises:
        docker.errors.APIError: The engine refuses; nothing is left.
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
    """A name of this very image: the reference, its ``name:tag``, or another tag; None where it has none."""
    wanted = parse(reference)
    for name in dict.fromkeys((reference, wanted.named)):
        if _same(str((_inspect(api, name) or {}).get("Id")), image):
            return name
    tags = (_inspect(api, image) or {}).get("RepoTags") or []
    return next((tag for tag in sorted(tags) if parse(tag).repository == wanted.repository), None)


def _inspect(api: Any, name: str) -> Mapping[str, Any] | None:
    from docker.errors import APIError

    try:
        return dict(api.inspect_image(name))
    except APIError as error:
        if is_missing(error):
            return None
        raise


def _same(one: str, other: str) -> bool:
    """Podman leaves the algorithm out in some places."""
    return one.removeprefix("sha256:") == other.removeprefix("sha256:")
