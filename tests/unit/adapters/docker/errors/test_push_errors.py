"""What is said of a push that failed: which registry, why, and what to do."""

from __future__ import annotations

import pytest

from mlpipes_cli.adapters.docker.errors.push import refusal
from mlpipes_cli.adapters.docker.images.reference import parse

CASES = {
    "no basic auth credentials": (
        "r.test:5000 requires a login for this repository",
        "docker login r.test:5000",
    ),
    "denied: requested access to the resource is denied": ("requires a login", "may write"),
    "dial tcp: lookup r.test on 10.0.0.2:53: no such host": ("cannot resolve r.test:5000", "DNS"),
    "dial tcp 10.1.1.1:5000: connect: connection refused": ("cannot reach r.test:5000", "firewalls"),
    "http: server gave HTTP response to HTTPS client": ("speak TLS", "insecure-registries"),
    "write /var/lib/registry/a: no space left on device": ("disk of the registry", "free space"),
    "received unexpected HTTP status: 502 Bad Gateway": ("returned a server error", "try again"),
    "name unknown: the repository team/a does not exist": ("has no such repository", "create it"),
    "something else": ("did not take the image (something else)", "your account"),
}


@pytest.mark.parametrize("said", CASES)
def test_a_refused_push_says_why(said: str) -> None:
    error = refusal(parse("r.test:5000/team/a:1"), said)
    words, hint = CASES[said]
    assert error.reason.startswith("r.test:5000/team/a:1: ") and words in error.reason
    assert said in error.reason and hint in error.hint
