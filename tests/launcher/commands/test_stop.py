"""``stop`` against a server of AWS's interface."""

from __future__ import annotations

from tests.launcher.commands.conftest import IMAGE_AND_ROLE
from tests.launcher.conftest import AwsServer, Launcher


def test_a_job_that_has_ended_is_left_alone(launcher: Launcher, trained: str) -> None:
    result = launcher("stop", trained, "--json")
    assert f"training job {trained} has ended already" in result.err
    ended = {"kind": "training job", "name": trained, "state": "Completed"}
    assert result.json == ended
    assert launcher("stop", trained).out == f"training job {trained} is Completed\n"


def test_an_endpoint_is_deleted_and_its_model_stays(
    launcher: Launcher, trained: str, aws: AwsServer
) -> None:
    assert launcher(*IMAGE_AND_ROLE, "deploy", "--job", trained).code == 0
    assert launcher("stop", "halfstar").out == "endpoint halfstar is deleted\n"
    sagemaker = aws.client("sagemaker")
    assert sagemaker.list_endpoints()["Endpoints"] == []
    assert len(sagemaker.list_models()["Models"]) == 1
