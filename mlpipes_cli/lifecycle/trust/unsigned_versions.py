"""Finds versions that this project's key has not signed: made before there were keys, or by others."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.signing.vault import Untrusted

if TYPE_CHECKING:
    from mlpipes_cli.ports import Reporter
    from mlpipes_cli.signing.vault import Vault

TRUST_ALL = "check them (`mlpipes models`), then run `mlpipes models trust --all`"
_SHOWN = 5


@dataclass(frozen=True)
class Unsigned:
    """A version that an alias points to and that cannot be loaded."""

    model: str
    version: int
    alias: str

    def __str__(self) -> str:
        return f"version {self.version} of {self.model} ({self.alias})"


def known(vault: Vault) -> list[Unsigned]:
    """Return unsigned versions with an alias, as far as the registry answers; their files are not read."""
    found: list[Unsigned] = []
    with contextlib.suppress(MlpipesError):  # loading one reports that
        found.extend(_found(vault))
    return found


def _found(vault: Vault) -> Iterator[Unsigned]:
    for name in vault.source.names():
        published = vault.source.published(name)
        for alias, version in () if published is None else sorted(published.aliases.items()):
            try:
                vault.want_claim(name, version)
            except Untrusted:
                yield Unsigned(name, version, alias)


def listed(found: Sequence[Unsigned]) -> str:
    """Describe the versions in a phrase."""
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return ", ".join(map(str, found[:_SHOWN])) + more


def warn_unsigned(vault: Vault, reporter: Reporter, why: str) -> None:
    """Warn about versions that cannot be loaded, and say what to do; no warning if none is known."""
    found = known(vault)
    if found:
        reporter.warn(f"{why}, and will not be loaded: {listed(found)}; {TRUST_ALL}")
