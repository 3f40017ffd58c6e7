"""Parse image references."""

from __future__ import annotations

from dataclasses import dataclass

HUB = "docker.io"


@dataclass(frozen=True)
class ImageReference:
    """Holds the parts of ``[host/]repository[:tag][@digest]``.

    Attributes:
        repository: With the registry's host, as it was written: ``postgres``, ``quay.io/minio/minio``.
        tag: ``latest`` if the name has neither a tag nor a digest.
        digest: ``sha256:…``, or empty.
    """

    repository: str
    tag: str
    digest: str

    @property
    def named(self) -> str:
        """``repository:tag``, the image's local name."""
        return f"{self.repository}:{self.tag}" if self.tag else self.repository

    @property
    def pinned(self) -> str:
        """``repository@digest``, which identifies the exact content."""
        return f"{self.repository}@{self.digest}"

    @property
    def registry(self) -> str:
        """The registry's host, with its port."""
        first, slash, _ = self.repository.partition("/")
        return first if slash and ("." in first or ":" in first or first == "localhost") else HUB

    def __str__(self) -> str:
        return f"{self.named}@{self.digest}" if self.digest else self.named


def parse(text: str) -> ImageReference:
    """Parse an image's name."""
    name, _, digest = text.partition("@")
    repository, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        repository, tag = name, ""
    return ImageReference(repository, tag or ("" if digest else "latest"), digest)
