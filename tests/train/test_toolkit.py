"""Failures become the toolkit's own error, with the cause first."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sagemaker_training.errors import ClientError

from train.job import BASE_DIR_VARIABLE
from train.toolkit import main

MakeJob = Callable[..., Path]


@pytest.fixture(autouse=True)
def usual_handler() -> Iterator[None]:
    """`main` listens to SIGTERM; afterwards this process doesn't."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_an_expected_failure_is_its_message(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    base_dir = make_job({"etaa": "1"})
    monkeypatch.setenv(BASE_DIR_VARIABLE, str(base_dir))
    with pytest.raises(ClientError, match=r"^etaa is unknown, did you mean eta\?$"):
        main()


def test_the_failure_file_has_no_control_characters(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    base_dir = make_job({"a\x00b": "1", "eta": "\x1b[31m"})
    (base_dir / "output").mkdir()
    monkeypatch.setenv(BASE_DIR_VARIABLE, str(base_dir))
    with pytest.raises(ClientError) as caught:
        main()
    reason = (base_dir / "output" / "failure").read_text()
    assert reason == str(caught.value)
    assert reason.startswith(r"a\x00b is unknown")
    assert r"; eta is '\x1b[31m', expected" in reason


def test_an_unexpected_failure_has_its_traceback_last(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    base_dir = make_job({"num_round": "1"})
    # Not prepared, so the directory for the model is a file when it is written.
    (base_dir / "model").touch()
    (base_dir / "output" / "data").mkdir(parents=True)
    monkeypatch.setenv(BASE_DIR_VARIABLE, str(base_dir))
    with pytest.raises(ClientError) as caught:
        main()
    first, *_ = str(caught.value).splitlines()
    assert "model" in first


def test_a_signing_key_that_cannot_be_used_fails_the_job_before_it_trains(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    base_dir = make_job()
    monkeypatch.setenv(BASE_DIR_VARIABLE, str(base_dir))
    monkeypatch.setenv("HALFSTAR_SIGNING_KEY", "short")
    with pytest.raises(ClientError, match=r"^the key of HALFSTAR_SIGNING_KEY has 5"):
        main()
    assert not (base_dir / "model").exists()
