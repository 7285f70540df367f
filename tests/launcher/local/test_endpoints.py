"""Endpoints over the API, run by the pushed image: in service, updated, failed, asked
and deleted.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from launcher.docker import run_docker
from launcher.s3_uri import S3Uri
from tests.launcher.local.stack_user import QUICK, StackUser, poll

ABSENT = "Could not find endpoint"
INSTANCES = {"InstanceType": "ml.m5.large", "InitialInstanceCount": 1}


@pytest.fixture(scope="module")
def model_data(user: StackUser) -> str:
    """The address of a trained model."""
    job = user.train(user.job("for-endpoints", QUICK))
    return str(job["ModelArtifacts"]["S3ModelArtifacts"])


@pytest.fixture(scope="module")
def damaged_data(user: StackUser) -> str:
    """The address of an archive that holds no model."""
    script = (
        "import pathlib; pathlib.Path('/opt/ml/model/manifest.json').write_text('{}')"
    )
    job = user.train(user.script("damaged", script))
    return str(job["ModelArtifacts"]["S3ModelArtifacts"])


class Hosting:
    """Makes what an endpoint needs, and deletes it afterwards."""

    def __init__(self, user: StackUser) -> None:
        self.user = user
        self.sagemaker = user.client("sagemaker")
        self.runtime = user.client("sagemaker-runtime")
        # Each with the function that deletes it.
        self.made: list[tuple[str, str]] = []

    def model(
        self, name: str, data: str, *, isolated: bool = False, **container: Any
    ) -> str:
        primary = {"Image": self.user.image, "ModelDataUrl": data, **container}
        self.sagemaker.create_model(
            ModelName=name,
            PrimaryContainer=primary,
            ExecutionRoleArn=self.user.role,
            EnableNetworkIsolation=isolated,
        )
        self.made.append(("model", name))
        return name

    def config(
        self,
        name: str,
        model: str,
        *,
        variant: dict[str, Any] = INSTANCES,
        **members: Any,
    ) -> str:
        """A configuration with one variant."""
        entry = {"VariantName": "main", "ModelName": model, **variant}
        return self.config_of(name, [entry], **members)

    def config_of(
        self, name: str, variants: list[dict[str, Any]], **members: Any
    ) -> str:
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=variants, **members
        )
        self.made.append(("endpoint_config", name))
        return name

    def endpoint(self, name: str, config: str) -> dict[str, Any]:
        """An endpoint's description, once it is in service or has failed."""
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
        self.made.append(("endpoint", name))
        return self.settled(name)

    def deploy(self, name: str, data: str, **members: Any) -> dict[str, Any]:
        """A model, a configuration and an endpoint of one name."""
        return self.endpoint(name, self.config(name, self.model(name, data), **members))

    def update(self, name: str, config: str) -> None:
        self.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config)

    def describe(self, name: str) -> dict[str, Any]:
        return dict(self.sagemaker.describe_endpoint(EndpointName=name))

    def settled(self, name: str) -> dict[str, Any]:
        """The description once the endpoint is neither created nor updated any more."""
        changing = ("Creating", "Updating")
        poll(lambda: self.describe(name)["EndpointStatus"] not in changing)
        return self.describe(name)

    def invoke(self, name: str, body: bytes, **members: Any) -> dict[str, Any]:
        members = {"ContentType": "text/csv", **members}
        return dict(
            self.runtime.invoke_endpoint(EndpointName=name, Body=body, **members)
        )

    def ask(self, name: str, body: bytes = b"1,318", **members: Any) -> bytes:
        """The body of the answer."""
        return bytes(self.invoke(name, body, **members)["Body"].read())

    def count(self, name: str) -> int:
        """How many containers its only variant has."""
        return int(self.describe(name)["ProductionVariants"][0]["CurrentInstanceCount"])

    def total(self, name: str, metric: str) -> float:
        """The sum of a metric of its only variant."""
        now = datetime.now(UTC)
        hour = timedelta(hours=1)
        dimensions = {"EndpointName": name, "VariantName": "main"}
        points = self.user.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName=metric,
            Dimensions=[{"Name": k, "Value": v} for k, v in dimensions.items()],
            StartTime=now - hour,
            EndTime=now + hour,
            Period=3600,
            Statistics=["Sum"],
        )["Datapoints"]
        return float(sum(point["Sum"] for point in points))

    def delete(self, kind: str, name: str) -> None:
        # A test may have deleted it already.
        with contextlib.suppress(ClientError):
            if kind == "model":
                self.sagemaker.delete_model(ModelName=name)
            elif kind == "endpoint_config":
                self.sagemaker.delete_endpoint_config(EndpointConfigName=name)
            else:
                self.sagemaker.delete_endpoint(EndpointName=name)
        if kind == "endpoint":
            poll(lambda: name not in self.endpoints())

    def endpoints(self) -> list[str]:
        found = self.sagemaker.list_endpoints()["Endpoints"]
        return [endpoint["EndpointName"] for endpoint in found]

    def kill_container(self) -> None:
        """Kill the only container, and return when another has taken its place."""
        (first,) = self.user.containers()
        run_docker("kill", first)
        poll(lambda: self.user.containers() not in ([], [first]))


