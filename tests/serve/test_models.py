from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from movielens import artifact
from movielens.errors import ArtifactError
from serve.errors import HttpError
from serve.models import Models
from serve.resources import MODEL_FACTOR


@pytest.fixture
def models(model_dir: Path) -> Models:
    """With room for two and a half."""
    return Models(int(2.5 * MODEL_FACTOR * artifact.size(model_dir)))


def status_of(error: pytest.ExceptionInfo[HttpError]) -> int:
    return error.value.status


def test_a_model_is_there_until_it_is_unloaded(models: Models, model_dir: Path) -> None:
    models.load("a", model_dir)
    assert models.get("a").is_well()
    assert models.names() == ["a"]
    assert models.describe("a") == {"modelName": "a", "modelUrl": str(model_dir)}
    models.unload("a")
    assert models.names() == []
    assert not models.is_resident("a")
    with pytest.raises(HttpError, match="no model a is loaded") as raised:
        models.get("a")
    assert status_of(raised) == 404


def test_a_name_is_used_once(models: Models, model_dir: Path) -> None:
    models.load("a", model_dir)
    with pytest.raises(HttpError, match="loaded already") as raised:
        models.load("a", model_dir)
    assert status_of(raised) == 409


def test_a_model_larger_than_the_memory_is_refused(model_dir: Path) -> None:
    with pytest.raises(HttpError, match="models may take 0 MiB") as raised:
        Models(1000).load("a", model_dir)
    assert status_of(raised) == 507


def test_a_damaged_model_is_not_kept(
    models: Models, model_dir: Path, tmp_path: Path
) -> None:
    damaged = shutil.copytree(model_dir, tmp_path / "damaged")
    (damaged / "forest.bin").write_bytes(b"x")
    with pytest.raises(ArtifactError, match=r"forest\.bin isn't what training wrote"):
        models.load("a", damaged)
    assert models.names() == []


def test_the_least_recently_used_model_leaves_memory(
    models: Models, model_dir: Path
) -> None:
    models.load("a", model_dir)
    models.load("b", model_dir)
    models.get("a")
    models.load("c", model_dir)
    assert [models.is_resident(name) for name in "abc"] == [True, False, True]
    models.get("a")
    assert models.get("b").is_well()  # read again, for which c leaves
    assert [models.is_resident(name) for name in "abc"] == [True, True, False]
    assert models.names() == ["a", "b", "c"]


def test_models_may_be_asked_for_from_any_thread(
    models: Models, model_dir: Path
) -> None:
    models.load("steady", model_dir)
    stop = threading.Event()
    faults: list[Exception] = []

    def ask() -> None:
        while not stop.is_set():
            try:
                models.get("steady")
            except Exception as error:  # noqa: BLE001 reported below
                faults.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        for name in "ab":
            models.load(name, model_dir)
        for name in "ab":
            models.unload(name)
    stop.set()
    for thread in threads:
        thread.join()
    assert not faults
