"""The generated reference is that of the code, and leaves nothing out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import pytest

from launcher.config import ENVIRONMENT_VARIABLE, EndpointKind, describe_settings
from launcher.errors import LauncherError
from movielens import artifact
from serve.errors import CODES, OVERLOADED
from serve.questions import FILTERS
from tools.reference.cli import commands_of
from tools.reference.errors import error_classes
from tools.reference.files import MODEL
from tools.reference.openapi import MODEL_SCHEMAS, REASONS, SCHEMAS
from tools.reference.pages import DIRECTORY, pages
from tools.reference.settings import CONTAINER
from train.hyperparameters import Hyperparameters
from train.report import METRIC_NAMES

ROOT = Path(__file__).parents[3]
OUR_CODE = [*(ROOT / "src").rglob("*.py"), *(ROOT / "container").glob("*.py")]

VARIABLE = re.compile(r'"((?:SAGEMAKER|HALFSTAR|G?OMP|TRAINING|AWS_LAMBDA)_[A-Z_]+)"')


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return pages()


def test_the_pages_are_those_of_the_code(made: dict[str, str]) -> None:
    for name, text in made.items():
        assert (DIRECTORY / name).read_text() == text, (
            f"docs/reference/{name} is out of date: run `make specification`"
        )


def test_every_page_is_made(made: dict[str, str]) -> None:
    assert {path.name for path in DIRECTORY.iterdir()} == set(made)


def test_every_hyperparameter_and_metric_is_there(made: dict[str, str]) -> None:
    for name in Hyperparameters.declarations():
        assert f"| `{name}` |" in made["hyperparameters.md"]
    for name in METRIC_NAMES:
        assert f"| `{name}` |" in made["metrics.md"]


def test_every_file_of_a_model_is_there() -> None:
    assert set(MODEL) == artifact.FILES


def test_every_command_is_there(made: dict[str, str]) -> None:
    commands = dict(commands_of()) | dict(commands_of("local"))
    for name, meaning in commands.items():
        assert meaning, f"{name} has no help"
        assert re.search(rf"^### `launcher (local )?{name}`$", made["cli.md"], re.M)


def test_every_setting_of_the_launcher_is_there(made: dict[str, str]) -> None:
    for each in describe_settings():
        assert f"| `{each.key}` |" in made["settings.md"]
    assert f"`{ENVIRONMENT_VARIABLE}`" in made["settings.md"]


def test_what_a_setting_takes_is_there(made: dict[str, str]) -> None:
    for kind in get_args(EndpointKind):
        assert re.search(rf"^\| `hosting.kind` .*\b{kind}\b", made["settings.md"], re.M)


def test_every_variable_of_the_container_is_there_and_no_other() -> None:
    used = set()
    for path in OUR_CODE:
        used |= set(VARIABLE.findall(path.read_text()))
    assert used == set(CONTAINER)


def test_a_status_has_one_meaning_everywhere(made: dict[str, str]) -> None:
    for status, meaning in REASONS.items():
        assert meaning in made["errors.md"]
        assert f"| {status} " in made["errors.md"]


def test_every_filter_of_recommendations_is_there() -> None:
    for name in ("Recommend", "Onboarding"):
        assert set(FILTERS) < set(SCHEMAS[name]["properties"])


def test_every_field_of_requests_and_answers_has_a_meaning() -> None:
    for name, schema in (SCHEMAS | MODEL_SCHEMAS).items():
        for field, value in schema.get("properties", {}).items():
            assert value.get("description"), f"{name} has no meaning of {field}"


def test_every_code_of_an_error_is_there(made: dict[str, str]) -> None:
    for code in (*CODES.values(), OVERLOADED):
        assert f"`{code}`" in made["errors.md"]


def test_every_exit_code_of_an_error_is_explained(made: dict[str, str]) -> None:
    for error in error_classes(LauncherError):
        assert f"| {error.exit_code} | " in made["errors.md"]


def test_references_within_the_documents_lead_somewhere(made: dict[str, str]) -> None:
    for name, text in made.items():
        if name.endswith(".json"):
            schemas = json.loads(text)["components"]["schemas"]
            for reference in re.findall(r'"#/components/schemas/(\w+)"', text):
                assert reference in schemas, f"{name} has no {reference}"
