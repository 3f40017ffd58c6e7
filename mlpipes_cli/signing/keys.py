"""The key by which a project signs its models."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

from mlpipes_cli.errors import MlpipesError

NAME = "MLPIPES_MODEL_KEY"  # in .env, and in the environment of a server
_SHORTEST = 32  # characters; a generated one has 32, of 192 random bits
_RENEW = "remove the line, and the next command creates a new key; then run `mlpipes models trust --all`"


@dataclass(frozen=True)
class Key:
    """A key, and what may be said of it.

    Attributes:
        secret: It.
        id: A short hash by which keys are told apart; it gives nothing away.
    """

    secret: bytes = field(repr=False)
    id: str

    def mac(self, message: bytes) -> str:
        """The HMAC-SHA-256 (RFC 2104) of a message, in hexadecimal digits."""
        return hmac.new(self.secret, message, hashlib.sha256).hexdigest()


def read(text: str, place: str, hint: str = _RENEW) -> Key:
    """The key that a text is.

    Args:
        text: It.
        place: Where it stands, for messages.
        hint: What to do where it is none.

    Raises:
        MlpipesError: It is missing, or so short that it could be guessed.
    """
    if len(text) < _SHORTEST:
        fault = f"has {len(text)} characters, fewer than {_SHORTEST}" if text else "is missing"
        raise MlpipesError(
            f"{place}: {NAME}, the key that models are signed with, {fault}",
            hint,
        )
    secret = text.encode()
    return Key(secret, hashlib.sha256(b"mlpipes model key\0" + secret).hexdigest()[:12])


def of_environment(environ: Mapping[str, str]) -> Key:
    """The key that a server was given.

    Raises:
        MlpipesError: It was given none.
    """
    return read(environ.get(NAME, ""), "the environment", "set it to the value in the project's .env")
