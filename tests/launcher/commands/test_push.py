"""``push`` with a real engine, to a registry that asks for ECR's password."""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path

import pytest

from launcher.images import RegistryAccess, local_image, remote_image
from launcher.ports import free_port
from tests.launcher.conftest import PASSWORD, USER, Launcher


def test_push_prints_the_digest_that_the_registry_has(
    launcher: Launcher, registry: str, tiny_image: str
) -> None:
    pushed = launcher("--registry", registry, "push", tiny_image, "--json")
    assert pushed.code == 0, pushed.err
    digest = pushed.json["digest"]
    assert pushed.json["image_uri"] == f"{registry}/halfstar@{digest}"
    assert pushed.json["tags"] == ["1.2.3", "latest"]

    access = RegistryAccess(registry, USER, PASSWORD)
    remote = remote_image(access, "halfstar", digest)
    local = local_image(tiny_image)
    assert remote is not None
    assert local is not None
    assert remote.is_of(local)


def test_an_image_that_the_registry_has_is_not_pushed_again(
    launcher: Launcher, registry: str, tiny_image: str
) -> None:
    first = launcher("--registry", registry, "push", tiny_image)
    second = launcher("--registry", registry, "push", tiny_image)
    assert second.out == first.out
    assert "the registry has this image already" in second.err
    dry_run = launcher("--registry", registry, "push", tiny_image, "--dry-run")
    assert dry_run.json == {"plan": []}


def test_push_makes_the_repository_if_it_is_missing(
    launcher: Launcher, registry: str, tiny_image: str
) -> None:
    options = ("--registry", registry, "--set", "repository=made-here")
    planned = launcher(*options, "push", tiny_image, "--dry-run").json["plan"]
    steps = [step.get("operation", "push") for step in planned]
    assert steps == ["CreateRepository", "PutLifecyclePolicy", "push"]


def test_jobs_use_the_image_that_was_pushed(
    launcher: Launcher, registry: str, tiny_image: str
) -> None:
    options = ("--registry", registry)
    pushed = launcher(*options, "push", tiny_image, "--json").json["image_uri"]
    assert launcher(*options, "init").code == 0
    assert launcher(*options, "data").code == 0
    plan = launcher(*options, "train", "--dry-run").json["plan"]
    algorithm = plan[0]["parameters"]["AlgorithmSpecification"]
    assert algorithm["TrainingImage"] == pushed


def test_an_image_that_does_not_exist_is_named(
    launcher: Launcher, registry: str
) -> None:
    result = launcher("--registry", registry, "push", "halfstar-no-such-image")
    assert (result.code, result.out) == (1, "")
    assert result.err == (
        "launcher: there is no local image halfstar-no-such-image: "
        "run `launcher build`\n"
    )


def test_a_registry_that_does_not_exist_is_named(
    launcher: Launcher, tiny_image: str
) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    result = launcher("--registry", nowhere, "push", tiny_image)
    assert result.code == 1
    assert result.err.startswith(f"launcher: registry {nowhere} can't be reached: ")


def test_the_password_is_on_no_disk_and_no_command_line(
    launcher: Launcher,
    registry: str,
    tiny_image: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen: list[bytes] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            for path in (*Path("/proc").glob("[0-9]*/cmdline"), *tmp_path.rglob("*")):
                try:
                    seen.append(path.read_bytes() if path.is_file() else b"")
                except OSError:  # it is gone by now
                    continue
            time.sleep(0.005)

    watcher = threading.Thread(target=watch)
    watcher.start()
    options = ("--registry", registry, "--set", "repository=secret")
    result = launcher(*options, "push", tiny_image)
    stop.set()
    watcher.join()
    assert result.code == 0, result.err
    assert any(b"credHelpers" in content for content in seen)
    assert any(b"docker\0push" in content for content in seen)
    assert not any(PASSWORD.encode() in content for content in seen)
    assert PASSWORD not in result.out + result.err
    assert not list(tmp_path.glob("halfstar-docker-*"))
