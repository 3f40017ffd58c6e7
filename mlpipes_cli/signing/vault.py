"""The registry's models, of which only those come out whose files this project's key has signed.

Loading a model runs what its files say, and anybody who can write to MLflow can register one. So this is
the only way from the registry to a model's files (``tests/unit/signing/test_one_way.py`` holds that):
they are copied into a folder that is nobody else's, and what lies there is compared with what was signed.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports import ModelSource
from mlpipes_cli.signing.files import SIGNATURE, listed
from mlpipes_cli.signing.keys import Key
from mlpipes_cli.signing.statements import TAG, Doubtful, Statement, sealed, verified

_LARGEST = 32 << 20  # bytes of a signature: some 300,000 files


class Untrusted(MlpipesError):
    """A model that must not be loaded: nobody of this project signed or trusted it as it is."""


class Changed(Untrusted):
    """As was found out when its files were here: those that were signed are others."""


@dataclass(frozen=True)
class Vault:
    """What may be loaded from a registry.

    Attributes:
        source: The registry.
        key: The project's.
    """

    source: ModelSource
    key: Key

    def want_claim(self, name: str, version: int) -> None:
        """Make sure that a version says it is signed, and that this key said so; its files are not looked at.

        Raises:
            Untrusted: It does not, so that nothing of it need be fetched.
            MlpipesError: The registry does not answer, or there is no such version.
        """
        with _told(name, version, Untrusted):
            _any(self._statements(self.source.read(name, version, SIGNATURE, _LARGEST), name, version))

    def fetch(self, name: str, version: int, folder: Path) -> Statement:
        """Copy a version's files into an empty folder that nobody else can write, and check them there.

        Raises:
            Untrusted: They are not those that were signed (``Changed`` where they had to be copied first).
            MlpipesError: The registry does not answer, or there is no such version.
        """
        self.want_claim(name, version)
        self.source.fetch(name, version, folder)
        return self.check(name, version, folder)

    def check(self, name: str, version: int, folder: Path) -> Statement:
        """Make sure that the copied files of a version are those that were signed, and say by whom.

        Raises:
            Changed: They are not.
        """
        with _told(name, version, Changed):
            try:
                found = listed(folder)
            except MlpipesError as error:
                raise Doubtful(f"cannot be checked: {error.reason}") from None
            seal = folder / SIGNATURE
            text = seal.read_bytes() if seal.is_file() else None
            doubt = Doubtful()
            for statement in self._statements(text, name, version):
                if isinstance(statement, Doubtful):
                    doubt = statement
                    continue
                try:
                    statement.want(found)
                except Doubtful as error:
                    doubt = error
                else:
                    return statement
            raise doubt

    def check_logged(self, uri: str, folder: Path, title: str) -> None:
        """Copy a run's model that need not be registered into an empty folder, and check it there.

        Args:
            uri: ``models:/m-...``.
            folder: The empty folder.
            title: What the run is called.

        Raises:
            Untrusted: It is not signed.
            MlpipesError: The registry does not answer, or there is no such model.
        """
        self.source.fetch_logged(uri, folder)
        try:
            sealed(folder, self.key)
        except Doubtful as doubt:
            raise Untrusted(
                f"the model of {title} {doubt}",
                "train it again here (`mlpipes train --force`); or register it in MLflow, check its files, "
                "and run `mlpipes models trust VERSION`",
            ) from None

    def _statements(self, text: bytes | None, name: str, version: int) -> Iterator[Statement | Doubtful]:
        """What the signature in the folder says; who is not content with that gets what the tag says."""
        if text is not None:
            yield self._read(text, name, version)
        tag = self.source.tags(name, version).get(TAG)
        if tag is not None:
            yield self._read(tag, name, version)
        elif text is None:
            yield Doubtful("is not signed by this project")

    def _read(self, text: str | bytes, name: str, version: int) -> Statement | Doubtful:
        try:
            return verified(text, self.key, name, version)
        except Doubtful as doubt:
            return doubt


def _any(statements: Iterator[Statement | Doubtful]) -> None:
    doubt = Doubtful()
    for statement in statements:
        if isinstance(statement, Statement):
            return
        doubt = statement
    raise doubt


@contextlib.contextmanager
def _told(name: str, version: int, kind: type[Untrusted]) -> Iterator[None]:
    try:
        yield
    except Doubtful as doubt:
        command = f"mlpipes models trust {version} --model {shlex.quote(name)}"
        raise kind(
            f"version {version} of model {name!r} {doubt}",
            f"train it here; or check its files, then run `{command}`",
        ) from None
