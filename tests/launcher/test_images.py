"""Local images, and images in a registry that asks for the password of ECR's token."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from launcher.errors import ImageError
from launcher.images import LocalImage, RegistryAccess, logged_in, remote_image
from tests.launcher.conftest import PASSWORD, USER
from tests.launcher.page_server import PageServer


@pytest.mark.parametrize(
    ("version", "revision", "tags"),
    [
        (
            "0.1.0",
            "abcdef0123456789abcd-dirty",
            ("0.1.0-abcdef012345-dirty", "latest"),
        ),
        ("0.1.0", "unknown", ("0.1.0", "latest")),
        ("", "", ("latest",)),
    ],
)
def test_an_image_is_tagged_with_version_and_commit(
    version: str, revision: str, tags: tuple[str, ...]
) -> None:
    image = LocalImage("sha256:1", "linux/amd64", version, revision)
    assert image.tags == tags


@pytest.mark.parametrize(
    "page", [b"<html>Log in first</html>", b"[]", b'{"config": ' + b"[" * 200_000]
)
def test_a_page_in_place_of_a_manifest_is_named(pages: PageServer, page: bytes) -> None:
    pages.page = page
    access = RegistryAccess(pages.host, USER, "any")
    message = f"registry {pages.host} gives something else than a manifest"
    with pytest.raises(ImageError, match=message):
        remote_image(access, "halfstar", "latest")


def test_a_host_that_is_an_address_is_named() -> None:
    access = RegistryAccess("http://localhost:5000", USER, "any")
    with pytest.raises(ImageError, match="registry http://localhost:5000 can't be"):
        remote_image(access, "halfstar", "latest")


def test_a_registry_that_refuses_the_password_says_so(registry: str) -> None:
    access = RegistryAccess(registry, USER, "wrong")
    with pytest.raises(ImageError, match=f"registry {registry} refuses the user 'AWS'"):
        remote_image(access, "halfstar", "latest")


def test_a_tag_that_does_not_exist_has_no_image(registry: str) -> None:
    access = RegistryAccess(registry, USER, PASSWORD)
    assert remote_image(access, "halfstar", "no-such-tag") is None


def test_the_users_own_docker_settings_stay_in_force_but_for_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = tmp_path / "docker"
    (theirs / "contexts").mkdir(parents=True)
    settings = {
        "auths": {"x": {"auth": "c2VjcmV0"}},
        "credsStore": "desktop",
        "currentContext": "far",
    }
    (theirs / "config.json").write_text(json.dumps(settings))
    monkeypatch.setenv("DOCKER_CONFIG", str(theirs))
    with logged_in(RegistryAccess("host:1", "u", "p")) as environment:
        ours = Path(environment["DOCKER_CONFIG"])
        assert json.loads((ours / "config.json").read_text()) == {
            "currentContext": "far",
            "credHelpers": {"host:1": "halfstar"},
        }
        assert (ours / "contexts").resolve() == theirs / "contexts"
    assert not ours.exists()


def test_docker_gets_the_password_from_the_helper(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with logged_in(RegistryAccess("host:1", "u", "p")) as environment:
        asked = subprocess.run(
            ["docker-credential-halfstar", "get"],
            env=environment,
            input="host:1",
            capture_output=True,
            text=True,
            check=True,
        )
    assert json.loads(asked.stdout) == {
        "ServerURL": "host:1",
        "Username": "u",
        "Secret": "p",
    }


def test_a_registry_is_asked_over_https_except_on_loopback() -> None:
    on_loopback = RegistryAccess("127.0.0.1:5000", "u", "p")
    assert on_loopback.url == "http://127.0.0.1:5000"
    host = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
    assert RegistryAccess(host, "u", "p").url == f"https://{host}"


def test_the_password_is_never_shown() -> None:
    assert "secret" not in repr(RegistryAccess("host", "user", "secret"))