@pytest.fixture
def hosting(user: StackUser) -> Iterator[Hosting]:
    hosting = Hosting(user)
    yield hosting
    for kind, name in reversed(hosting.made):
        hosting.delete(kind, name)
    assert user.containers() == []


def test_an_endpoint_serves_the_model_and_leaves_nothing_behind(
    hosting: Hosting, model_data: str
) -> None:
    found = hosting.deploy("good", model_data)
    assert found["EndpointStatus"] == "InService", found
    (deployed,) = found["ProductionVariants"][0]["DeployedImages"]
    assert deployed["SpecifiedImage"] == hosting.user.image

    row = b'{"userId": 1, "movieId": 318}'
    answer = hosting.invoke("good", row, ContentType="application/json")
    assert answer["InvokedProductionVariant"] == "main"
    assert answer["ContentType"] == "application/json"
    prediction = json.loads(answer["Body"].read())
    assert prediction["title"] == "Shawshank Redemption, The (1994)"
    assert 0.5 <= float(hosting.ask("good", Accept="text/csv")) <= 5

    hosting.delete("endpoint", "good")
    assert hosting.user.containers() == []
    with pytest.raises(ClientError, match=ABSENT):
        hosting.describe("good")
    with pytest.raises(ClientError, match=r"ValidationError.*not found"):
        hosting.ask("good")


def test_a_header_that_is_not_honoured_is_refused_by_name(
    hosting: Hosting, model_data: str
) -> None:
    hosting.deploy("component", model_data)
    with pytest.raises(ClientError, match="offer x-amzn-sagemaker-inference-component"):
        hosting.ask("component", InferenceComponentName="a")


