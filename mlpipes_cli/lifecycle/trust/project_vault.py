"""The models of a project's registry that may be loaded."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlpipes_cli.lifecycle.secrets import model_key

if TYPE_CHECKING:
    from mlpipes_cli.ports import Endpoints
    from mlpipes_cli.project import ProjectFolder
    from mlpipes_cli.signing.vault import Vault


def of(project: ProjectFolder, endpoints: Endpoints) -> Vault:
    """Return the vault of a running stack's registry; makes the project's key if there is none.

    Raises:
        MlpipesError: ``.env`` cannot be read or written, or the key in it is malformed.
    """
    from mlpipes_cli.adapters import wiring

    return wiring.make_vault(endpoints.tracking_uri, endpoints.login, model_key(project.root))


@contextlib.contextmanager
def fetched(vault: Vault, name: str, version: int) -> Iterator[Path]:
    """Yield a folder with a version's verified files, which is removed afterwards.

    Raises:
        Untrusted: The files are not those that were signed.
        MlpipesError: They are not available.
    """
    with _folder() as folder:
        vault.fetch(name, version, folder)
        yield folder


@contextlib.contextmanager
def parts(vault: Vault, name: str, version: int, paths: Sequence[str]) -> Iterator[Path]:
    """Yield a folder with some of a version's verified files, for callers that load no model.

    Raises:
        Untrusted: The files are not those that were signed.
        MlpipesError: They are not available.
    """
    with _folder() as folder:
        vault.fetch_parts(name, version, folder, paths)
        yield folder


@contextlib.contextmanager
def copied(vault: Vault, name: str, version: int) -> Iterator[Path]:
    """Yield a folder with a version's files, not verified, for callers that load nothing.

    Raises:
        MlpipesError: They are not available.
    """
    with _folder() as folder:
        vault.source.fetch(name, version, folder)
        yield folder


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="mlpipes-model-") as temporary:
        folder = Path(temporary) / "model"
        folder.mkdir()
        yield folder


def want_sealed(vault: Vault, uri: str, title: str) -> None:
    """Make sure that ``train`` signed a run's model, registered or not.

    Args:
        vault: The models that may be loaded.
        uri: The model's URI, ``models:/m-...``.
        title: The run's title for messages.

    Raises:
        Untrusted: It is not.
        MlpipesError: Its files are not available.
    """
    with _folder() as folder:
        vault.check_logged(uri, folder, title)
