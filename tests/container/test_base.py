"""Which base the image is built on: was a registry reached, and which CA bundle."""

from __future__ import annotations

from pathlib import Path

import pytest

from container.base import ca_bundle, is_unreachable

DAEMON = "Error response from daemon: "
GET = 'Get "https://registry.example/v2/": '


@pytest.mark.parametrize(
    "message",
    [
        f"{DAEMON}{GET}dial tcp: lookup r.example: no such host",
        f"{DAEMON}{GET}dial tcp 192.0.2.1:443: i/o timeout",
        f"{GET}dial tcp 192.0.2.1:443: connect: connection refused",
        f"{GET}net/http: TLS handshake timeout",
        f"{GET}x509: certificate signed by unknown authority",
        f"{GET}context deadline exceeded (Client.Timeout exceeded)",
        "dial tcp: lookup registry.example on 192.0.2.53:53: server misbehaving",
    ],
)
def test_docker_did_not_reach_the_registry(message: str) -> None:
    assert is_unreachable(message)


@pytest.mark.parametrize(
    "message",
    [
        f"{DAEMON}manifest for python:9.9-slim not found: manifest unknown",
        f"{DAEMON}pull access denied for nobody/nothing, repository does not exist",
        "toomanyrequests: You have reached your pull rate limit.",
        "invalid reference format",
        "no matching manifest for linux/s390x in the manifest list entries",
        "",
    ],
)
def test_the_registry_was_reached_and_refused(message: str) -> None:
    assert not is_unreachable(message)


def test_the_ca_bundle_is_the_first_existing_one_that_the_environment_names(
    tmp_path: Path,
) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("")
    absent = tmp_path / "absent.pem"

    assert ca_bundle({"SSL_CERT_FILE": str(bundle)}) == bundle
    several = {"PIP_CERT": str(absent), "REQUESTS_CA_BUNDLE": str(bundle)}
    assert ca_bundle(several) == bundle


def test_an_empty_variable_names_no_ca_bundle() -> None:
    assert ca_bundle({"SSL_CERT_FILE": ""}) is None
