"""Fetch models from the registry, and only those whose files are signed with this project's key.

Loading a model runs code from its files, and everyone with write access to MLflow can register a model.
Therefore this is the only way from the registry to a model's files (``tests/unit/signing/test_one_way.py``
enforces this). The files are copied into a folder that no other account can access, and the copies are
compared with the signed files.
"""

from __future__ import annotations

import contextlib
import hashlib
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports import ModelSource
from mlpipes_cli.signing.files import SIGNATURE, ModelFile, listed
from mlpipes_cli.signing.keys import Key
from mlpipes_cli.signing.statements import TAG, Doubtful, Statement, sealed, verified

_LARGEST = 32 << 20  # bytes of a signature: about 300,000 files


class Untrusted(MlpipesError):
    """A model must not be loaded: in its present state, this project neither signed nor trusted it."""


class Changed(Untrusted):
    """The copied files of a model differ from the signed ones."""


@dataclass(frozen=True)
class Vault:
    """Access to the loadable models of a registry.

    Attributes:
        source: The registry.
        key: The project's signing key.
    """

    source: ModelSource
    key: Key

    def want_claim(self, name: str, version: int) -> None:
        """Check that a version has a statement of this key, without looking at its files.

        Raises:
            Untrusted: There is no such statement, so no file needs to be fetched.
            MlpipesError: The registry does not answer, or there is no such version.
        """
        with _explained(name, version, Untrusted):
            _any(self._statements(self.source.read(name, version, SIGNATURE, _LARGEST), name, version))

    def fetch(self, name: str, version: int, folder: Path) -> Statement:
        """Copy a version's files into an empty folder that only this account can write to, and check them.

        Raises:
            Untrusted: The files are not the signed ones (``Changed`` if they had to be copied first).
            MlpipesError: The registry does not answer, or there is no such version.
        """
        self.want_claim(name, version)
        self.source.fetch(name, version, folder)
        return self.check(name, version, folder)

    def fetch_parts(self, name: str, version: int, folder: Path, paths: Sequence[str]) -> None:
        """Copy some of the files beside a version's ``MLmodel``, and check these; a file may be missing.

        Where a user trusts the version, its one checksum is of all files, so all are copied.

        Args:
            name: The registered model's name.
            version: Its version.
            folder: An empty folder that only this account can write to.
            paths: The files' names.

        Raises:
            Untrusted: The files are not the signed ones.
            MlpipesError: The registry does not answer, or there is no such version.
        """
        with _explained(name, version, Untrusted):
            doubt = Doubtful()
            text = self.source.read(name, version, SIGNATURE, _LARGEST)
            for statement in self._statements(text, name, version):
                if isinstance(statement, Doubtful):
                    doubt = statement
                elif statement.files is None:
                    self.source.fetch(name, version, folder)
                    self.check(name, version, folder)
                    return
                else:
                    known = [file for file in statement.files if file.path in paths]
                    try:
                        parts = {file.path: self._part(name, version, file) for file in known}
                    except Doubtful as error:
                        doubt = error  # a user may trust the version as it is now
                        continue
                    for path, content in parts.items():
                        (folder / path).write_bytes(content)
                    return
            raise doubt

    def _part(self, name: str, version: int, signed: ModelFile) -> bytes:
        content = self.source.read(name, version, signed.path, signed.size + 1)
        if content is None:
            raise Doubtful(f"has changed since it was signed: {signed.path} is missing")
        if ModelFile(signed.path, len(content), hashlib.sha256(content).hexdigest()) != signed:
            raise Doubtful(f"has changed since it was signed: {signed.path} was changed")
        return content

    def check(self, name: str, version: int, folder: Path) -> Statement:
        """Check that the copied files of a version are the signed ones, and return the matching statement.

        Raises:
            Changed: The files differ from the signed ones.
        """
        with _explained(name, version, Changed):
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
        """Copy the model of a run, registered or not, into an empty folder, and check it there.

        Args:
            uri: ``models:/m-...``.
            folder: The empty folder.
            title: The name of the run, for messages.

        Raises:
            Untrusted: The model is not signed by this project.
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
        """Yield the statement of the signature file, then that of the tag; the tag is read only on demand."""
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
def _explained(name: str, version: int, kind: type[Untrusted]) -> Iterator[None]:
    try:
        yield
    except Doubtful as doubt:
        command = f"mlpipes models trust {version} --model {shlex.quote(name)}"
        raise kind(
            f"version {version} of model {name!r} {doubt}",
            f"train it here; or check its files, then run `{command}`",
        ) from None