def test_a_request_that_the_model_refuses_is_a_model_error(
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
    expected = 'Received client error (400) from primary with message "'
    assert expected in response["Error"]["Message"]


def test_the_limits_of_body_and_time_are_sagemakers(
    hosting: Hosting, model_data: str
) -> None:
    hosting.deploy("limits", model_data)
    row = b"1,318\n"
    rows = row * (6 * 2**20 // len(row))
    with pytest.raises(
        ClientError, match=r"\(413\).*HTTP content length exceeded 6291456 bytes"
    ) as refused:
        hosting.ask("limits", rows + row)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413

    # A paused container keeps its connections, but never answers.
    (container,) = hosting.user.containers()
    run_docker("pause", container)
    with pytest.raises(
        hosting.runtime.exceptions.ModelError, match="timed out"
    ) as caught:
        hosting.ask("limits")
    run_docker("unpause", container)
    assert caught.value.response["OriginalStatusCode"] == 0
    assert hosting.ask("limits")


def test_an_update_keeps_the_old_deployment_until_the_new_one_is_healthy(
    hosting: Hosting, model_data: str, damaged_data: str
) -> None:
    hosting.deploy("updated", model_data)
    (old,) = hosting.user.containers()
    bad = hosting.config("updated-bad", hosting.model("updated-bad", damaged_data))
    hosting.update("updated", bad)
    with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
        hosting.update("updated", bad)
    assert hosting.ask("updated")
    found = hosting.settled("updated")
    assert found["EndpointStatus"] == "InService"
    assert found["EndpointConfigName"] == "updated"
    assert "ping health check" in found["FailureReason"]
    assert hosting.user.containers() == [old]

    good = hosting.config("updated-good", hosting.model("updated-good", model_data))
    hosting.update("updated", good)
    found = hosting.settled("updated")
    assert found["EndpointConfigName"] == "updated-good"
    assert "FailureReason" not in found
    assert hosting.ask("updated")
    poll(lambda: old not in hosting.user.containers())


def test_a_damaged_model_fails_the_endpoint(
    hosting: Hosting, damaged_data: str
) -> None:
    found = hosting.deploy("damaged", damaged_data)
    assert found["EndpointStatus"] == "Failed"
    assert "did not pass the ping health check" in found["FailureReason"]
    log = hosting.user.log("/aws/sagemaker/Endpoints/damaged", "main/")
    assert any("manifest.json" in line for line in log)
    assert hosting.user.containers() == []


def test_model_data_that_is_no_archive_fails_the_endpoint(hosting: Hosting) -> None:
    data = hosting.user.put("models/text.tar.gz", b"no archive")
    found = hosting.deploy("no-archive", data)
    assert found["EndpointStatus"] == "Failed"
    assert "Failed to extract model data archive" in found["FailureReason"]


def test_a_container_that_dies_is_replaced(hosting: Hosting, model_data: str) -> None:
    hosting.deploy("dies", model_data)
    hosting.kill_container()

    def answers() -> bool:
        try:
            return bool(hosting.ask("dies"))
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code != "ServiceUnavailable":
                raise
            return False

    poll(answers)


def test_a_serverless_variant_has_its_memory_and_its_limit(
    hosting: Hosting, model_data: str
) -> None:
    serverless = {"ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 2}}
    found = hosting.deploy("serverless", model_data, variant=serverless)
    assert found["EndpointStatus"] == "InService", found
    (container,) = hosting.user.containers()
    memory = run_docker("inspect", "--format", "{{.HostConfig.Memory}}", container)
    assert int(memory.stdout) == 2**30
    with pytest.raises(ClientError, match=r"ValidationError.*has oversize body"):
        hosting.ask("serverless", b"1,318\n" * 700_000)
    assert hosting.ask("serverless")


def test_an_asynchronous_endpoint_answers_in_the_bucket(
    hosting: Hosting, model_data: str
) -> None:
    user = hosting.user
    output = {
        "S3OutputPath": user.uri("async/good"),
        "S3FailurePath": user.uri("async/bad"),
    }
    hosting.deploy("later", model_data, AsyncInferenceConfig={"OutputConfig": output})
    with pytest.raises(ClientError, match="use InvokeEndpointAsync"):
        hosting.ask("later")

    def answer(body: bytes, member: str) -> str:
        accepted = hosting.runtime.invoke_endpoint_async(
            EndpointName="later",
            InputLocation=user.put("async/input.csv", body),
            ContentType="text/csv",
            Accept="text/csv",
        )
        key = S3Uri.parse(accepted[member]).key
        poll(lambda: user.keys(key) != [])
        return user.read(key).decode()

    good = answer(b"1,318\n2,318", "OutputLocation")
    assert len(good.split("\n")) == 2
    bad = answer(b"1,x", "FailureLocation")
    assert "movieId is 'x'" in bad


def test_a_variant_is_chosen_by_weight_or_by_name(
    hosting: Hosting, model_data: str
) -> None:
    model = hosting.model("two", model_data)
    variants = [
        {
            "VariantName": name,
            "ModelName": model,
            "InitialVariantWeight": weight,
            **INSTANCES,
        }
        for name, weight in (("a", 1), ("b", 0))
    ]
    hosting.endpoint("two", hosting.config_of("two", variants))

    def variant(**members: Any) -> str:
        return str(
            hosting.invoke("two", b"1,318", **members)["InvokedProductionVariant"]
        )

    assert {variant() for _ in range(5)} == {"a"}
    assert variant(TargetVariant="b") == "b"
    with pytest.raises(ClientError, match="c is not a variant"):
        variant(TargetVariant="c")


def test_several_models_are_served_by_one_endpoint(
    hosting: Hosting, model_data: str
) -> None:
    user = hosting.user
    archive = user.read(S3Uri.parse(model_data).key)
    for name in ("a.tar.gz", "deep/b.tar.gz"):
        user.put(f"many/{name}", archive)
    user.put("many/damaged.tar.gz", b"no archive")
    model = hosting.model("many", user.uri("many/"), Mode="MultiModel")
    found = hosting.endpoint("many", hosting.config("many", model))
    assert found["EndpointStatus"] == "InService", found

    targets = ("a.tar.gz", "deep/b.tar.gz", "a.tar.gz")
    answers = {hosting.ask("many", TargetModel=target) for target in targets}
    assert len(answers) == 1
    with pytest.raises(hosting.runtime.exceptions.ModelError, match="movieId is 'x'"):
        hosting.ask("many", b"1,x", TargetModel="a.tar.gz")
    for target in ("none.tar.gz", "damaged.tar.gz"):
        with pytest.raises(
            ClientError, match=r"ValidationError.*Failed to download model data"
        ):
            hosting.ask("many", TargetModel=target)
    with pytest.raises(
        ClientError, match="a multi-model endpoint needs a target model"
    ):
        hosting.ask("many")

    # The container that replaces it has no model loaded.
    hosting.kill_container()

    def answers_the_same() -> bool:
        # It may not be ready yet.
        with contextlib.suppress(ClientError):
            return {hosting.ask("many", TargetModel="a.tar.gz")} == answers
        return False

    poll(answers_the_same)


def test_requests_are_captured_measured_and_streamed(
    hosting: Hosting, model_data: str
) -> None:
    user = hosting.user
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": user.uri("capture"),
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"]},
    }
    found = hosting.deploy("watched", model_data, DataCaptureConfig=capture)
    assert found["DataCaptureConfig"]["CaptureStatus"] == "Started"
    answer = hosting.ask("watched", Accept="text/csv")
    with pytest.raises(hosting.runtime.exceptions.ModelError):
        hosting.ask("watched", b"1,x")

    poll(lambda: user.keys("capture/watched/main/") != [])
    (key,) = user.keys("capture/")
    line = json.loads(user.read(f"capture/{key}"))
    assert line["captureData"]["endpointInput"]["data"] == "1,318"
    assert line["captureData"]["endpointOutput"]["data"] == answer.decode()

    streamed = hosting.runtime.invoke_endpoint_with_response_stream(
        EndpointName="watched", Body=b"1,318", ContentType="text/csv", Accept="text/csv"
    )
    parts = [event["PayloadPart"]["Bytes"] for event in streamed["Body"]]
    assert b"".join(parts) == answer
    assert streamed["InvokedProductionVariant"] == "main"

    names = ("Invocations", "Invocation4XXErrors", "Invocation5XXErrors")
    assert [hosting.total("watched", name) for name in names] == [3, 1, 0]


def test_variants_are_scaled_by_hand_and_by_policy(
    hosting: Hosting, model_data: str
) -> None:
    hosting.deploy("scaled", model_data)
    hosting.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName="scaled",
        DesiredWeightsAndCapacities=[
            {"VariantName": "main", "DesiredInstanceCount": 2, "DesiredWeight": 0.5}
        ],
    )
    (variant,) = hosting.settled("scaled")["ProductionVariants"]
    assert variant["CurrentInstanceCount"] == 2
    assert variant["CurrentWeight"] == 0.5
    assert len(hosting.user.containers()) == 2

    # An update may keep that.
    hosting.sagemaker.update_endpoint(
        EndpointName="scaled",
        EndpointConfigName="scaled",
        RetainAllVariantProperties=True,
        ExcludeRetainedVariantProperties=[{"VariantPropertyType": "DesiredWeight"}],
    )
    (variant,) = hosting.settled("scaled")["ProductionVariants"]
    assert variant["CurrentInstanceCount"] == 2
    assert variant["CurrentWeight"] == 1

    # Without invocations, target tracking goes down to the least that is allowed.
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/scaled/variant/main",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    autoscaling = hosting.user.client("application-autoscaling")
    with pytest.raises(ClientError, match="for asynchronous endpoints alone"):
        autoscaling.register_scalable_target(**target, MinCapacity=0, MaxCapacity=2)
    autoscaling.register_scalable_target(**target, MinCapacity=1, MaxCapacity=2)
    invocations = "SageMakerVariantInvocationsPerInstance"
    tracking = {
        "TargetValue": 10.0,
        "PredefinedMetricSpecification": {"PredefinedMetricType": invocations},
        "ScaleInCooldown": 0,
        "ScaleOutCooldown": 0,
    }
    policy = {
        "PolicyName": "tracking",
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": tracking,
    }
    autoscaling.put_scaling_policy(**target, **policy)
    poll(lambda: hosting.count("scaled") == 1)

    # Asked often, it grows.
    def has_grown() -> bool:
        hosting.ask("scaled")
        return hosting.count("scaled") == 2

    poll(has_grown)
    autoscaling.deregister_scalable_target(**target)
    hosting.settled("scaled")


def test_an_asynchronous_endpoint_scales_to_zero_and_back(
    hosting: Hosting, model_data: str
) -> None:
    user = hosting.user
    output = {"S3OutputPath": user.uri("zero")}
    hosting.deploy("zero", model_data, AsyncInferenceConfig={"OutputConfig": output})
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/zero/variant/main",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    autoscaling = user.client("application-autoscaling")
    autoscaling.register_scalable_target(**target, MinCapacity=0, MaxCapacity=1)
    backlog = {
        "MetricName": "ApproximateBacklogSizePerInstance",
        "Namespace": "AWS/SageMaker",
        "Dimensions": [{"Name": "EndpointName", "Value": "zero"}],
        "Statistic": "Average",
    }
    tracking = {
        "TargetValue": 5.0,
        "CustomizedMetricSpecification": backlog,
        "ScaleInCooldown": 0,
        "ScaleOutCooldown": 0,
    }
    policy = {
        "PolicyName": "backlog",
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": tracking,
    }
    autoscaling.put_scaling_policy(**target, **policy)
    poll(lambda: hosting.count("zero") == 0)
    accepted = hosting.runtime.invoke_endpoint_async(
        EndpointName="zero",
        InputLocation=user.put("zero/input.csv", b"1,318"),
        ContentType="text/csv",
        Accept="text/csv",
    )
    key = S3Uri.parse(accepted["OutputLocation"]).key
    poll(lambda: user.keys(key) != [])
    assert 0.5 <= float(user.read(key)) <= 5
    autoscaling.deregister_scalable_target(**target)
    hosting.settled("zero")


def test_an_isolated_model_is_served_from_a_network_that_leads_nowhere(
    hosting: Hosting, model_data: str
) -> None:
    hosting.model("isolated", model_data, isolated=True)
    hosting.endpoint("isolated", hosting.config("isolated", "isolated"))
    assert hosting.ask("isolated")
    (container,) = hosting.user.containers()
    template = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}"
    network = run_docker("inspect", "--format", template, container).stdout.strip()
    shown = run_docker("network", "inspect", "--format", "{{.Internal}}", network)
    assert shown.stdout.strip() == "true"
    hosting.delete("endpoint", "isolated")
    assert run_docker("network", "inspect", network).returncode != 0


