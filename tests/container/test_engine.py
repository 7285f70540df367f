"""Whether a Docker engine answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from container.engine import engine_answers


def test_no_engine_answers_without_a_client(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not engine_answers()


def test_no_engine_answers_behind_a_dead_socket(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/absent.sock")
    assert not engine_answers()
