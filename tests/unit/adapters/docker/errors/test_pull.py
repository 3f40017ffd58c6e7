"""What engines say when an image cannot be fetched, in words that engines were seen to use."""

from __future__ import annotations

import pytest

from mlpipes_cli.adapters.docker.errors.pull import kind_of, refusal
from mlpipes_cli.adapters.docker.images.reference import parse

QUAY = parse("quay.io/minio/minio:R1@sha256:abc")


@pytest.mark.parametrize(
    ("text", "repository", "tag", "digest", "registry"),
    [
        ("postgres", "postgres", "latest", "", "docker.io"),
        ("postgres:17", "postgres", "17", "", "docker.io"),
        ("rustfs/rustfs:1@sha256:a", "rustfs/rustfs", "1", "sha256:a", "docker.io"),
        ("quay.io/minio/minio:R1@sha256:a", "quay.io/minio/minio", "R1", "sha256:a", "quay.io"),
        ("localhost:5000/x", "localhost:5000/x", "latest", "", "localhost:5000"),
        ("box:5000/x@sha256:a", "box:5000/x", "", "sha256:a", "box:5000"),
    ],
)
def test_names(text: str, repository: str, tag: str, digest: str, registry: str) -> None:
    found = parse(text)
    assert (found.repository, found.tag, found.digest, found.registry) == (repository, tag, digest, registry)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (
            "pull access denied for minio/minio, repository does not exist or may require 'docker login': "
            "denied: requested access to the resource is denied",
            "either",
        ),
        (
            "manifest for quay.io/minio/minio@sha256:abc not found: manifest unknown: manifest unknown",
            "digest",
        ),
        ("name unknown: repository name not known to registry", "gone"),
        ("unauthorized: access to the requested resource is not authorized", "login"),
        ('Head "https://ghcr.io/v2/x/manifests/1": denied', "login"),
        ("no basic auth credentials", "login"),
        ("toomanyrequests: You have reached your pull rate limit.", "limit"),
        (
            'Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io: no such host',
            "name",
        ),
        (
            'Get "https://quay.io/v2/": dial tcp: lookup quay.io on 8.8.8.8:53: read udp '
            "10.0.0.2:4->8.8.8.8:53: i/o timeout",
            "name",
        ),
        ('Get "https://quay.io/v2/": dial tcp 1.2.3.4:443: connect: connection refused', "network"),
        ('Get "https://quay.io/v2/": net/http: TLS handshake timeout', "network"),
        ('Get "https://quay.io/v2/": dial tcp 1.2.3.4:443: i/o timeout', "network"),
        ('Get "https://quay.io/v2/": context deadline exceeded', "network"),
        ('Get "https://quay.io/v2/": proxyconnect tcp: dial tcp 10.0.0.1:3128: connection refused', "proxy"),
        ("x509: certificate signed by unknown authority", "tls"),
        ("http: server gave HTTP response to HTTPS client", "tls"),
        (
            "failed to register layer: Error processing tar file(exit status 1): write /usr/lib/x: "
            "no space left on device",
            "full",
        ),
        ("filesystem layer verification failed for digest sha256:abc", "damaged"),
        ("unexpected EOF", "damaged"),
        ("no matching manifest for linux/s390x in the manifest list entries", "platform"),
        ("received unexpected HTTP status: 503 Service Unavailable", "server"),
        ("something quite new", ""),
    ],
)
def test_kinds(said: str, kind: str) -> None:
    assert kind_of(said) == kind


def test_the_line_says_what_and_what_to_do() -> None:
    line = refusal(QUAY, "unauthorized: access denied").lines()[0]
    assert line.startswith("quay.io/minio/minio:R1@sha256:abc: quay.io requires a login (unauthorized")
    assert "`docker login quay.io`" in line
    hub = refusal(parse("minio/minio:R1"), "pull access denied for minio/minio, repository does not exist")
    assert "no longer has this repository, or requires a login" in hub.reason
    assert "`docker login`" in hub.hint
    own = refusal(parse("minio/minio:R1"), "pull access denied for minio/minio", logged_in=True)
    assert "or your account may not read it" in own.reason


def test_words_that_nobody_knows_are_passed_on() -> None:
    assert "something quite new" in refusal(QUAY, "something quite new").lines()[0]
