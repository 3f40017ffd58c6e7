"""Find, pull or build the images of services."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlpipes_cli.adapters.docker.containers import image_names
from mlpipes_cli.adapters.docker.errors.pull import RegistryUnreachable
from mlpipes_cli.adapters.docker.errors.translate import translate_errors
from mlpipes_cli.adapters.docker.images.base_images import bases as named_bases
from mlpipes_cli.adapters.docker.images.build import LABEL, build_image, dockerfile, fingerprint
from mlpipes_cli.adapters.docker.images.pull import pull
from mlpipes_cli.adapters.docker.images.reference import ImageReference, parse
from mlpipes_cli.compose.model import Service
from mlpipes_cli.errors import MlpipesError

if TYPE_CHECKING:
    from mlpipes_cli.adapters.docker.engine.connection import DockerEngine
    from mlpipes_cli.compose.model import Build
    from mlpipes_cli.ports import Reporter


@dataclass(frozen=True)
class ServiceImage:
    """Describes an image that the engine has.

    Attributes:
        id: The engine's id, ``sha256:…``, from which containers are created.
        reference: The name in the Compose file.
        digest_checked: Whether the image is verified to be the one with the digest in its name.
    """

    id: str
    reference: str
    digest_checked: bool


def find(engine: DockerEngine, service: Service) -> ServiceImage | None:
    """Return the service's image if the engine has the right one, without changing anything.

    Raises:
        MlpipesError: The engine does not answer.
    """
    if service.build is not None:
        return _built(engine, service.image, service.build)
    image = parse(service.image)
    if image.digest:
        found = _inspect(engine, image.pinned)
        if found:
            return ServiceImage(found["Id"], service.image, True)
    found = _inspect(engine, image.named)
    if found and (not image.digest or not found.get("RepoDigests")):
        return ServiceImage(found["Id"], service.image, False)
    if found and engine.digests_every_image and _in_use(engine, found["Id"]):
        return ServiceImage(found["Id"], service.image, False)  # accepted before, see `_offline`
    return None


def ensure(engine: DockerEngine, services: Sequence[Service], reporter: Reporter) -> dict[str, ServiceImage]:
    """Return each service's image by service name; pull or build missing images.

    A local image with the right name that was not pulled from a registry (built or loaded on this
    machine) is used instead of the one with the digest, and this is reported. An image that was pulled
    with another digest is not used. An engine that gives every image a digest (Podman) cannot
    distinguish the two: there the local image is used if its registry cannot be reached.

    Raises:
        MlpipesError: An image is not available; the message has the reason.
    """
    found: dict[str, ServiceImage] = {}
    reported: set[str] = set()
    for service in services:
        image = find(engine, service)
        if image is None:
            image = _made(engine, service, reporter)
        elif image.id not in reported:
            _tell(engine, image, reporter)
        reported.add(image.id)
        found[service.name] = image
    return found


def _made(engine: DockerEngine, service: Service, reporter: Reporter) -> ServiceImage:
    if service.build is not None:
        return _build(engine, service.image, service.build, reporter)
    reference = parse(service.image)
    try:
        pull(engine, reporter=reporter, image=reference)
    except RegistryUnreachable:
        image = _offline(engine, reference, reporter)
        if image is None:
            raise
        return image
    image = _pulled(engine, reference)
    if image is None:
        raise MlpipesError(f"{reference}: was pulled, but the image is missing", "run the command again")
    return image


def _offline(engine: DockerEngine, reference: ImageReference, reporter: Reporter) -> ServiceImage | None:
    """Return the local image of that name, if the engine cannot tell whether it came from a registry."""
    found = _inspect(engine, reference.named) if engine.digests_every_image else None
    if found is None:
        return None
    reporter.info(
        f"{reference.named}: {reference.registry} cannot be reached; using the local image (not verified)"
    )
    return ServiceImage(found["Id"], str(reference), False)


def _in_use(engine: DockerEngine, id: str) -> bool:
    """Return whether a container of the image exists."""
    with translate_errors("inspecting the containers"):
        rows = engine.client.api.containers(all=True)  # Podman does not filter by an image's id
        return any(row["ImageID"] == id for row in rows)


def _pulled(engine: DockerEngine, reference: ImageReference) -> ServiceImage | None:
    found = _inspect(engine, reference.pinned if reference.digest else reference.named)
    return ServiceImage(found["Id"], str(reference), bool(reference.digest)) if found else None


def _tell(engine: DockerEngine, image: ServiceImage, reporter: Reporter) -> None:
    """Report that an image is not verified, unless a container of it exists: then it was reported before."""
    if "@" in image.reference and not image.digest_checked:
        if _in_use(engine, image.id):
            return
        name = parse(image.reference).named
        reporter.info(f"{name}: using the local image, which was not pulled from a registry (not verified)")


def _built(engine: DockerEngine, name: str, build: Build) -> ServiceImage | None:
    wanted = fingerprint(build)
    found = _inspect(engine, name)
    if found and _labels(found).get(LABEL) == wanted:
        return ServiceImage(found["Id"], name, False)
    repository = parse(name).repository
    with translate_errors(f"looking for {name}"):
        images: list[Any] = engine.client.api.images(name=repository, filters={"label": f"{LABEL}={wanted}"})
    return ServiceImage(images[0]["Id"], name, False) if images else None


def _build(engine: DockerEngine, name: str, build: Build, reporter: Reporter) -> ServiceImage:
    """Build an image; concurrent builds of the same input end with the image that was complete first."""
    below = bases(engine, build, reporter)
    before = set(_alike(engine, name, build))
    own = build_image(engine, name, build, reporter, bases=below)
    made = [
        found for id in _alike(engine, name, build) if id not in before if (found := _inspect(engine, id))
    ]
    first = min(made, key=lambda found: str(found["Created"]), default={"Id": own})["Id"]
    if first != own:
        api, reference = engine.client.api, parse(name)
        with translate_errors(f"naming {name}"):
            api.tag(first, reference.repository, reference.tag)
    return ServiceImage(first, name, False)


def bases(
    engine: DockerEngine, build: Build, reporter: Reporter, platform: str | None = None
) -> dict[str, str]:
    """Provide the base images of a build, as :func:`ensure` does.

    For another platform nothing is pulled here: the engine pulls the image during the build.

    Returns:
        The name by which the build refers to each base image, by build argument.

    Raises:
        MlpipesError: An image is not available; the message has the reason.
    """
    found = {}
    for argument, reference in named_bases(dockerfile(build), build.args).items():
        service = Service(argument, reference)
        if platform is None:
            image = ensure(engine, [service], reporter)[argument]
        else:
            here = find(engine, service)
            image = here if here and _runs_on(engine, here, platform) else ServiceImage("", reference, True)
        name = parse(reference)
        found[argument] = name.pinned if name.digest and image.digest_checked else name.named
    return found


def _runs_on(engine: DockerEngine, image: ServiceImage, platform: str) -> bool:
    """Return whether an image is of that platform: ``linux/arm64``, ``linux/arm/v7``."""
    found = _inspect(engine, image.id) or {}
    return platform.split("/")[:2] == [found.get("Os"), found.get("Architecture")]


def _alike(engine: DockerEngine, name: str, build: Build) -> list[str]:
    """Return the ids of all images that were built from the same input, with any name or none."""
    mark = {"label": f"{LABEL}={fingerprint(build)}"}
    api: Any = engine.client.api
    with translate_errors(f"looking for {name}"):
        return [image["Id"] for image in api.images(filters=mark)]


def _labels(found: Mapping[str, Any]) -> Mapping[str, str]:
    return (found.get("Config") or {}).get("Labels") or {}


def _inspect(engine: DockerEngine, name: str) -> Mapping[str, Any] | None:
    with translate_errors(f"looking for the image {name}"):
        return image_names.inspect(engine.client.api, name)
