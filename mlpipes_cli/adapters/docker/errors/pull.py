"""Translate the engine's message on a failed pull to one line and a hint."""

from __future__ import annotations

import re

from mlpipes_cli.adapters.docker.images.reference import HUB, ImageReference
from mlpipes_cli.errors import MlpipesError

_OFFLINE = "or copy the image with `docker save` and `docker load` from a machine that has it"
# The first match counts: specific patterns come before those that also match their messages.
_CLASSES = (
    ("full", r"no space left on device|disk quota exceeded|not enough space"),
    ("limit", r"toomanyrequests|too many requests|rate limit|\b429\b"),
    ("digest", r"manifest unknown|manifest for .* not found|manifest .*unknown"),
    ("platform", r"no matching manifest for|does not match the specified platform|exec format error"),
    ("gone", r"name unknown|name_unknown|repository name not known|repository \S+ not found"),
    ("either", r"repository does not exist or may require|pull access denied|insufficient_scope"),
    ("login", r"unauthorized|authentication required|no basic auth|denied|\b401\b|\b403\b|forbidden"),
    ("tls", r"x509|certificate|tls: |http response to https"),
    ("proxy", r"proxyconnect|proxy authentication|\b407\b"),
    ("name", r"no such host|server misbehaving|name resolution|lookup \S+ .*timeout|lookup \S+ on"),
    ("damaged", r"verification failed|unexpected eof|invalid checksum|failed to register layer|short read"),
    (
        "network",
        r"connection refused|i/o timeout|network is unreachable|no route to host|deadline exceeded"
        r"|timeout|connection reset|\beof\b|canceled|connection timed out",
    ),
    ("server", r"\b50[0-4]\b|internal server error|bad gateway|service unavailable"),
)


class RegistryUnreachable(MlpipesError):
    """An image could not be pulled, since its registry cannot be reached from the engine."""


def kind_of(message: str) -> str:
    """Return the kind of a failed pull by the engine's message; empty if the message is not known."""
    lower = message.lower()
    return next((kind for kind, pattern in _CLASSES if re.search(pattern, lower)), "")


def refusal(image: ImageReference, message: str, *, logged_in: bool = False) -> MlpipesError:
    """Return the error for an image that could not be pulled.

    Args:
        image: The image.
        said: The engine's message.
        logged_in: Whether the user has credentials for that registry.
    """
    message = " ".join(message.split())
    host = image.registry
    kind = kind_of(message)
    what, hint = _explained(kind, image, host, logged_in)
    error = RegistryUnreachable if kind in ("name", "network") else MlpipesError
    return error(f"{image}: {what} ({message})" if message else f"{image}: {what}", hint)


def _explained(kind: str, image: ImageReference, host: str, logged_in: bool) -> tuple[str, str]:
    login = "docker login" if host == HUB else f"docker login {host}"
    gone = f"a newer mlpipes may use another one; {_OFFLINE}"
    if kind == "either" and logged_in:
        return f"{host} has no such repository, or your account may not read it", gone
    return {
        "full": (
            "the engine's disk is full",
            "free space (`docker system df` shows what Docker uses, `docker image prune` removes old images)",
        ),
        "limit": (
            f"{host} rejected the pull: too many requests",
            f"log in with `{login}` for a higher limit, or try again in an hour",
        ),
        "digest": (
            f"{host} has the repository, but no longer this version of the image",
            f"if you use a mirror, check that it is up to date; {gone}",
        ),
        "platform": (
            "there is no image for this machine's processor architecture",
            "use `--runtime embedded` on this machine",
        ),
        "gone": (f"{host} no longer has this repository", gone),
        "either": (
            f"{host} no longer has this repository, or requires a login",
            f"try `{login}`; if that does not help, the repository is gone: {gone}",
        ),
        "login": (f"{host} requires a login", f"run `{login}`, then the same command again"),
        "tls": (
            f"the TLS certificate of {host} is not trusted",
            "if a company proxy decrypts connections, install its certificate for the engine "
            f"(/etc/docker/certs.d/{host}/ca.crt, or the system's store) and restart Docker",
        ),
        "proxy": (
            "the engine's proxy refused the connection",
            "check the engine's proxy settings (`docker info` shows them)",
        ),
        "name": (
            f"the engine cannot resolve {host}: no network, or no DNS server",
            f"check the network and the engine's DNS and proxy settings, {_OFFLINE}",
        ),
        "damaged": (
            "the downloaded image is damaged",
            "run the command again; a proxy may have altered the download",
        ),
        "network": (
            f"the engine cannot reach {host}",
            f"check the network, a firewall, and the engine's proxy settings, {_OFFLINE}",
        ),
        "server": (f"{host} returned a server error", "try again in some minutes"),
    }.get(kind, ("could not be pulled", f"check the image's name and the network, {_OFFLINE}"))
