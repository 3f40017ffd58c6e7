"""Versions that this project's key has not signed: registered before there were keys, or by others."""

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
    """A version that an alias points to and that will not be loaded."""

    model: str
    version: int
    alias: str

    def __str__(self) -> str:
        return f"version {self.version} of {self.model} ({self.alias})"


def known(vault: Vault) -> list[Unsigned]:
    """Those that aliases point to, as far as the registry answers; their files are not looked at."""
    found: list[Unsigned] = []
    with contextlib.suppress(MlpipesError):  # who loads one is told then
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
    """Them, in words."""
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return ", ".join(map(str, found[:_SHOWN])) + more


def warn_unsigned(vault: Vault, reporter: Reporter, why: str) -> None:
    """Say which versions will not be loaded, and what to do; nothing where there are none or nobody knows."""
    found = known(vault)
    if found:
        reporter.warn(f"{why}, and will not be loaded: {listed(found)}; {TRUST_ALL}")
