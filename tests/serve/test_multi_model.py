from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from movielens import artifact
from movielens.model import Model
from serve.models import MEMORY_FACTOR, Models
from tests.examples import EVALUATION

ROWS = b"1,2\n4,10"


@pytest.fixture(scope="module")
def model_dir(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("models") / "model"
    directory.mkdir()
    artifact.save(model, EVALUATION, directory)
    return directory


@pytest.fixture
def models(model_dir: Path) -> Models:
    """With room for two and a half."""
    return Models(int(2.5 * MEMORY_FACTOR * artifact.size(model_dir)))


@pytest.fixture
def client(models: Models, serving: Any) -> Iterator[httpx.Client]:
    with (
        serving(models, max_concurrent=2) as (host, port),
        httpx.Client(
            base_url=f"http://{host}:{port}", trust_env=False, timeout=60
        ) as client,
    ):
        yield client


def load(client: httpx.Client, name: str, url: Path) -> httpx.Response:
    return client.post("/models", json={"model_name": name, "url": str(url)})


def invoke(client: httpx.Client, name: str) -> httpx.Response:
    return client.post(
        f"/models/{name}/invoke", content=ROWS, headers={"content-type": "text/csv"}
    )


def test_the_life_of_a_model(client: httpx.Client, model_dir: Path) -> None:
    assert client.get("/ping").status_code == 200
    assert client.get("/models").json() == {"models": []}
    assert load(client, "a", model_dir).json() == {
        "modelName": "a",
        "modelUrl": str(model_dir),
    }
    assert load(client, "a", model_dir).status_code == 409
    assert client.get("/models/a").json() == {
        "modelName": "a",
        "modelUrl": str(model_dir),
    }
    assert client.get("/models").json() == {
        "models": [{"modelName": "a", "modelUrl": str(model_dir)}]
    }
    assert len(invoke(client, "a").text.split("\n")) == 2
    assert client.delete("/models/a").status_code == 200
    for gone in (
        client.get("/models/a"),
        client.delete("/models/a"),
        invoke(client, "a"),
    ):
        assert gone.status_code == 404
        assert gone.json()["error"]["code"] == "not_found"
    assert load(client, "a", model_dir).status_code == 200


def test_what_cannot_be_loaded(client: httpx.Client, tmp_path: Path) -> None:
    assert load(client, "a", tmp_path / "nowhere").status_code == 404
    assert load(client, "a", tmp_path).status_code == 400
    for content in (
        b"",
        b"{}",
        b'{"model_name": "", "url": "/"}',
        b'{"model_name": "a/b", "url": "/"}',
        b"\xff",
    ):
        assert client.post("/models", content=content).status_code == 400
    assert client.get("/models").json() == {"models": []}
    assert client.post("/invocations", content=ROWS).status_code == 404
    assert client.put("/models/a").status_code == 405


def test_a_damaged_model_is_refused(
    client: httpx.Client, model_dir: Path, tmp_path: Path
) -> None:
    damaged = shutil.copytree(model_dir, tmp_path / "damaged")
    (damaged / "forest.bin").write_bytes(b"x")
    response = load(client, "a", damaged)
    assert response.status_code == 400
    assert "forest.bin isn't what training wrote" in response.json()["error"]["message"]


def test_one_that_needs_more_memory_than_there_is_is_507(
    model_dir: Path, serving: Any
) -> None:
    with serving(Models(1000)) as (host, port):
        response = httpx.post(
            f"http://{host}:{port}/models",
            json={"model_name": "a", "url": str(model_dir)},
            trust_env=False,
        )
    assert response.status_code == 507
    assert response.json()["error"]["code"] == "insufficient_storage"


def test_the_least_recently_asked_for_leaves_memory(
    client: httpx.Client, models: Models, model_dir: Path
) -> None:
    for name in "ab":
        load(client, name, model_dir)
    invoke(client, "a")
    assert load(client, "c", model_dir).status_code == 200
    assert [models.is_resident(name) for name in "abc"] == [True, False, True]
    assert (
        invoke(client, "b").text == invoke(client, "a").text
    )  # it comes back, and c, the oldest, leaves
    assert [models.is_resident(name) for name in "abc"] == [True, True, False]
    assert models.names() == ["a", "b", "c"]


def test_models_are_listed_by_the_page(
    models: Models, client: httpx.Client, model_dir: Path
) -> None:
    models._memory = 10**12
    names = [f"model-{k:03}" for k in range(205)]
    for name in names:
        models.load(name, model_dir)
    listed: list[str] = []
    token: str | None = ""
    while token is not None:
        page = client.get(
            "/models", params={"next_page_token": token} if token else {}
        ).json()
        listed += [entry["modelName"] for entry in page["models"]]
        token = page.get("nextPageToken")
    assert listed == names
    assert client.get("/models?next_page_token=%FF").status_code == 400


def test_loading_and_unloading_under_traffic(
    client: httpx.Client, model_dir: Path
) -> None:
    load(client, "steady", model_dir)
    expected, stop, wrong = invoke(client, "steady").text, threading.Event(), []

    def ask() -> None:
        with httpx.Client(base_url=client.base_url, trust_env=False, timeout=60) as own:
            while not stop.is_set():
                response = invoke(own, "steady")
                if (response.status_code, response.text) != (200, expected):
                    wrong.append(response.text)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        for name in "ab":
            assert load(client, name, model_dir).status_code == 200
            assert invoke(client, name).text == expected
        for name in "ab":
            assert client.delete(f"/models/{name}").status_code == 200
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong
