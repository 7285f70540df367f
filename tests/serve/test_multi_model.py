from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from movielens import artifact
from serve.models import Models
from serve.multi_model import PAGE
from serve.resources import MODEL_FACTOR
from tests.serve.conftest import Serving

ROWS = b"1,2\n4,10"


@pytest.fixture
def models(model_dir: Path) -> Models:
    """With room for three."""
    return Models(3 * MODEL_FACTOR * artifact.size(model_dir))


@pytest.fixture
def client(models: Models, serving: Serving) -> Iterator[httpx.Client]:
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
    described = {"modelName": "a", "modelUrl": str(model_dir)}
    assert load(client, "a", model_dir).json() == described
    assert load(client, "a", model_dir).status_code == 409
    assert client.get("/models/a").json() == described
    assert client.get("/models").json() == {"models": [described]}
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


def test_what_is_no_model_is_refused(client: httpx.Client, tmp_path: Path) -> None:
    assert load(client, "a", tmp_path / "nowhere").status_code == 404
    assert load(client, "a", tmp_path).status_code == 400
    for content in (
        b"",
        b"{}",
        b"[1]",
        b'{"model_name": "", "url": "/"}',
        b'{"model_name": 1, "url": "/"}',
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
    message = response.json()["error"]["message"]
    assert "forest.bin isn't what training wrote" in message


def test_a_model_larger_than_the_memory_is_507(
    model_dir: Path, serving: Serving
) -> None:
    with serving(Models(1000)) as (host, port):
        response = httpx.post(
            f"http://{host}:{port}/models",
            json={"model_name": "a", "url": str(model_dir)},
            trust_env=False,
        )
    assert response.status_code == 507
    assert response.json()["error"]["code"] == "insufficient_storage"


def test_models_are_listed_page_by_page(serving: Serving, model_dir: Path) -> None:
    n_models = 2 * PAGE + 5
    models = Models(n_models * MODEL_FACTOR * artifact.size(model_dir))
    names = [f"model-{number:03}" for number in range(n_models)]
    for name in names:
        models.load(name, model_dir)
    listed = []
    with serving(models) as (host, port):
        url = f"http://{host}:{port}/models"
        pages = 0
        token = ""
        while token or pages == 0:
            parameters = {"next_page_token": token} if token else {}
            page = httpx.get(url, params=parameters, trust_env=False).json()
            listed += [entry["modelName"] for entry in page["models"]]
            token = page.get("nextPageToken", "")
            pages += 1
    assert listed == names
    assert pages == 3


def test_a_token_that_we_never_made_is_refused(client: httpx.Client) -> None:
    assert client.get("/models?next_page_token=%FF").status_code == 400


def test_models_come_and_go_while_others_are_asked(
    client: httpx.Client, model_dir: Path
) -> None:
    load(client, "steady", model_dir)
    expected = invoke(client, "steady").text
    stop = threading.Event()
    wrong: list[str] = []

    def ask() -> None:
        with httpx.Client(base_url=client.base_url, trust_env=False, timeout=60) as own:
            while not stop.is_set():
                response = invoke(own, "steady")
                if (response.status_code, response.text) != (200, expected):
                    wrong.append(response.text)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        for name in "ab":
            assert load(client, name, model_dir).status_code == 200
            assert invoke(client, name).text == expected
        for name in "ab":
            assert client.delete(f"/models/{name}").status_code == 200
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong
