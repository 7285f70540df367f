from __future__ import annotations

import gc
import json
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import pytest

from movielens.errors import ArtifactError
from movielens.proofs import ProofLimits
from serve.errors import HttpError
from serve.model_places import ModelPlaces
from serve.models import ModelLimits, Models
from serve.proving import prove
from serve.registry import Line, ProvingTask, Registry
from serve.resources import MODEL_FACTOR
from serve.served_model import ServedModel
from tests.forging import make_crashing, resave
from tests.serve.conftest import MakeModels


@pytest.fixture
def models(make_models: MakeModels) -> Models:
    """With room for two and a half."""
    return make_models(2.5)


def status_of(error: pytest.ExceptionInfo[HttpError]) -> int:
    return error.value.status


def names(models: Models) -> list[str]:
    return [model["modelName"] for model in models.describe_all()]


def get(models: Models, name: str) -> ServedModel:
    return models.reading(name).result(timeout=60)


def test_a_model_is_there_until_it_is_unloaded(models: Models, model_dir: Path) -> None:
    models.load("a", str(model_dir))
    assert get(models, "a").is_well()
    described = {"modelName": "a", "modelUrl": str(model_dir)}
    assert models.describe("a") == described
    assert models.describe_all() == [described]
    models.unload("a")
    assert models.describe_all() == []
    for use in (models.resident, models.reading, models.describe, models.unload):
        with pytest.raises(HttpError, match="no model a is loaded") as raised:
            use("a")
        assert status_of(raised) == 404


def test_a_name_is_used_once(models: Models, model_dir: Path) -> None:
    models.load("a", str(model_dir))
    with pytest.raises(HttpError, match="loaded already") as raised:
        models.load("a", str(model_dir))
    assert status_of(raised) == 409


def test_of_two_loads_of_a_name_at_once_one_counts(
    make_models: MakeModels, model_dir: Path
) -> None:
    models = make_models(1)

    def load(_: int) -> int:
        try:
            models.load("a", str(model_dir))
        except HttpError as error:
            return error.status
        return 200

    with ThreadPoolExecutor(4) as threads:
        statuses = sorted(threads.map(load, range(4)))
    assert statuses == [200, 409, 409, 409]
    assert get(models, "a").is_well()


def test_there_is_a_limit_on_their_number(
    make_models: MakeModels, model_dir: Path
) -> None:
    models = make_models(2, count=1)
    models.load("a", str(model_dir))
    with pytest.raises(HttpError, match="1 models are loaded") as raised:
        models.load("b", str(model_dir))
    assert status_of(raised) == 507


def test_a_model_larger_than_the_memory_is_refused(
    make_models: MakeModels, model_dir: Path
) -> None:
    models = make_models(0.9)
    with pytest.raises(HttpError, match="models may take") as raised:
        models.load("a", str(model_dir))
    assert status_of(raised) == 507
    assert names(models) == []


def test_sizes_are_those_of_the_files_and_not_of_the_manifest(
    make_models: MakeModels, model_dir: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(model_dir, tmp_path / "copy")
    manifest = (copy / "manifest.json").read_text()
    n_bytes = (copy / "booster.ubj").stat().st_size
    assert f'"bytes": {n_bytes}' in manifest
    small = manifest.replace(f'"bytes": {n_bytes}', '"bytes": 0')
    (copy / "manifest.json").write_text(small)
    with pytest.raises(HttpError) as raised:
        make_models(0.9).load("a", str(copy))
    assert status_of(raised) == 507


@pytest.mark.slow
def test_a_model_in_use_takes_memory_after_it_is_unloaded(
    make_models: MakeModels, model_dir: Path
) -> None:
    models = make_models(1, leave_s=0.1)
    models.load("a", str(model_dir))
    in_use = get(models, "a")
    models.unload("a")
    with pytest.raises(HttpError, match="requests in flight use the memory") as raised:
        models.load("b", str(model_dir))
    assert status_of(raised) == 507
    assert in_use.is_well()
    del in_use, raised
    gc.collect()
    models.load("b", str(model_dir))
    assert get(models, "b").is_well()


def test_an_unload_waits_for_the_memory(
    make_models: MakeModels, model_dir: Path
) -> None:
    models = make_models(1)
    models.load("a", str(model_dir))
    in_use = [get(models, "a")]
    unload = threading.Thread(target=models.unload, args=("a",))
    unload.start()
    unload.join(timeout=0.2)
    assert unload.is_alive()
    in_use.clear()
    unload.join(timeout=60)
    assert not unload.is_alive()


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("forest.bin", "forest.bin isn't what training wrote"),
        ("features.npz", "features.npz"),
        ("manifest.json", "manifest.json"),
    ],
)
def test_a_damaged_model_leaves_nothing(
    models: Models, model_dir: Path, tmp_path: Path, name: str, fault: str
) -> None:
    damaged = shutil.copytree(model_dir, tmp_path / "damaged")
    (damaged / name).write_bytes(b"x")
    for _ in range(2):
        with pytest.raises(HttpError, match=fault) as raised:
            models.load("a", str(damaged))
        assert status_of(raised) == 400
    assert names(models) == []
    models.load("a", str(model_dir))


