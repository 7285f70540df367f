"""Endpoints over the API, run by the pushed image: in service, exchanged, failed,
asked, and gone.
"""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.launcher.local.account import Account, docker

GONE = "Could not find endpoint"


@pytest.fixture(scope="module")
def model_data(account: Account) -> str:
    """The artifact of a job."""
    job = account.train(
        account.job(
            "for-endpoints", {"num_round": "5", "features": "none", "hidden_share": "0"}
        )
    )
    return str(job["ModelArtifacts"]["S3ModelArtifacts"])


@pytest.fixture(scope="module")
def damaged_data(account: Account) -> str:
    """An archive that is no model."""
    script = (
        "import pathlib; pathlib.Path('/opt/ml/model/manifest.json').write_text('{}')"
    )
    return str(
        account.train(account.script("damaged", script))["ModelArtifacts"][
            "S3ModelArtifacts"
        ]
    )


class Hosting:
    """Makes what an endpoint needs, and deletes it afterwards."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.sagemaker = account.client("sagemaker")
        self.runtime = account.client("sagemaker-runtime")
        self.made: list[tuple[str, str]] = []

    def model(self, name: str, data: str, **container: Any) -> str:
        primary = {"Image": self.account.image, "ModelDataUrl": data, **container}
        self.sagemaker.create_model(
            ModelName=name, PrimaryContainer=primary, ExecutionRoleArn=self.account.role
        )
        self.made.append(("model", name))
        return name

    def config(self, name: str, model: str, **members: Any) -> str:
        sized = {"InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
        variant = {
            "VariantName": "main",
            "ModelName": model,
            **members.pop("variant", sized),
        }
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=[variant], **members
        )
        self.made.append(("endpoint_config", name))
        return name

    def endpoint(self, name: str, config: str) -> dict[str, Any]:
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
        self.made.append(("endpoint", name))
        return self.settled(name)

    def deploy(self, name: str, data: str, **members: Any) -> dict[str, Any]:
        """All three under one name."""
        return self.endpoint(name, self.config(name, self.model(name, data), **members))

    def settled(self, name: str) -> dict[str, Any]:
        passing = ("Creating", "Updating")
        while (found := self.sagemaker.describe_endpoint(EndpointName=name))[
            "EndpointStatus"
        ] in passing:
            time.sleep(0.1)
        return dict(found)

    def ask(self, name: str, body: bytes = b"1,318", **members: Any) -> bytes:
        members = {"ContentType": "text/csv", **members}
        return bytes(
            self.runtime.invoke_endpoint(EndpointName=name, Body=body, **members)[
                "Body"
            ].read()
        )

    def delete(self, kind: str, name: str) -> None:
        member = "".join(part.title() for part in kind.split("_")) + "Name"
        with contextlib.suppress(ClientError):  # a test may have deleted it already
            getattr(self.sagemaker, f"delete_{kind}")(**{member: name})
        while kind == "endpoint" and name in self.names():
            time.sleep(0.1)

    def names(self) -> list[str]:
        return [
            endpoint["EndpointName"]
            for endpoint in self.sagemaker.list_endpoints()["Endpoints"]
        ]


@pytest.fixture
def hosting(account: Account) -> Any:
    hosting = Hosting(account)
    yield hosting
    for kind, name in reversed(hosting.made):
        hosting.delete(kind, name)
    assert account.containers() == []


def test_an_endpoint_serves_the_model_and_goes_without_a_trace(
    hosting: Hosting, model_data: str
) -> None:
    found = hosting.deploy("good", model_data)
    assert found["EndpointStatus"] == "InService", found
    assert (
        found["ProductionVariants"][0]["DeployedImages"][0]["SpecifiedImage"]
        == hosting.account.image
    )
    answer = hosting.runtime.invoke_endpoint(
        EndpointName="good",
        Body=b'{"userId": 1, "movieId": 318}',
        ContentType="application/json",
    )
    assert answer["InvokedProductionVariant"] == "main"
    assert answer["ContentType"] == "application/json"
    assert (
        json.loads(answer["Body"].read())["title"] == "Shawshank Redemption, The (1994)"
    )
    assert 0.5 <= float(hosting.ask("good", Accept="text/csv")) <= 5
    hosting.delete("endpoint", "good")
    assert hosting.account.containers() == []
    with pytest.raises(ClientError, match=GONE):
        hosting.sagemaker.describe_endpoint(EndpointName="good")
    with pytest.raises(ClientError, match=r"ValidationError.*not found"):
        hosting.ask("good")


def test_what_the_model_refuses_is_a_model_error(
    hosting: Hosting, model_data: str
) -> None:
    hosting.deploy("refuses", model_data)
    with pytest.raises(hosting.runtime.exceptions.ModelError) as caught:
        hosting.ask("refuses", b"1,x")
    response = caught.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert response["OriginalStatusCode"] == 400
    assert "movieId is 'x'" in response["OriginalMessage"]
    assert "/aws/sagemaker/Endpoints/refuses" in response["LogStreamArn"]
    assert (
        'Received client error (400) from primary with message "'
        in response["Error"]["Message"]
    )


def test_limits_are_the_real_ones(hosting: Hosting, model_data: str) -> None:
    hosting.deploy("limits", model_data)
    rows = b"1,318\n" * (6 * 2**20 // 6)
    with pytest.raises(
        ClientError, match=r"\(413\).*HTTP content length exceeded 6291456 bytes"
    ) as refused:
        hosting.ask("limits", rows + b"1,318\n")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413
    # A container that has been stopped in its tracks answers nothing within the time.
    (container,) = hosting.account.containers()
    docker("pause", container)
    with pytest.raises(
        hosting.runtime.exceptions.ModelError, match="timed out"
    ) as caught:
        hosting.ask("limits")
    docker("unpause", container)
    assert caught.value.response["OriginalStatusCode"] == 0
    assert hosting.ask("limits")


def test_an_update_keeps_the_old_until_the_new_is_good(
    hosting: Hosting, model_data: str, damaged_data: str
) -> None:
    hosting.deploy("updated", model_data)
    (old,) = hosting.account.containers()
    bad = hosting.config("updated-bad", hosting.model("updated-bad", damaged_data))
    hosting.sagemaker.update_endpoint(EndpointName="updated", EndpointConfigName=bad)
    with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
        hosting.sagemaker.update_endpoint(
            EndpointName="updated", EndpointConfigName=bad
        )
    assert hosting.ask("updated")
    found = hosting.settled("updated")
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == (
        "InService",
        "updated",
    )
    assert "ping health check" in found["FailureReason"]
    assert hosting.account.containers() == [old]
    good = hosting.config("updated-good", hosting.model("updated-good", model_data))
    hosting.sagemaker.update_endpoint(EndpointName="updated", EndpointConfigName=good)
    found = hosting.settled("updated")
    assert (found["EndpointConfigName"], found.get("FailureReason")) == (
        "updated-good",
        None,
    )
    assert hosting.ask("updated")
    while old in hosting.account.containers():
        time.sleep(0.1)


def test_a_model_that_is_damaged_fails_the_endpoint(
    hosting: Hosting, damaged_data: str
) -> None:
    found = hosting.deploy("damaged", damaged_data)
    assert found["EndpointStatus"] == "Failed"
    assert "did not pass the ping health check" in found["FailureReason"]
    assert any(
        "manifest.json" in line
        for line in hosting.account.log("/aws/sagemaker/Endpoints/damaged", "main/")
    )
    assert hosting.account.containers() == []


def test_an_archive_that_is_none_fails_the_endpoint(hosting: Hosting) -> None:
    found = hosting.deploy(
        "no-archive", hosting.account.put("models/text.tar.gz", b"no archive")
    )
    assert found["EndpointStatus"] == "Failed"
    assert "Failed to extract model data archive" in found["FailureReason"]


def test_a_container_that_dies_is_replaced(hosting: Hosting, model_data: str) -> None:
    hosting.deploy("dies", model_data)
    (first,) = hosting.account.containers()
    docker("kill", first)
    while hosting.account.containers() in ([], [first]):
        time.sleep(0.1)
    answer = b""
    while not answer:
        try:
            answer = hosting.ask("dies")
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ServiceUnavailable"  # noqa: PT017


def test_serverless_has_its_memory_and_its_limit(
    hosting: Hosting, model_data: str
) -> None:
    serverless = {"ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 2}}
    found = hosting.deploy("serverless", model_data, variant=serverless)
    assert found["EndpointStatus"] == "InService", found
    (container,) = hosting.account.containers()
    assert docker(
        "inspect", "--format", "{{.HostConfig.Memory}}", container
    ).stdout.strip() == str(2**30)
    with pytest.raises(ClientError, match=r"ValidationError.*has oversize body"):
        hosting.ask("serverless", b"1,318\n" * 700_000)
    assert hosting.ask("serverless")


def test_async_answers_lie_in_the_bucket(hosting: Hosting, model_data: str) -> None:
    output = {
        "S3OutputPath": "s3://ratings/async/good",
        "S3FailurePath": "s3://ratings/async/bad",
    }
    hosting.deploy("later", model_data, AsyncInferenceConfig={"OutputConfig": output})
    with pytest.raises(ClientError, match="use InvokeEndpointAsync"):
        hosting.ask("later")
    for body, member in (
        (b"1,318\n2,318", "OutputLocation"),
        (b"1,x", "FailureLocation"),
    ):
        source = hosting.account.put("async/input.csv", body)
        answer = hosting.runtime.invoke_endpoint_async(
            EndpointName="later",
            InputLocation=source,
            ContentType="text/csv",
            Accept="text/csv",
        )
        key = answer[member].removeprefix("s3://ratings/")
        while not hosting.account.keys(key):
            time.sleep(0.1)
        text = hosting.account.read(key).decode()
        assert (
            len(text.split("\n")) == 2
            if member == "OutputLocation"
            else "movieId is 'x'" in text
        )


def test_two_variants_by_weight_and_by_name(hosting: Hosting, model_data: str) -> None:
    model = hosting.model("two", model_data)
    sized = {
        "ModelName": model,
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    variants = [
        {"VariantName": name, "InitialVariantWeight": weight, **sized}
        for name, weight in (("a", 1), ("b", 0))
    ]
    hosting.sagemaker.create_endpoint_config(
        EndpointConfigName="two", ProductionVariants=variants
    )
    hosting.made.append(("endpoint_config", "two"))
    hosting.endpoint("two", "two")

    def variant(**members: Any) -> str:
        answer = hosting.runtime.invoke_endpoint(
            EndpointName="two", Body=b"1,318", ContentType="text/csv", **members
        )
        return str(answer["InvokedProductionVariant"])

    assert {variant() for _ in range(5)} == {"a"}
    assert variant(TargetVariant="b") == "b"
    with pytest.raises(ClientError, match="c is not a variant"):
        variant(TargetVariant="c")


def test_several_models_behind_one_endpoint(hosting: Hosting, model_data: str) -> None:
    account = hosting.account
    archive = account.read(model_data.removeprefix("s3://ratings/"))
    for name in ("a.tar.gz", "deep/b.tar.gz"):
        account.put(f"many/{name}", archive)
    account.put("many/damaged.tar.gz", b"no archive")
    model = hosting.model("many", "s3://ratings/many/", Mode="MultiModel")
    found = hosting.endpoint("many", hosting.config("many", model))
    assert found["EndpointStatus"] == "InService", found
    answers = {
        hosting.ask("many", TargetModel=name)
        for name in ("a.tar.gz", "deep/b.tar.gz", "a.tar.gz")
    }
    assert len(answers) == 1
    with pytest.raises(hosting.runtime.exceptions.ModelError, match="movieId is 'x'"):
        hosting.ask("many", b"1,x", TargetModel="a.tar.gz")
    for name in ("none.tar.gz", "damaged.tar.gz"):
        with pytest.raises(
            ClientError, match=r"ValidationError.*Failed to download model data"
        ):
            hosting.ask("many", TargetModel=name)
    with pytest.raises(
        ClientError, match="a multi-model endpoint needs a target model"
    ):
        hosting.ask("many")
    # A container that is started anew knows none of them.
    (first,) = account.containers()
    docker("kill", first)
    while account.containers() in ([], [first]):
        time.sleep(0.1)
    answer = b""
    while not answer:
        with contextlib.suppress(ClientError):  # not yet
            answer = hosting.ask("many", TargetModel="a.tar.gz")
    assert {answer} == answers


# What is refused


def test_names_are_used_once_and_what_is_named_must_be_there(
    hosting: Hosting, model_data: str
) -> None:
    hosting.config("named", hosting.model("named", model_data))
    with pytest.raises(ClientError, match="already existing model"):
        hosting.model("named", model_data)
    with pytest.raises(ClientError, match="already existing endpoint configuration"):
        hosting.config("named", "named")
    with pytest.raises(ClientError, match="Could not find model"):
        hosting.config("nameless", "nobody")
    with pytest.raises(ClientError, match="Could not find endpoint configuration"):
        hosting.endpoint("named", "nobody")
    with pytest.raises(ClientError, match="doesn't match"):
        hosting.endpoint("under_score", "named")
    with pytest.raises(ClientError, match="Could not access model data"):
        hosting.model("no-data", "s3://ratings/none.tar.gz")
    with pytest.raises(ClientError, match="Requested image"):
        hosting.model(
            "no-image",
            model_data,
            Image=hosting.account.image.partition("@")[0] + ":v9",
        )
    with pytest.raises(ClientError, match=GONE):
        hosting.sagemaker.delete_endpoint(EndpointName="nobody")
    names = [
        model["ModelName"]
        for model in hosting.sagemaker.list_models(NameContains="named")["Models"]
    ]
    assert names == ["named"]
