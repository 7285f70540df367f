"""A model's files, and servers of them. Containers are in tests/container."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from launcher.errors import ConfigError, LauncherError
from launcher.play.asking import ServerClient
from launcher.play.model_server import model_files, serving
from tests.launcher.play.conftest import NO_IMAGE


def test_a_directory_is_served_as_it_is(model_dir: Path) -> None:
    with model_files(model_dir) as directory:
        assert directory == model_dir.resolve()


def test_an_archive_is_unpacked_for_a_while(model_dir: Path, tmp_path: Path) -> None:
    archive = tmp_path / "model.tar.gz"
    names = [path.name for path in model_dir.iterdir()]
    subprocess.run(["tar", "-czf", archive, "-C", model_dir, *names], check=True)
    with model_files(archive) as directory:
        assert sorted(path.name for path in directory.iterdir()) == sorted(names)
    assert not directory.exists()


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("text")
    empty = tmp_path / "empty.tar.gz"
    subprocess.run(["tar", "-czf", empty, "-C", tmp_path, "text"], check=True)
    for path, words in (
        (tmp_path, "expected a directory with manifest"),
        (tmp_path / "absent", "expected a directory with manifest"),
        (text, "it isn't a whole tar.gz"),
        (empty, "it is no model of ours"),
    ):
        with pytest.raises(ConfigError, match=words), model_files(path):
            pass


def test_a_model_that_cannot_be_served_is_said(model_dir: Path, tmp_path: Path) -> None:
    broken = tmp_path / "model"
    shutil.copytree(model_dir, broken)
    (broken / "booster.ubj").write_bytes(b"")
    said: list[str] = []
    with (
        pytest.raises(LauncherError, match="the model can't be served"),
        serving(broken, NO_IMAGE, said.append),
    ):
        pass
    assert said == [f"serve {broken} by a process of this machine"]


def test_a_server_ends_with_its_context(model_dir: Path) -> None:
    question = {"userId": 1, "recommend": 1}
    with serving(model_dir, NO_IMAGE, lambda _: None) as url:
        client = ServerClient(url)
        assert client.ask(question)["recommendations"]
    with client, pytest.raises(LauncherError, match="doesn't answer"):
        client.ask(question)
