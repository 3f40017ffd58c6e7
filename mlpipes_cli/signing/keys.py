"""The key with which a project signs its models."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

from mlpipes_cli.errors import MlpipesError

NAME = "MLPIPES_MODEL_KEY"  # in .env, and in the environment of a server
_SHORTEST = 32  # characters; a generated key has 32, from 192 random bits
_RENEW = "remove the line, and the next command creates a new key; then run `mlpipes models trust --all`"


@dataclass(frozen=True)
class Key:
    """A signing key and its public id.

    Attributes:
        secret: The key itself.
        id: A short hash that identifies the key without revealing it.
    """

    secret: bytes = field(repr=False)
    id: str

    def mac(self, message: bytes) -> str:
        """Return the HMAC-SHA-256 (RFC 2104) of a message, in hexadecimal digits."""
        return hmac.new(self.secret, message, hashlib.sha256).hexdigest()


def read(text: str, source: str, hint: str = _RENEW) -> Key:
    """Return the key that a text contains.

    Args:
        text: The key's text.
        place: Where the text comes from, for messages.
        hint: What to do if the text is not a valid key.

    Raises:
        MlpipesError: The key is missing, or so short that it could be guessed.
    """
    if len(text) < _SHORTEST:
        problem = f"has {len(text)} characters, fewer than {_SHORTEST}" if text else "is missing"
        raise MlpipesError(
            f"{source}: {NAME}, the key that models are signed with, {problem}",
            hint,
        )
    secret = text.encode()
    return Key(secret, hashlib.sha256(b"mlpipes model key\0" + secret).hexdigest()[:12])


def of_environment(environ: Mapping[str, str]) -> Key:
    """Return the key of a server, from its environment variables.

    Raises:
        MlpipesError: The variable is missing, or the key is too short.
    """
    return read(environ.get(NAME, ""), "the environment", "set it to the value in the project's .env")
