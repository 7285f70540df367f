"""``play`` as a process, from its start to Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from movielens import artifact
from movielens.model import Model
from tests.examples import EVALUATION
from tests.launcher.conftest import Launcher


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_model_is_served_until_the_end(
    small_model: Model, small_csvs: Path, tmp_path: Path, ending: signal.Signals
) -> None:
    model = tmp_path / "model"
    model.mkdir()
    artifact.save(small_model, EVALUATION, model)
    command = [sys.executable, "-m", "launcher", "play", "--no-open", "--json"]
    command += ["--model", str(model), "--image", "halfstar:no-such-image"]
    command += ["--data", str(small_csvs)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as play:
        assert play.stdout is not None
        lines = [play.stdout.readline() for _ in range(3)]
        url = json.loads("".join(lines))["url"]
        start = httpx.get(f"{url}api/start", trust_env=False).json()
        assert start["source"] == str(model)
        assert start["movie"]["title"] == "GoldenEye (1995)"
        os.kill(play.pid, ending)
        _, said = play.communicate(timeout=60)
    assert play.returncode == 130
    assert f"interrupted while: serve {url}; nothing is left behind" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model", ".", "--url", "http://127.0.0.1:1"), "either --model or --url"),
        (("--model", "absent"), "--model is absent, expected a directory"),
        (("--url", "ftp://x"), "--url is 'ftp://x', expected an address"),
        (("--url", "http://127.0.0.1:1"), "http://127.0.0.1:1 doesn't answer"),
        (("--data", "absent"), "absent"),
        ((), "there is no endpoint halfstar: run `launcher deploy`"),
    ],
)
def test_what_is_missing_is_said_before_there_is_a_page(
    launcher: Launcher, arguments: tuple[str, ...], message: str
) -> None:
    result = launcher("play", "--no-open", *arguments)
    assert result.code in (1, 2)
    assert result.out == ""
    assert message in result.err
