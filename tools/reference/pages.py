"""All pages of the reference, by the names of their files."""

from __future__ import annotations

import json
from pathlib import Path

from tools.reference.cli import cli_page
from tools.reference.errors import errors_page
from tools.reference.files import files_page
from tools.reference.http import MULTI_FILE, SINGLE_FILE, http_page
from tools.reference.hyperparameters import hyperparameters_page
from tools.reference.metrics import metrics_page
from tools.reference.openapi import Json, multi_model, single_model
from tools.reference.settings import settings_page

DIRECTORY = Path(__file__).parents[2] / "docs" / "reference"


def pages() -> dict[str, str]:
    """The text of each file."""
    return {
        "hyperparameters.md": hyperparameters_page(),
        "metrics.md": metrics_page(),
        "files.md": files_page(),
        "http.md": http_page(),
        SINGLE_FILE: _as_text(single_model()),
        MULTI_FILE: _as_text(multi_model()),
        "cli.md": cli_page(),
        "settings.md": settings_page(),
        "errors.md": errors_page(),
    }


def _as_text(document: Json) -> str:
    return json.dumps(document, indent=1) + "\n"