def test_a_booster_that_crashes_xgboost_leaves_nothing(
    models: Models, model_dir: Path, tmp_path: Path
) -> None:
    forged = shutil.copytree(model_dir, tmp_path / "forged")
    make_crashing(forged)
    with pytest.raises(HttpError, match="loading it ends its process") as raised:
        models.load("a", str(forged))
    assert status_of(raised) == 400
    assert names(models) == []
    models.load("a", str(model_dir))


def test_a_fault_that_nobody_thought_of_leaves_nothing(model_dir: Path) -> None:
    reader, writer = socket.socketpair()
    reader.close()
    writer.close()
    places = ModelPlaces(model_dir.parent)
    models = Models(places, ModelLimits(2**40), Line(writer), {})
    for _ in range(2):
        with pytest.raises(HttpError, match="OSError") as raised:
            models.load("a", str(model_dir))
        assert status_of(raised) == 400
    assert names(models) == []


def test_loading_has_a_deadline(make_models: MakeModels, model_dir: Path) -> None:
    models = make_models(1, load_s=0.01)
    with pytest.raises(HttpError, match="takes too long") as raised:
        models.load("a", str(model_dir))
    assert status_of(raised) == 400
    assert names(models) == []


def test_the_least_recently_used_model_leaves_memory(
    models: Models, model_dir: Path
) -> None:
    def is_resident() -> list[bool]:
        return [entry.served is not None for entry in models._entries.values()]

    for name in "ab":
        models.load(name, str(model_dir))
    get(models, "a")
    models.load("c", str(model_dir))
    # In the order of their last use: b, a, c.
    assert is_resident() == [False, True, True]
    assert get(models, "b").is_well()  # read again, for which a leaves
    assert names(models) == ["a", "b", "c"]
    assert is_resident() == [False, True, True]


def test_a_model_that_many_ask_for_is_read_again_once(
    make_models: MakeModels, model_dir: Path
) -> None:
    models = make_models(1)
    for name in "ab":
        models.load(name, str(model_dir))
    readings = [models.reading("a") for _ in range(20)]
    assert len(set(map(id, readings))) == 1
    assert readings[0].result(timeout=60).is_well()


def test_a_model_whose_files_have_gone_can_be_read_when_they_are_back(
    make_models: MakeModels, model_dir: Path, tmp_path: Path
) -> None:
    models = make_models(1)
    copy = shutil.copytree(model_dir, tmp_path / "copy")
    models.load("a", str(copy))
    models.load("b", str(model_dir))  # a leaves memory
    moved = copy.rename(tmp_path / "moved")
    for _ in range(2):
        with pytest.raises(HttpError, match="model a can't be read again") as raised:
            get(models, "a")
        assert status_of(raised) == 503
    assert get(models, "b").is_well()
    moved.rename(copy)
    assert get(models, "a").is_well()


def test_a_model_whose_files_have_changed_is_not_read_again(
    make_models: MakeModels, model_dir: Path, tmp_path: Path
) -> None:
    models = make_models(1)
    copy = shutil.copytree(model_dir, tmp_path / "copy")
    models.load("a", str(copy))
    models.load("b", str(model_dir))  # a leaves memory
    resave(copy, "evaluation.json", b"{}")
    with pytest.raises(HttpError, match="have changed since it was proved") as raised:
        get(models, "a")
    assert status_of(raised) == 503
    models.unload("a")
    models.load("a", str(copy))


def test_models_may_be_asked_for_from_any_thread(
    make_models: MakeModels, model_dir: Path
) -> None:
    models = make_models(3)
    models.load("steady", str(model_dir))
    stop = threading.Event()
    faults: list[Exception] = []

    def ask() -> None:
        while not stop.is_set():
            try:
                get(models, "steady")
            except Exception as error:  # noqa: BLE001 reported below
                faults.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        for name in "ab":
            models.load(name, str(model_dir))
        for name in "ab":
            models.unload(name)
    stop.set()
    for thread in threads:
        thread.join()
    assert not faults


# What process 1 is told and asked; here the tests are process 1.


