"""Derives the prediction API's settings from ``serving`` in mlpipes.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlpipes_cli.config.serving import Serving
    from mlpipes_cli.server.settings import ServerSettings


def server_settings(serving: Serving, model: str, alias: str, state: Path) -> ServerSettings:
    """Return the settings of a server that follows the registry.

    Args:
        serving: The section.
        model: The registered model's name.
        alias: The alias that answers.
        state: The folder for pending predictions, and for copies of models.
    """
    from mlpipes_cli.server.settings import ServerSettings

    # a server of the challenger itself (`--alias staging`) has no version to mirror to
    mirror = serving.mirror if serving.mirror and serving.mirror.alias != alias else None
    return ServerSettings(
        model=model,
        alias=alias,
        also=serving.also,
        mirror_alias=mirror.alias if mirror else None,
        mirror_share=mirror.share if mirror else 1.0,
        max_bytes=serving.limits.body,
        max_rows=serving.limits.rows,
        max_waiting=serving.limits.waiting,
        answer_timeout=serving.limits.seconds,
        on_log_failure=serving.on_log_failure,
        spool=str(state / "spool"),
        scratch=str(state / "serving" / "models"),
        spool_bytes=serving.spool_size,
        cors=serving.cors,
        allowed_hosts=serving.allowed_hosts,
        access_log=serving.access_log,
        api_keys=serving.api_keys,
    )


def settings_in_image(
    serving: Serving, model: str, version: int, alias: str, folder: Path, promoted_at: str | None, files: str
) -> ServerSettings:
    """Return the settings of a server with one model in a folder, without a registry.

    Args:
        serving: The section.
        model: The registered model's name.
        version: Its version.
        alias: The alias in answers and stored rows.
        folder: The folder with the model.
        promoted_at: When it was promoted, ISO 8601, or None.
        files: The checksum of all its files, as ``build`` has verified them.
    """
    from dataclasses import replace

    told = server_settings(serving, model, alias, Path())
    alone = replace(told, also=(), mirror_alias=None, spool=None, scratch=None)
    return replace(alone, version=version, folder=str(folder), promoted_at=promoted_at, files=files)
