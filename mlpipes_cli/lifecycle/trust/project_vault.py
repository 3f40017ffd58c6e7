"""The models of a project's registry that may be loaded."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mlpipes_cli.lifecycle.secrets import model_key

if TYPE_CHECKING:
    from mlpipes_cli.ports import Endpoints
    from mlpipes_cli.project import ProjectFolder
    from mlpipes_cli.signing.vault import Vault


def of(project: ProjectFolder, endpoints: Endpoints) -> Vault:
    """What may be loaded of the registry of a running stack; makes the project's key if there is none.

    Raises:
        MlpipesError: ``.env`` cannot be read or written, or the key in it is none.
    """
    from mlpipes_cli.adapters import wiring

    return wiring.make_vault(endpoints.tracking_uri, endpoints.login, model_key(project.root))


@contextlib.contextmanager
def fetched(vault: Vault, name: str, version: int) -> Iterator[Path]:
    """A version's files in a folder of our own, checked; it is gone afterwards.

    Raises:
        Untrusted: They are not those that were signed.
        MlpipesError: They cannot be had.
    """
    with _folder() as folder:
        vault.fetch(name, version, folder)
        yield folder


@contextlib.contextmanager
def copied(vault: Vault, name: str, version: int) -> Iterator[Path]:
    """The same without a check, for who looks at the files and loads nothing.

    Raises:
        MlpipesError: They cannot be had.
    """
    with _folder() as folder:
        vault.source.fetch(name, version, folder)
        yield folder


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="mlpipes-model-") as place:
        folder = Path(place) / "model"
        folder.mkdir()
        yield folder


def want_sealed(vault: Vault, uri: str, title: str) -> None:
    """Make sure that a run's model, registered or not, is one that ``train`` signed.

    Args:
        vault: What may be loaded.
        uri: The model's, ``models:/m-...``.
        title: What the run is called.

    Raises:
        Untrusted: It is not.
        MlpipesError: Its files cannot be had.
    """
    with _folder() as folder:
        vault.check_logged(uri, folder, title)
