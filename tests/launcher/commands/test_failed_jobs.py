"""What every command that uses a job says of one that has failed."""

from __future__ import annotations

import pytest

from tests.launcher.commands.conftest import IMAGE_AND_ROLE
from tests.launcher.conftest import Launcher
from tests.launcher.page_server import running
from tests.launcher.scripted_server import ScriptedServer

REASON = "AlgorithmError: ratings.csv, line 7: rating is 'x'"
JOB = {
    "TrainingJobName": "halfstar-1",
    "TrainingJobArn": "arn:aws:sagemaker:eu-central-1:1:training-job/halfstar-1",
    "TrainingJobStatus": "Failed",
    "FailureReason": REASON,
    "ModelArtifacts": {"S3ModelArtifacts": ""},
    "OutputDataConfig": {"S3OutputPath": "s3://b/jobs"},
}
CALLER = {"Account": "1", "Arn": "arn:aws:iam::1:user/x", "UserId": "x"}


@pytest.mark.parametrize(
    "command",
    [
        ("compare", "halfstar-1", "halfstar-2", "--no-open"),
        ("deploy", "--job", "halfstar-1"),
        ("register", "--job", "halfstar-1"),
        ("report", "halfstar-1", "--no-open"),
        ("transform", "rows.csv", "--job", "halfstar-1"),
    ],
    ids=lambda command: command[0],
)
def test_a_failed_job_is_named_with_its_reason(
    launcher: Launcher, command: tuple[str, ...]
) -> None:
    (launcher.folder / "rows.csv").write_text("1,318\n")
    server = ScriptedServer(DescribeTrainingJob=[JOB])
    with running(server):
        result = launcher(*IMAGE_AND_ROLE, "--endpoint-url", server.url, *command)
    assert (result.code, result.out) == (1, "")
    assert result.err == (
        f"launcher: training job halfstar-1 has no model to use, it is Failed: "
        f"{REASON}; `launcher status` lists those that are Completed\n"
    )
