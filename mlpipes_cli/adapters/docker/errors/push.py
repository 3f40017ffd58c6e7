"""Translate the engine's message on a failed push to one line and a hint."""

from __future__ import annotations

from mlpipes_cli.adapters.docker.errors.pull import kind_of
from mlpipes_cli.adapters.docker.images.reference import HUB, ImageReference
from mlpipes_cli.errors import MlpipesError


def refusal(image: ImageReference, message: str) -> MlpipesError:
    """Return the error for an image that could not be pushed.

    Args:
        image: The image.
        said: The engine's message.
    """
    message = " ".join(message.split())
    what, hint = _reason(kind_of(message), image.registry)
    return MlpipesError(f"{image.named}: {what} ({message})" if message else f"{image.named}: {what}", hint)


def unreadable_credentials(image: ImageReference, error: Exception) -> MlpipesError:
    """Return the error for credentials that Docker's configuration names but that cannot be read."""
    return MlpipesError(
        f"{image.named}: the credentials for {image.registry} cannot be read ({error})",
        f"run `docker login {image.registry}` again, or remove them from ~/.docker/config.json",
    )


def _reason(kind: str, host: str) -> tuple[str, str]:
    login = "docker login" if host == HUB else f"docker login {host}"
    login_hint = f"run `{login}` with an account that may write to this repository, then the command again"
    tls_hint = (
        f"install the registry's certificate for the engine (/etc/docker/certs.d/{host}/ca.crt), or list a "
        "registry without TLS under `insecure-registries` of the engine"
    )
    return {
        "login": (f"{host} requires a login for this repository", login_hint),
        "either": (f"{host} does not let you write to this repository", login_hint),
        "gone": (f"{host} has no such repository, and makes none by a push", "create it there first"),
        "limit": (f"{host} rejected the push: too many requests", "try again later"),
        "full": ("the disk of the registry or of the engine is full", "free space, then push again"),
        "tls": (f"the engine cannot speak TLS with {host}, or does not trust its certificate", tls_hint),
        "name": (f"the engine cannot resolve {host}", "check the name, the network and the engine's DNS"),
        "network": (
            f"the engine cannot reach {host}",
            "check the network, firewalls and the engine's proxy",
        ),
        "proxy": ("the engine's proxy refused the connection", "check the engine's proxy (`docker info`)"),
        "server": (f"{host} returned a server error", "try again in some minutes"),
    }.get(kind, (f"{host} did not take the image", "check the image's name and your account"))
