"""The notebook in ``examples``, executed in local mode; see `make test-sdk`.

Its own cells compare the answers with the evaluation. The tests here look at what is
stored with it, so that nobody reads figures that are no longer true. To store new ones:

    .venv/bin/python -m tests.sdk.notebook halfstar:latest
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from container.image import build
from launcher.specification import metric_definitions
from tests.sdk.compose import docker_environment

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "examples" / "movielens.ipynb"
SCRIPTS = ROOT / ".venv-sdk2" / "bin"
IMPORTS = os.pathsep.join((str(ROOT), str(ROOT / "src")))

# Version 3 has no notebook. This makes its trainer, and asks for what it refuses.
TRAINER = """
from launcher import sdk
from launcher.errors import ConfigError

session = sdk.local_session()
trainer = sdk.trainer("halfstar:latest", session=session, hyperparameters={"eta": 0.1})
print(trainer.hyperparameters, len(trainer._metric_definitions))
for make, given in ((sdk.trainer, {"etta": 1}), (sdk.estimator, {})):
    try:
        make("halfstar:latest", session=session, hyperparameters=given)
    except ConfigError as error:
        print(error)
"""

# So far may a share of rows be from the stored one, in percentage points.
TOLERANCE = 0.5

NO_TELEMETRY = """
SchemaVersion: "1.0"
SageMaker:
  PythonSDK:
    Modules:
      TelemetryOptOut: true
"""


def execute(image: str, output: Path, temporary: Path) -> None:
    """Execute the notebook with an image, and write it with its outputs."""
    configuration = temporary / "config.yaml"
    configuration.write_text(NO_TELEMETRY)
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("AWS_")
    }
    environment = {
        **docker_environment(ROOT / "build" / "compose", inherited),
        "HALFSTAR_IMAGE": image,
        "PYTHONPATH": IMPORTS,
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(configuration),
        "SAGEMAKER_SUPPRESS_V2_WARNING": "1",
        "TMPDIR": str(temporary),
    }
    command = [
        str(SCRIPTS / "jupyter-execute"),
        str(NOTEBOOK),
        f"--output={output}",
        "--timeout=-1",
    ]
    ended = subprocess.run(
        command, capture_output=True, text=True, env=environment, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def without_times(notebook: dict[str, Any]) -> dict[str, Any]:
    """The notebook without when its cells ran, which says nothing to a reader."""
    for cell in notebook["cells"]:
        cell["metadata"].pop("execution", None)
    return notebook


def outputs_of(notebook: dict[str, Any], cell_text: str) -> str:
    """The text that the first cell with these words has left."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code" and cell_text in "".join(cell["source"]):
            texts = []
            for output in cell["outputs"]:
                plain = output.get("data", {}).get("text/plain")
                texts += plain or output.get("text", [])
            return "".join(texts)
    raise AssertionError(f"no cell has {cell_text!r}")


def shares_of(notebook: dict[str, Any]) -> list[float]:
    """The shares of rows by distance, in percent."""
    text = outputs_of(notebook, "value_counts(normalize=True)")
    lines = [line for line in text.splitlines() if "Name:" not in line]
    return [float(line.split()[-1]) for line in lines if line.split()[-1:] != []][-4:]


@pytest.fixture(scope="session")
def image() -> str:
    return build("halfstar:test").tag


@pytest.fixture(scope="session")
def executed(image: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    directory = tmp_path_factory.mktemp("notebook")
    output = directory / "executed.ipynb"
    execute(image, output, directory)
    notebook: dict[str, Any] = json.loads(output.read_text())
    return notebook


@pytest.fixture(scope="session")
def stored() -> dict[str, Any]:
    notebook: dict[str, Any] = json.loads(NOTEBOOK.read_text())
    return notebook


def test_the_stored_figures_are_those_of_today(
    executed: dict[str, Any], stored: dict[str, Any]
) -> None:
    for now, then in zip(shares_of(executed), shares_of(stored), strict=True):
        assert abs(now - then) <= TOLERANCE, "store new outputs, see the module's text"


def test_the_shares_are_of_all_test_rows(executed: dict[str, Any]) -> None:
    shares = shares_of(executed)
    assert len(shares) == 4
    assert sum(shares) == pytest.approx(100, abs=0.3)


def test_it_recommends_what_the_filters_ask_for(executed: dict[str, Any]) -> None:
    assert "Toy Story (1995)" not in outputs_of(executed, "history=own")
    assert len(outputs_of(executed, "recommend(1, n=5").splitlines()) >= 6


def test_every_cell_is_stored_with_its_output(
    executed: dict[str, Any], stored: dict[str, Any]
) -> None:
    for now, then in zip(executed["cells"], stored["cells"], strict=True):
        assert now["source"] == then["source"]
        if now["cell_type"] == "code":
            assert len(now["outputs"]) == len(then["outputs"])


def test_version_3_has_a_trainer_of_its_own(tmp_path: Path) -> None:
    configuration = tmp_path / "config.yaml"
    configuration.write_text(NO_TELEMETRY)
    ended = subprocess.run(
        [str(ROOT / ".venv-sdk3" / "bin" / "python"), "-c", TRAINER],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "PYTHONPATH": IMPORTS,
            "SAGEMAKER_USER_CONFIG_OVERRIDE": str(configuration),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    made, unknown, other_version = ended.stdout.splitlines()[-3:]
    assert made == f"{{'eta': '0.1'}} {len(metric_definitions())}"
    assert unknown == "hyperparameter etta is unknown, did you mean eta?"
    assert "use launcher.sdk.trainer" in other_version


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        written = Path(place) / "executed.ipynb"
        execute(sys.argv[1], written, Path(place))
        changed = without_times(json.loads(written.read_text()))
        NOTEBOOK.write_text(json.dumps(changed, indent=1, ensure_ascii=False) + "\n")