class Process1:
    """Has a registry, and answers for proofs when a test says so."""

    def __init__(
        self, sockets: tuple[socket.socket, socket.socket], model_dir: Path
    ) -> None:
        reader, writer = sockets
        self.registry = Registry(reader)
        line = Line(writer)
        n_bytes = sum(file.stat().st_size for file in model_dir.iterdir())
        limits = ModelLimits(int(1.5 * MODEL_FACTOR * n_bytes), leave_s=0.1)
        self.models = Models(ModelPlaces(model_dir.parent), limits, line, {})
        self.proof = json.dumps(asdict(prove(model_dir))).encode()

    def next_task(self) -> ProvingTask:
        """The task that a load waits for."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for task in self.registry.tasks():
                return task
            time.sleep(0.01)
        raise AssertionError("nobody asks for a proof")

    def pass_(self, task: ProvingTask) -> None:
        """Let the model pass."""
        task.answer.send(self.proof)
        task.ended(0)

    def kept(self) -> set[str]:
        assert not list(self.registry.tasks())
        return set(self.registry.models)


@pytest.fixture
def process_1(model_dir: Path) -> Iterator[Process1]:
    """With room for one model and a half."""
    reader, writer = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with reader, writer:
        yield Process1((reader, writer), model_dir)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as threads:
        yield threads


def test_a_model_is_kept_from_its_load_to_its_unload(
    process_1: Process1, model_dir: Path, threads: ThreadPoolExecutor
) -> None:
    loaded = threads.submit(process_1.models.load, "a", str(model_dir))
    task = process_1.next_task()
    assert process_1.kept() == set()
    process_1.pass_(task)
    loaded.result()
    assert process_1.kept() == {"a"}
    process_1.models.unload("a")
    assert process_1.kept() == set()


def test_the_models_of_a_former_worker_are_there(
    process_1: Process1, model_dir: Path, threads: ThreadPoolExecutor, line: Line
) -> None:
    loaded = threads.submit(process_1.models.load, "a", str(model_dir))
    process_1.pass_(process_1.next_task())
    loaded.result()
    assert process_1.kept() == {"a"}

    successor = Models(
        ModelPlaces(model_dir.parent),
        ModelLimits(2**40),
        line,
        process_1.registry.models,
    )
    assert successor.describe_all() == process_1.models.describe_all()
    assert get(successor, "a").is_well()


def test_a_model_that_is_being_loaded_takes_memory(
    process_1: Process1, model_dir: Path, threads: ThreadPoolExecutor
) -> None:
    loaded = threads.submit(process_1.models.load, "a", str(model_dir))
    task = process_1.next_task()
    with pytest.raises(HttpError, match="0 MiB can be freed") as raised:
        process_1.models.load("b", str(model_dir))
    assert status_of(raised) == 507
    process_1.pass_(task)
    loaded.result()
    assert names(process_1.models) == ["a"]


def test_a_model_that_is_unloaded_while_it_is_loaded_is_not_there(
    process_1: Process1, model_dir: Path, threads: ThreadPoolExecutor
) -> None:
    models = process_1.models
    loaded = threads.submit(models.load, "a", str(model_dir))
    task = process_1.next_task()
    with pytest.raises(HttpError, match="no model a is loaded"):
        models.resident("a")
    models.unload("a")
    process_1.pass_(task)
    with pytest.raises(HttpError, match="unloaded while it was loaded") as raised:
        loaded.result()
    assert status_of(raised) == 409
    assert process_1.kept() == set()
    assert names(models) == []

    again = threads.submit(models.load, "a", str(model_dir))
    process_1.pass_(process_1.next_task())
    again.result()
    assert process_1.kept() == {"a"}


def test_a_model_whose_directory_becomes_a_link_to_elsewhere_is_not_read_again(
    make_models: MakeModels, model_dir: Path, tmp_path: Path
) -> None:
    root = tmp_path / "models"
    copy = shutil.copytree(model_dir, root / "copy")
    other = shutil.copytree(model_dir, root / "other")
    models = make_models(1, root=root)
    models.load("a", str(copy))
    models.load("b", str(other))  # a leaves memory
    elsewhere = copy.rename(tmp_path / "elsewhere")
    copy.symlink_to(elsewhere)
    with pytest.raises(HttpError, match=f"it isn't below {root}") as raised:
        get(models, "a")
    assert status_of(raised) == 503
    assert get(models, "b").is_well()


def test_a_directory_that_becomes_a_link_before_its_proof_is_not_read(
    model_dir: Path, tmp_path: Path, line: Line
) -> None:
    root = tmp_path / "models"
    copy = shutil.copytree(model_dir, root / "copy")
    elsewhere = copy.rename(tmp_path / "elsewhere")
    copy.symlink_to(elsewhere)
    limits = ProofLimits(seconds=60, n_bytes=2**20)
    with pytest.raises(ArtifactError, match=f"it isn't below {root}"):
        line.prove(copy, root, limits)


def test_a_model_that_changes_between_its_proof_and_its_reading_is_refused(
    process_1: Process1, model_dir: Path, tmp_path: Path, threads: ThreadPoolExecutor
) -> None:
    copy = shutil.copytree(model_dir, tmp_path / "copy")
    loaded = threads.submit(process_1.models.load, "a", str(copy))
    task = process_1.next_task()
    make_crashing(copy)
    process_1.pass_(task)
    with pytest.raises(HttpError, match="have changed since it was proved") as raised:
        loaded.result()
    assert status_of(raised) == 400
    assert process_1.kept() == set()
