"""Requests that Schemathesis makes from the OpenAPI documents, sent to the image.

`make test-http` runs this. No answer may be a 5xx, or one that the documents don't
have. Requests that fit the documents are accepted, where the documents can say all that
a request has to be: so in the fixed cases, and not in the random ones, which may rate a
movie twice in a history.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from container.image import build
from container.job_folder import make_job_folder
from tests.container.image_runner import ImageRunner
from tools.reference.http import MULTI_FILE, SINGLE_FILE
from tools.reference.pages import DIRECTORY

COMMAND = Path(__file__).parents[2] / ".venv-http" / "bin" / "schemathesis"
SEED = "1729"
EXAMPLES = "30"

ALWAYS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
)
FIXED = "examples,coverage"
RANDOM = "fuzzing"


@pytest.fixture(scope="session")
def runner() -> Iterator[ImageRunner]:
    runner = ImageRunner(build("halfstar:test"))
    yield runner
    runner.close()


@pytest.fixture(scope="session")
def base_dir(
    runner: ImageRunner, small_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A small model, both where one is served and where many are."""
    base_dir = tmp_path_factory.mktemp("http")
    make_job_folder(base_dir, small_data, {"num_round": "2", "regression_rounds": "2"})
    trained = runner.run(base_dir, "train")
    assert trained.returncode == 0, trained.stdout + trained.stderr
    shutil.copytree(base_dir / "model", base_dir / "models" / "one")
    return base_dir


@pytest.fixture(scope="session")
def one_model(runner: ImageRunner, base_dir: Path) -> str:
    """The address of a server of one model."""
    return runner.serve(base_dir)[1]


@pytest.fixture(scope="session")
def many_models(runner: ImageRunner, base_dir: Path) -> str:
    """The address of a server that has loaded a model called ``one``."""
    address = runner.serve(base_dir, "--env", "SAGEMAKER_MULTI_MODEL=true")[1]
    model = {"model_name": "one", "url": "/opt/ml/models/one"}
    loaded = httpx.post(f"{address}/models", json=model, timeout=60, trust_env=False)
    assert loaded.status_code == 200, loaded.text
    return address


def send(document: str, address: str, phases: str, *checks: str) -> None:
    """Send the requests of some phases, and make some checks of each answer."""
    command = [
        *(str(COMMAND), "run", str(DIRECTORY / document)),
        *("--url", address),
        *("--phases", phases),
        *("--checks", ",".join(checks)),
        *("--max-examples", EXAMPLES),
        *("--seed", SEED),
        *("--warnings", "off"),
        *("--request-timeout", "60"),
        "--continue-on-failure",
        "--no-shrink",
    ]
    # It keeps what it found where it runs, and each run should begin anew.
    with tempfile.TemporaryDirectory() as directory:
        sent = subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd=directory,
            env={**os.environ, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"},
            check=False,
        )
    assert sent.returncode == 0, sent.stdout + sent.stderr
    generated = re.search(r"(\d+) generated", sent.stdout)
    assert generated, sent.stdout
    print(f"{document}: {generated[1]} requests")


def test_fixed_requests_that_fit_the_document_are_accepted(one_model: str) -> None:
    send(SINGLE_FILE, one_model, FIXED, *ALWAYS, "positive_data_acceptance")


def test_random_requests_get_answers_of_the_document(one_model: str) -> None:
    send(SINGLE_FILE, one_model, RANDOM, *ALWAYS)


def test_so_does_a_server_of_many_models(many_models: str) -> None:
    send(MULTI_FILE, many_models, f"{FIXED},{RANDOM}", *ALWAYS)


def test_the_documents_have_all_paths(one_model: str, many_models: str) -> None:
    for name, address in ((SINGLE_FILE, one_model), (MULTI_FILE, many_models)):
        document: dict[str, Any] = json.loads((DIRECTORY / name).read_text())
        documented = {path for path in document["paths"] if "{" not in path}
        refused = httpx.get(f"{address}/nothing", trust_env=False)
        assert refused.status_code == 404
        message = refused.json()["error"]["message"]
        listed = message.removeprefix("no such path, expected one of ").split(", ")
        assert set(listed) == documented
