"""The bill of materials (SBOM) of a model's image, as CycloneDX in JSON."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlpipes_cli.adapters.docker.images.requirement_hashes import packages

if TYPE_CHECKING:
    from cyclonedx.model.component import Component

    from mlpipes_cli.adapters.docker.images.reference import ImageReference
    from mlpipes_cli.ports.images import Recipe

FILE = "sbom.cdx.json"
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_OURS = uuid.UUID("5c2be1a6-07dc-4a5f-9a9e-2d8f6f0e1b47")  # the namespace of serial numbers


@dataclass(frozen=True)
class Package:
    """A Python package at its exact version.

    Attributes:
        name: As the index has it.
        version: The exact version.
        hashes: SHA-256 of the files that may be installed, in hexadecimal digits.
    """

    name: str
    version: str
    hashes: tuple[str, ...]


def listed(lock: str) -> Iterator[Package]:
    """Yield the packages of a requirements file with exact versions and hashes."""
    for pin, lines in packages(lock).items():
        name, _, version = pin.partition("==")
        plain = re.sub(r"[-_.]+", "-", name.partition("[")[0]).lower()
        yield Package(plain, version, tuple(_HASH.findall(lines)))


def document(recipe: Recipe, base: ImageReference, locks: Mapping[str, str]) -> str:
    """Return the document; the same image gives the same text.

    It lists the base image by its digest, the model, and each Python package by name, version and, where
    the lock allows one file only, its hash. Packages of the base image's Debian are not listed.

    Args:
        recipe: The image's inputs.
        base: The base image.
        locks: The packages of each environment in the image, as requirements files: by its name.
    """
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot6

    labels = recipe.labels
    name, version = labels["io.mlpipes.model"], labels["io.mlpipes.model.version"]
    image = Component(type=ComponentType.CONTAINER, name=f"mlpipes/{name}", version=version, bom_ref="image")
    made = [_base(base), _model(name, version, labels), *_python(locks)]
    bom = Bom(serial_number=uuid.uuid5(_OURS, repr((name, version, str(base), sorted(locks.items())))))
    bom.metadata.component = image
    bom.metadata.timestamp = None  # type: ignore[assignment]
    bom.components.update(made)
    bom.register_dependency(image, made)
    found = json.loads(JsonV1Dot6(bom).output_as_string())
    # First, so that a later build knows the file by its beginning, and replaces it.
    head = {key: found.pop(key) for key in ("$schema", "bomFormat", "specVersion") if key in found}
    return json.dumps({**head, **found}, indent=2) + "\n"


def _base(base: ImageReference) -> Component:
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    algorithm, _, digest = base.digest.partition(":")
    return Component(
        type=ComponentType.CONTAINER,
        name=base.repository,
        version=base.tag or base.digest,
        bom_ref="base",
        purl=PackageURL("docker", None, base.repository.rpartition("/")[2], base.digest or base.tag),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)] if algorithm == "sha256" else None,
    )


def _model(name: str, version: str, labels: Mapping[str, str]) -> Component:
    from cyclonedx.model import Property
    from cyclonedx.model.component import Component, ComponentType

    facts = {"mlpipes:run": labels.get("io.mlpipes.model.run", "")}
    facts["mlpipes:commit"] = labels.get("org.opencontainers.image.revision", "")
    return Component(
        type=ComponentType.MACHINE_LEARNING_MODEL,
        name=name,
        version=version,
        bom_ref="model",
        properties=[Property(name=key, value=value) for key, value in facts.items() if value],
    )


def _python(locks: Mapping[str, str]) -> Iterator[Component]:
    from cyclonedx.model import HashAlgorithm, HashType, Property
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    where: dict[Package, list[str]] = {}
    for environment, lock in locks.items():
        for package in listed(lock):
            where.setdefault(package, []).append(environment)
    for package, environments in where.items():
        only = package.hashes if len(package.hashes) == 1 else ()
        yield Component(
            type=ComponentType.LIBRARY,
            name=package.name,
            version=package.version,
            bom_ref=f"{'+'.join(environments)}/{package.name}=={package.version}",
            purl=PackageURL("pypi", None, package.name, package.version),
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in only] or None,
            properties=[Property(name="mlpipes:environment", value=name) for name in environments],
        )
