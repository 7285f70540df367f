from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from serve.multi_model import PAGE
from serve.registry import Kept
from tests.forging import make_crashing
from tests.serve.conftest import MakeModels, Serving

ROWS = b"1,2\n4,10"


@pytest.fixture
def client(make_models: MakeModels, serving: Serving) -> Iterator[httpx.Client]:
    """Of a server with room for three models."""
    with (
        serving(make_models(3), max_concurrent=2) as (host, port),
        httpx.Client(
            base_url=f"http://{host}:{port}", trust_env=False, timeout=60
        ) as client,
    ):
        yield client


def load(client: httpx.Client, name: str, url: object) -> httpx.Response:
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


def test_each_model_has_movies_to_rate(client: httpx.Client, model_dir: Path) -> None:
    load(client, "a", model_dir)
    answer = client.post("/models/a/invoke", json={"onboarding": 2})
    assert len(answer.json()["onboarding"]) == 2
    both = {"onboarding": 2, "recommend": 2}
    refused = client.post("/models/a/invoke", json=both)
    assert refused.status_code == 400
    assert "are two questions" in refused.json()["error"]["message"]


def test_what_is_no_model_is_refused(client: httpx.Client, tmp_path: Path) -> None:
    assert load(client, "a", tmp_path / "nowhere").status_code == 404
    assert load(client, "a", tmp_path).status_code == 400
    for content in (
        b"",
        b"{}",
        b"[1]",
        b'{"model_name": "", "url": "/"}',
        b'{"model_name": 1, "url": "/"}',
        b'{"model_name": "a", "url": ["/"]}',
        b"\xff",
    ):
        assert client.post("/models", content=content).status_code == 400
    assert client.get("/models").json() == {"models": []}
    assert client.post("/invocations", content=ROWS).status_code == 404
    assert client.put("/models/a").status_code == 405


@pytest.mark.parametrize(
    "name",
    ["a/b", "..", ".a", "a b", "a%2Fb", "a\n", "ä", "a\0", "a?b", "a#b", "a" * 257],
)
def test_a_name_that_a_path_would_have_to_escape_is_refused(
    client: httpx.Client, model_dir: Path, name: str
) -> None:
    response = load(client, name, model_dir)
    assert response.status_code == 400
    assert "model_name is" in response.json()["error"]["message"]


def test_a_name_may_be_a_hash_of_any_alphabet(
    client: httpx.Client, model_dir: Path
) -> None:
    name = "Ab0_-." + "=" * 250
    assert load(client, name, model_dir).status_code == 200
    escaped = name.replace("=", "%3D").replace("A", "%41")
    assert client.get(f"/models/{escaped}").json()["modelName"] == name
    assert invoke(client, escaped).status_code == 200
    assert client.delete(f"/models/{name}").status_code == 200


def test_no_directory_but_those_of_models_is_looked_at(client: httpx.Client) -> None:
    outside = {load(client, "a", url).text for url in ("/etc", "/nowhere", "etc", "")}
    assert {text.count("isn't below") for text in outside} == {1}
    assert "passwd" not in "".join(outside)


def test_messages_do_not_list_a_directory(client: httpx.Client, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").touch()
    response = load(client, "a", tmp_path)
    assert response.status_code == 400
    message = response.json()["error"]["message"]
    assert "no manifest.json in" in message
    assert "secret" not in message


def test_a_damaged_model_is_refused(
    client: httpx.Client, model_dir: Path, tmp_path: Path
) -> None:
    damaged = shutil.copytree(model_dir, tmp_path / "damaged")
    (damaged / "forest.bin").write_bytes(b"x")
    response = load(client, "a", damaged)
    assert response.status_code == 400
    message = response.json()["error"]["message"]
    assert "forest.bin isn't what training wrote" in message


def test_a_booster_that_crashes_xgboost_is_refused_and_others_answer(
    client: httpx.Client, model_dir: Path, tmp_path: Path
) -> None:
    forged = shutil.copytree(model_dir, tmp_path / "forged")
    make_crashing(forged)
    load(client, "good", model_dir)
    expected = invoke(client, "good").text
    response = load(client, "forged", forged)
    assert response.status_code == 400
    assert "SIGSEGV" in response.json()["error"]["message"]
    assert invoke(client, "good").text == expected
    assert client.get("/models/forged").status_code == 404


@pytest.mark.parametrize("name", ["manifest.json", "booster.ubj", "forest.bin"])
def test_a_pipe_in_place_of_a_file_keeps_nobody_waiting(
    client: httpx.Client, model_dir: Path, tmp_path: Path, name: str
) -> None:
    forged = shutil.copytree(model_dir, tmp_path / "forged")
    (forged / name).unlink()
    os.mkfifo(forged / name)
    load(client, "good", model_dir)
    response = load(client, "forged", forged)
    assert response.status_code == 400
    assert "no regular file" in response.json()["error"]["message"]
    assert client.get("/ping").status_code == 200
    assert invoke(client, "good").status_code == 200


def test_a_model_larger_than_the_memory_is_507(
    make_models: MakeModels, model_dir: Path, serving: Serving
) -> None:
    with serving(make_models(0.5)) as (host, port):
        response = httpx.post(
            f"http://{host}:{port}/models",
            json={"model_name": "a", "url": str(model_dir)},
            trust_env=False,
        )
    assert response.status_code == 507
    assert response.json()["error"]["code"] == "insufficient_storage"


def test_a_model_that_is_gone_when_it_is_read_again_is_503(
    make_models: MakeModels, model_dir: Path, tmp_path: Path, serving: Serving
) -> None:
    copy = shutil.copytree(model_dir, tmp_path / "copy")
    with (
        serving(make_models(1)) as (host, port),
        httpx.Client(
            base_url=f"http://{host}:{port}", trust_env=False, timeout=60
        ) as client,
    ):
        load(client, "a", copy)
        expected = invoke(client, "a").text
        load(client, "b", model_dir)  # a leaves memory
        moved = copy.rename(tmp_path / "moved")
        assert invoke(client, "a").status_code == 503
        moved.rename(copy)
        assert invoke(client, "a").text == expected


def test_models_are_listed_page_by_page(
    make_models: MakeModels, serving: Serving, model_dir: Path
) -> None:
    names = [f"model-{number:03}" for number in range(2 * PAGE + 5)]
    kept = {name: Kept(str(model_dir), str(model_dir), 0, "") for name in names}
    listed = []
    with serving(make_models(1, kept)) as (host, port):
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
    for _ in range(2):
        for name in "ab":
            assert load(client, name, model_dir).status_code == 200
            assert invoke(client, name).text == expected
        for name in "ab":
            assert client.delete(f"/models/{name}").status_code == 200
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong
