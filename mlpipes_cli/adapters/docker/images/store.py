"""List and remove the images that mlpipes has built on an engine, found by their label."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlpipes_cli.adapters.docker.engine.connection import DockerEngine
from mlpipes_cli.adapters.docker.errors.translate import is_missing, translate_errors
from mlpipes_cli.adapters.docker.images.build import LABEL, fingerprint
from mlpipes_cli.adapters.docker.stack.settings import compose_file
from mlpipes_cli.compose.builds import builds
from mlpipes_cli.ports.image_store import OwnImage

_MODEL, _VERSION = "io.mlpipes.model", "io.mlpipes.model.version"
_CONFLICT = 409


@dataclass(frozen=True)
class DockerImageStore:
    """Implements :class:`mlpipes_cli.ports.image_store.ImageStore` for one engine."""

    engine: DockerEngine

    def listing(self) -> Sequence[OwnImage]:
        current = {fingerprint(build) for build in builds(compose_file())}
        api: Any = self.engine.client.api
        with translate_errors("looking at the images"):
            rows = api.images(filters={"label": [LABEL]})
            used = self._containers()
        images = {row["Id"]: _image(row, current, used[row["Id"]]) for row in rows}
        return sorted(images.values(), key=lambda stored: -stored.created)

    def _containers(self) -> Mapping[str, list[str]]:
        """Return the containers' names by the id of their image."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for row in self.engine.client.api.containers(all=True):
            found[row["ImageID"]].append((row.get("Names") or [row["Id"][:12]])[0].lstrip("/"))
        return found

    def remove(self, image: OwnImage) -> bool:
        from docker.errors import APIError

        with translate_errors(f"removing the image {image.names[0] if image.names else image.id}"):
            if self._containers()[image.id]:
                return False
            for name in image.names or (image.id,):
                try:
                    self.engine.client.api.remove_image(name)
                except APIError as error:
                    if error.status_code == _CONFLICT:
                        return False
                    if not is_missing(error):
                        raise
        return True


def _image(row: Mapping[str, Any], current: set[str], used_by: Sequence[str]) -> OwnImage:
    labels = row.get("Labels") or {}
    model = labels.get(_MODEL, "")
    names = sorted(name for name in row.get("RepoTags") or () if not name.startswith("<none>"))
    return OwnImage(
        id=row["Id"],
        names=tuple(names),
        kind="model" if model else "service",
        model=f"{model} {labels.get(_VERSION, '')}".strip() if model else "",
        current=bool(model) or labels[LABEL] in current,
        created=float(row["Created"]),
        size=int(row["Size"]),
        used_by=tuple(sorted(used_by)),
    )
