"""What ``train`` says before a job can start. Real jobs are in tests/launcher/local."""

from __future__ import annotations

from tests.launcher.conftest import REGION, Launcher


def test_a_missing_role_is_named(launcher: Launcher) -> None:
    result = launcher("--set", "image=i@sha256:1", "train")
    assert result.err == (
        f"launcher: role halfstar-{REGION} doesn't exist: "
        "run `launcher init`, or set `role`\n"
    )


def test_missing_data_is_said(launcher: Launcher) -> None:
    assert launcher("init").code == 0
    result = launcher("--set", "image=i", "train")
    assert "the bucket has no data to train on: run `launcher data`" in result.err


def test_all_wrong_hyperparameters_are_named(prepared: Launcher) -> None:
    wrong = ("-p", "etta=0.1", "-p", "max_depth=99")
    result = prepared("--set", "image=i", "train", *wrong)
    assert result.code == 2
    assert "etta is unknown, known are eta" in result.err
    assert "max_depth is '99'" in result.err


def test_a_dry_run_shows_no_request_that_the_service_would_refuse(
    prepared: Launcher,
) -> None:
    options = ("--instance-type", "ml.none", "--dry-run")
    result = prepared("--set", "image=i", "train", *options)
    assert (result.code, result.out) == (2, "")
    assert "ResourceConfig.InstanceType is 'ml.none', expected one of" in result.err
