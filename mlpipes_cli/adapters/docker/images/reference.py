"""What an image's name says."""

from __future__ import annotations

from dataclasses import dataclass

HUB = "docker.io"


@dataclass(frozen=True)
class ImageReference:
    """``[host/]repository[:tag][@digest]``.

    Attributes:
        repository: With the registry's host, as it was written: ``postgres``, ``quay.io/minio/minio``.
        tag: ``latest`` where none stands and there is no digest.
        digest: ``sha256:…``, or empty.
    """

    repository: str
    tag: str
    digest: str

    @property
    def named(self) -> str:
        """``repository:tag``, how the image is called on a machine."""
        return f"{self.repository}:{self.tag}" if self.tag else self.repository

    @property
    def pinned(self) -> str:
        """``repository@digest``, what no registry can answer with something else."""
        return f"{self.repository}@{self.digest}"

    @property
    def registry(self) -> str:
        """The registry's host, with its port."""
        first, slash, _ = self.repository.partition("/")
        return first if slash and ("." in first or ":" in first or first == "localhost") else HUB

    def __str__(self) -> str:
        return f"{self.named}@{self.digest}" if self.digest else self.named


def parse(text: str) -> ImageReference:
    """Take an image's name apart."""
    name, _, digest = text.partition("@")
    repository, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        repository, tag = name, ""
    return ImageReference(repository, tag or ("" if digest else "latest"), digest)
