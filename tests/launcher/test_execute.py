"""The executor against a server of AWS's interface."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from launcher.aws import Aws
from launcher.config import Config
from launcher.errors import AwsError, JobFailedError
from launcher.execute import Executor
from launcher.kinds import ABSENT, ENDPOINT, MODEL
from launcher.plans.setup import plan_bucket, plan_repository, plan_role
from launcher.requests import Call, Request, Wait, WriteFile
from launcher.world.account import Account
from launcher.world.resources import BucketState, RepositoryState, RoleState
from tests.launcher.conftest import ROLE, AwsServer, create_endpoint
from tests.launcher.page_server import running
from tests.launcher.scripted_server import ScriptedServer


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def executor(connection: Aws, said: list[str]) -> Executor:
    return Executor(connection, report=said.append, poll_seconds=0.0)


def create_model(name: str) -> Call:
    parameters = {
        "ModelName": name,
        "ExecutionRoleArn": ROLE,
        "PrimaryContainer": {"Image": "i"},
    }
    return Call("create", Request("sagemaker", "CreateModel", parameters))


def wait_for(
    good: tuple[str, ...],
    required: tuple[str, str] | None = None,
    fallback: tuple[WriteFile, ...] = (),
) -> Wait:
    return Wait(
        "wait for e",
        ENDPOINT.request("Describe", "e"),
        ENDPOINT.state_member,
        ENDPOINT.under_way,
        good,
        required,
        fallback,
    )


def test_actions_are_performed_in_order_and_said_before(
    executor: Executor, said: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "file"
    executor.perform([WriteFile("write", path, "text"), create_model("m")])
    assert path.read_text() == "text"
    assert executor.aws.send(MODEL.request("Describe", "m"))["ModelName"] == "m"
    assert said == ["write", "create"]


def test_what_was_done_before_a_failure_stays(
    executor: Executor, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    delete = Call("delete", Request("s3", "DeleteBucket", {"Bucket": "none"}))
    with pytest.raises(AwsError, match="NoSuchBucket"):
        executor.perform([WriteFile("write", path, "text"), delete])
    assert path.exists()


def test_deleting_what_is_absent_is_no_failure(executor: Executor) -> None:
    request = Request("s3", "DeleteBucket", {"Bucket": "none"})
    assert executor.perform([Call("delete", request, deletes=True)]) == [{}]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("ResourceInUse", "Training job names must be unique, and it already exists"),
        ("ValidationException", 'Cannot create already existing model "arn"'),
    ],
)
def test_what_the_same_command_has_created_meanwhile_is_no_failure(
    connection_of: Callable[[str], Aws], code: str, message: str
) -> None:
    refusal = {"__type": code, "message": message}
    server = ScriptedServer(DeleteModel=[refusal])
    # Any request will do: it is the answer that counts.
    request = Request("sagemaker", "DeleteModel", {"ModelName": "m"})
    with running(server):
        executor = Executor(connection_of(server.url), report=lambda _: None)
        assert executor.perform([Call("create", request, creates=True)]) == [{}]
        with pytest.raises(AwsError, match=code):
            executor.perform([Call("create", request)])


def test_the_same_plan_may_be_performed_by_two_commands(
    executor: Executor, config: Config, account: Account
) -> None:
    plan = [
        *plan_bucket(config, account, BucketState("absent")),
        *plan_role(config, account, RoleState("absent")),
        *plan_repository(config, RepositoryState("absent")),
    ]
    for _ in range(2):
        assert len(executor.perform(plan)) == len(plan)


def test_an_error_that_means_done_is_no_failure(executor: Executor) -> None:
    request = Request("s3", "DeleteBucket", {"Bucket": "none"})
    assert executor.perform([Call("d", request, done_if=("NoSuchBucket",))]) == [{}]


def test_a_wait_ends_in_a_good_state(executor: Executor, aws: AwsServer) -> None:
    assert executor.wait(wait_for((ABSENT,))) == ABSENT
    create_endpoint(aws, "e")
    required = ("EndpointConfigName", "c")
    assert executor.wait(wait_for(("InService",), required)) == "InService"


def test_a_wait_fails_in_any_other_state(executor: Executor) -> None:
    with pytest.raises(JobFailedError, match="wait for e: absent: it is gone"):
        executor.wait(wait_for(("InService",)))


def test_a_wait_falls_back_before_it_fails(executor: Executor, tmp_path: Path) -> None:
    path = tmp_path / "file"
    fallback = (WriteFile("fall back", path, "text"),)
    message = "it is gone; the last good configuration is in service again"
    with pytest.raises(JobFailedError, match=message):
        executor.wait(wait_for(("InService",), fallback=fallback))
    assert path.exists()


@pytest.mark.slow
def test_an_endpoint_that_went_back_to_its_old_configuration_is_a_failure(
    executor: Executor, aws: AwsServer
) -> None:
    create_endpoint(aws, "e")
    message = "c, the last good one, is in service again"
    with pytest.raises(JobFailedError, match=message):
        executor.wait(wait_for(("InService",), ("EndpointConfigName", "new")))
