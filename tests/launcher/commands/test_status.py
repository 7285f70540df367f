"""``status``, and how ``logs`` and ``stop`` find what they are about."""

from __future__ import annotations

import logging

import pytest

from tests.launcher.commands.conftest import IMAGE, IMAGE_AND_ROLE
from tests.launcher.conftest import AwsServer, Launcher, create_training_job
from tests.launcher.page_server import running
from tests.launcher.scripted_server import ScriptedServer


def test_an_empty_account_has_no_jobs_and_no_endpoints(launcher: Launcher) -> None:
    assert launcher("status").out.strip() == "no jobs, no endpoints"
    assert launcher("status", "--json").json == []


@pytest.mark.parametrize("command", ["logs", "stop", "status"])
def test_an_unknown_name_is_said_to_be_unknown(
    launcher: Launcher, command: str
) -> None:
    result = launcher(command, "nobody")
    assert result.code == 1
    assert result.err == (
        "launcher: none of our jobs and endpoints is named nobody: "
        "`launcher status` lists them\n"
    )


def test_jobs_and_endpoints_are_listed(launcher: Launcher, trained: str) -> None:
    assert launcher(*IMAGE_AND_ROLE, "deploy").code == 0
    listed = launcher("status", "--json").json
    found = [(each["kind"], each["name"], each["state"]) for each in listed]
    assert found == [
        ("training job", trained, "Completed"),
        ("endpoint", "halfstar", "InService"),
    ]
    assert launcher("status", trained, "--json").json == listed[:1]


def test_a_failed_job_has_its_reason(launcher: Launcher) -> None:
    reason = "AlgorithmError: ratings.csv, line 7: rating is 'x'"
    arn = "arn:aws:sagemaker:eu-central-1:123456789012:training-job/halfstar-1"
    job = {
        "TrainingJobName": "halfstar-1",
        "TrainingJobArn": arn,
        "TrainingJobStatus": "Failed",
        "FailureReason": reason,
        "ModelArtifacts": {"S3ModelArtifacts": ""},
    }
    tags = {"Tags": [{"Key": "halfstar", "Value": "halfstar"}]}
    server = ScriptedServer(DescribeTrainingJob=[job], ListTags=[tags])
    with running(server):
        at = ("--endpoint-url", server.url)
        assert launcher(*at, "status", "halfstar-1").out.endswith(f"\n\n{reason}\n")
        (shown,) = launcher(*at, "status", "halfstar-1", "--json").json
        assert (shown["state"], shown["reason"]) == ("Failed", reason)


def test_the_list_of_jobs_takes_no_request_for_each_job(
    prepared: Launcher, aws: AwsServer, caplog: pytest.LogCaptureFixture
) -> None:
    for rounds in ("5", "6", "7"):
        started = prepared(*IMAGE, "train", "-p", f"num_round={rounds}", "--detach")
        assert started.code == 0, started.err
    create_training_job(aws, "halfstar-of-somebody-else", ours=False)
    caplog.set_level(logging.DEBUG, "launcher.aws")
    caplog.clear()
    assert len(prepared("status", "--json").json) == 3
    sent = [record.getMessage() for record in caplog.records]
    # Only we give such names to jobs; those of others are asked for.
    assert sent.count("sagemaker ListTags") == 1

    caplog.clear()
    name = started.out.strip()
    assert prepared("status", name).code == 0
    sent = [record.getMessage() for record in caplog.records]
    assert sent.count("sagemaker ListTags") == 1
