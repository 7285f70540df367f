"""What is decided before docker builds anything: was a registry reached, which mirror,
which CA bundle.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from container import debian
from container.base import ca_bundle, is_unreachable
from container.engine import engine_answers
from container.image import ROOT, public_base
from launcher.source import revision, version

DEB822 = """\
# http://127.0.0.1/commented/archive
Types: deb deb-src
URIs: http://127.0.0.1/mirror/archive
  http://127.0.0.1/second/archive
Suites: bookworm bookworm-updates
Components: main
"""
SECURITY = """\
Types: deb
URIs: http://127.0.0.1/security/archive-security
Suites: bookworm-security
Components: main
"""


@pytest.mark.parametrize(
    "complaint",
    [
        'Error response from daemon: Get "https://registry.example/v2/": dial tcp: lookup r.example: no such host',
        'Error response from daemon: Get "https://registry.example/v2/": dial tcp 192.0.2.1:443: i/o timeout',
        'Get "https://registry.example/v2/": dial tcp 192.0.2.1:443: connect: connection refused',
        'Get "https://registry.example/v2/": net/http: TLS handshake timeout',
        'Get "https://registry.example/v2/": x509: certificate signed by unknown authority',
        'Get "https://registry.example/v2/": context deadline exceeded (Client.Timeout exceeded)',
        "dial tcp: lookup registry.example on 192.0.2.53:53: server misbehaving",
    ],
)
def test_a_registry_that_was_not_reached(complaint: str) -> None:
    assert is_unreachable(complaint)


@pytest.mark.parametrize(
    "complaint",
    [
        "Error response from daemon: manifest for python:9.9-slim not found: manifest unknown: manifest unknown",
        "Error response from daemon: pull access denied for nobody/nothing, repository does not exist",
        "toomanyrequests: You have reached your pull rate limit.",
        "invalid reference format",
        "no matching manifest for linux/s390x in the manifest list entries",
        "",
    ],
)
def test_a_registry_that_answered_no(complaint: str) -> None:
    assert not is_unreachable(complaint)


def apt_dir(root: Path, files: dict[str, str]) -> Path:
    (root / "sources.list.d").mkdir()
    for name, text in files.items():
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "mirror"),
    [
        ({"sources.list.d/debian.sources": DEB822}, "http://127.0.0.1/mirror/archive"),
        (
            {"sources.list.d/debian.sources": f"{SECURITY}\n{DEB822}"},
            "http://127.0.0.1/mirror/archive",
        ),
        ({"sources.list.d/debian.sources": f"Enabled: no\n{DEB822}"}, None),
        ({"sources.list.d/debian.sources.disabled": DEB822}, None),
        (
            {
                "sources.list": "# none\ndeb http://127.0.0.1/one/archive bookworm main\n"
            },
            "http://127.0.0.1/one/archive",
        ),
        (
            {
                "sources.list": "deb [arch=amd64 trusted=yes] https://127.0.0.1/two/d trixie main"
            },
            "https://127.0.0.1/two/d",
        ),
        (
            {"sources.list": "deb-src http://127.0.0.1/source/archive bookworm main"},
            None,
        ),
        ({"sources.list": "deb cdrom:[Debian]/ bookworm main"}, None),
        (
            {
                "sources.list": "",
                "sources.list.d/a.list": "deb http://127.0.0.1/a/archive sid main",
            },
            "http://127.0.0.1/a/archive",
        ),
        ({}, None),
    ],
)
def test_the_mirror_is_the_first_main_archive_of_apt(
    tmp_path: Path, files: dict[str, str], mirror: str | None
) -> None:
    assert debian.mirror(apt_dir(tmp_path, files)) == mirror


def test_the_ca_bundle_is_the_one_that_the_environment_names(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("")
    assert ca_bundle({"SSL_CERT_FILE": str(bundle)}) == bundle
    assert (
        ca_bundle(
            {
                "PIP_CERT": str(tmp_path / "absent.pem"),
                "REQUESTS_CA_BUNDLE": str(bundle),
            }
        )
        == bundle
    )
    assert ca_bundle({"SSL_CERT_FILE": ""}) is None


def test_the_facts_that_label_the_image() -> None:
    assert public_base().startswith("python:3.")
    assert version(ROOT)[0].isdigit()
    assert revision(ROOT)


def test_the_image_locks_hold_no_address() -> None:
    locks = (ROOT / "container").glob("requirements*.txt")
    texts = [lock.read_text() for lock in (*locks, ROOT / "requirements-dev.txt")]
    assert len(texts) == 3
    assert not any(
        "://" in text or "index-url" in text or "find-links" in text for text in texts
    )


def test_no_engine_without_a_client(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not engine_answers()


def test_no_engine_behind_a_dead_socket(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/absent.sock")
    assert not engine_answers()


def test_an_unknown_command_is_a_usage_error() -> None:
    entrypoint = [sys.executable, "-I", "-S", str(ROOT / "container" / "entrypoint.py")]
    answer = subprocess.run(
        [*entrypoint, "predict"],
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ),
    )
    assert answer.returncode == 2
    assert (
        answer.stderr
        == "'predict' is no command of this image; it has train and serve\n"
    )