# What is refused


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (
            {"VpcConfig": {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}},
            "subnet-1",
        ),
        (
            {
                "EnableNetworkIsolation": False,
                "InferenceExecutionConfig": {"Mode": "Direct"},
            },
            "only Serial",
        ),
    ],
)
def test_a_model_that_cannot_be_as_it_says_is_refused(
    hosting: Hosting, members: dict[str, Any], message: str
) -> None:
    with pytest.raises(ClientError, match=message):
        hosting.sagemaker.create_model(
            ModelName="refused",
            PrimaryContainer={"Image": hosting.user.image},
            ExecutionRoleArn=hosting.user.role,
            **members,
        )


def test_a_network_that_there_is_is_recorded(hosting: Hosting) -> None:
    ec2 = hosting.user.client("ec2")
    subnets = ec2.describe_subnets()["Subnets"]
    groups = ec2.describe_security_groups()["SecurityGroups"]
    network = {
        "Subnets": [subnets[0]["SubnetId"]],
        "SecurityGroupIds": [groups[0]["GroupId"]],
    }
    hosting.sagemaker.create_model(
        ModelName="networked",
        PrimaryContainer={"Image": hosting.user.image},
        ExecutionRoleArn=hosting.user.role,
        VpcConfig=network,
    )
    hosting.made.append(("model", "networked"))
    described = hosting.sagemaker.describe_model(ModelName="networked")
    assert described["VpcConfig"] == network


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"KmsKeyId": "nokey"}, "KmsKeyId: Invalid keyId nokey"),
        (
            {"ShadowProductionVariants": [{"VariantName": "a", "ModelName": "b"}]},
            "Shadow",
        ),
        ({"EnableNetworkIsolation": True}, "with EnableNetworkIsolation"),
    ],
)
def test_a_configuration_that_is_not_offered_is_refused_by_name(
    hosting: Hosting, members: dict[str, Any], message: str
) -> None:
    with pytest.raises(ClientError, match=message):
        hosting.config("refused", "any", **members)


def test_names_are_used_once_and_must_be_those_of_something(
    hosting: Hosting, model_data: str
) -> None:
    sagemaker = hosting.sagemaker
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
        hosting.model("no-data", hosting.user.uri("none.tar.gz"))
    absent_image = hosting.user.image.partition("@")[0] + ":v9"
    with pytest.raises(ClientError, match="Requested image"):
        hosting.model("no-image", model_data, Image=absent_image)
    with pytest.raises(ClientError, match=ABSENT):
        sagemaker.delete_endpoint(EndpointName="nobody")
    models = sagemaker.list_models(NameContains="named")["Models"]
    assert [model["ModelName"] for model in models] == ["named"]
