"""`push` against a real engine and a registry that asks for the password of ECR's
token.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from launcher.errors import ImageError
from launcher.images import Registry, local_image, logged_in, remote_image
from launcher.ports import free_port
from tests.launcher.conftest import PASSWORD, USER, Launcher

DOCKERFILE = """FROM scratch
COPY payload /payload
LABEL org.halfstar=1 org.opencontainers.image.version="1.2.3"
CMD ["/payload"]
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image of a few bytes."""
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "Dockerfile").write_text(DOCKERFILE)
    (folder / "payload").write_bytes(os.urandom(64))
    name = f"halfstar-tiny-{os.getpid()}"
    subprocess.run(
        ["docker", "build", "--quiet", "--tag", name, str(folder)],
        check=True,
        capture_output=True,
    )
    yield name
    image = local_image(name)
    assert image is not None
    subprocess.run(
        ["docker", "image", "rm", "--force", image.image_id],
        check=True,
        capture_output=True,
    )


def test_push_prints_the_digest_that_the_registry_has(
    launcher: Launcher, registry: str, tiny: str
) -> None:
    first = launcher("--registry", registry, "push", tiny, "--json")
    assert first.code == 0, first.err
    uri = first.json["image_uri"]
    assert uri == f"{registry}/halfstar@{first.json['digest']}"
    assert first.json["tags"] == ["1.2.3", "latest"]
    remote = remote_image(
        Registry(registry, USER, PASSWORD), "halfstar", first.json["digest"]
    )
    image = local_image(tiny)
    assert remote is not None
    assert image is not None
    assert remote.is_of(image)
    second = launcher("--registry", registry, "push", tiny)
    assert second.out.strip() == uri
    assert "the registry has this image already" in second.err
    dry = launcher("--registry", registry, "push", tiny, "--dry-run")
    assert dry.json == {"plan": []}


def test_push_makes_the_repository_that_is_missing(
    launcher: Launcher, registry: str, tiny: str
) -> None:
    planned = launcher(
        "--registry",
        registry,
        "--set",
        "repository=made-here",
        "push",
        tiny,
        "--dry-run",
    )
    assert [step.get("operation", "push") for step in planned.json["plan"]] == [
        "CreateRepository",
        "PutLifecyclePolicy",
        "push",
    ]


def test_a_pushed_image_is_what_jobs_use(
    launcher: Launcher, registry: str, tiny: str
) -> None:
    options = ("--registry", registry)
    pushed = launcher(*options, "push", tiny, "--json").json["image_uri"]
    assert launcher(*options, "init").code == 0
    assert launcher(*options, "data").code == 0
    plan = launcher(*options, "train", "--dry-run").json["plan"]
    assert plan[0]["parameters"]["AlgorithmSpecification"]["TrainingImage"] == pushed


def test_an_image_that_is_not_there_is_named(launcher: Launcher, registry: str) -> None:
    result = launcher("--registry", registry, "push", "halfstar-no-such-image")
    assert (result.code, result.out) == (1, "")
    assert (
        result.err
        == "launcher: there is no local image halfstar-no-such-image: run `launcher build`\n"
    )


def test_a_registry_that_refuses_the_password_says_so(registry: str) -> None:
    with pytest.raises(ImageError, match=f"registry {registry} refuses the user 'AWS'"):
        remote_image(Registry(registry, USER, "wrong"), "halfstar", "latest")


def test_a_registry_that_is_not_there_says_so(launcher: Launcher, tiny: str) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    result = launcher("--registry", nowhere, "push", tiny)
    assert result.code == 1
    assert result.err.startswith(f"launcher: registry {nowhere} can't be reached: ")


def test_an_absent_tag_is_none(registry: str) -> None:
    assert (
        remote_image(Registry(registry, USER, PASSWORD), "halfstar", "no-such-tag")
        is None
    )


def test_the_password_is_on_no_disk_and_no_command_line(
    launcher: Launcher,
    registry: str,
    tiny: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen, stop = [], threading.Event()

    def watch() -> None:
        while not stop.is_set():
            for process in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.append(process.read_bytes())
                except OSError:
                    continue
            for path in tmp_path.rglob("*"):
                try:
                    seen.append(path.read_bytes() if path.is_file() else b"")
                except OSError:
                    continue
            time.sleep(0.005)

    watcher = threading.Thread(target=watch)
    watcher.start()
    result = launcher(
        "--registry", registry, "--set", "repository=secret", "push", tiny
    )
    stop.set()
    watcher.join()
    assert result.code == 0, result.err
    assert any(b"credHelpers" in content for content in seen)
    assert any(b"docker\0push" in content for content in seen)
    assert not any(PASSWORD.encode() in content for content in seen)
    assert PASSWORD not in result.out + result.err
    assert not list(tmp_path.glob("halfstar-docker-*"))


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
    with logged_in(Registry("host:1", "u", "p")) as environment:
        own = Path(environment["DOCKER_CONFIG"])
        assert json.loads((own / "config.json").read_text()) == {
            "currentContext": "far",
            "credHelpers": {"host:1": "halfstar"},
        }
        assert (own / "contexts").resolve() == theirs / "contexts"
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
    assert not own.exists()


def test_loopback_is_spoken_to_in_plain_http_and_anything_else_is_not() -> None:
    assert Registry("127.0.0.1:5000", "u", "p").url == "http://127.0.0.1:5000"
    assert Registry(
        "123456789012.dkr.ecr.eu-central-1.amazonaws.com", "u", "p"
    ).url.startswith("https://")
    assert (
        "p"
        not in repr(Registry("h", "u", "p"))
        .replace("launcher.images.Registry object", "")
        .split(" at ")[0]
    )


def test_build_gives_the_image_the_projects_name(
    launcher: Launcher, tmp_path: Path
) -> None:
    (tmp_path / "Dockerfile").write_text(
        DOCKERFILE + "ARG COLOUR=red\nLABEL colour=$COLOUR\n"
    )
    (tmp_path / "payload").write_text("x")
    name = f"halfstar-built-{os.getpid()}"
    options = ("--set", f"name={name}")
    try:
        result = launcher(
            *options,
            "build",
            "--directory",
            str(tmp_path),
            "--json",
            "--build-arg=COLOUR=blue",
        )
        assert result.code == 0, result.err
        assert result.json["platform"] == "linux/amd64"
        shown = subprocess.run(
            [
                "docker",
                "image",
                "inspect",
                "--format",
                "{{.Config.Labels.colour}}",
                name,
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        assert shown.stdout.strip() == "blue"
    finally:
        subprocess.run(
            ["docker", "image", "rm", "--force", name], check=True, capture_output=True
        )


def test_a_build_that_fails_or_has_no_dockerfile_says_so(
    launcher: Launcher, tmp_path: Path
) -> None:
    assert "has no Dockerfile" in launcher("build", "--directory", str(tmp_path)).err
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY nothing /\n")
    result = launcher("build", "--directory", str(tmp_path))
    assert result.code == 1
    assert "docker build ended with 1" in result.err
