"""A user of the stack: what the tests send, and what they look at afterwards."""

from __future__ import annotations

import io
import itertools
import json
import tarfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import boto3

from launcher.docker import run_docker
from launcher.local.settings import StackSettings
from launcher.s3_uri import S3Uri

PYTHON = "/opt/halfstar/bin/python3"
# Runs the hyperparameter `script`.
RUN_SCRIPT = (
    "import json; "
    "exec(json.loads(json.load("
    "open('/opt/ml/input/config/hyperparameters.json'))['script']))"
)
TRAINING_LOGS = "/aws/sagemaker/TrainingJobs"
# Trains a model in a second or two.
QUICK = {"num_round": "5", "features": "none", "hidden_share": "0"}
POLL_SECONDS = 0.1


def poll(holds: Callable[[], bool]) -> None:
    """Return once the condition holds; pytest's time limit ends the waiting."""
    while not holds():
        time.sleep(POLL_SECONDS)


@dataclass(frozen=True)
class StackUser:
    """What a user of the stack has.

    Attributes:
        settings: of the stack.
        client: gives the boto3 client of a service.
        role: that SageMaker may assume.
        bucket: with MovieLens data below ``data/``.
        image: the pushed image with its digest.
    """

    settings: StackSettings
    client: Callable[[str], Any]
    role: str
    bucket: str
    image: str

    def uri(self, key: str) -> str:
        return str(S3Uri(self.bucket, key))

    def put(self, key: str, data: bytes) -> str:
        self.client("s3").put_object(Bucket=self.bucket, Key=key, Body=data)
        return self.uri(key)

    def keys(self, prefix: str) -> list[str]:
        """The keys below a prefix, without it."""
        found = self.client("s3").list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        entries = found.get("Contents", [])
        return [entry["Key"].removeprefix(prefix) for entry in entries]

    def read(self, key: str) -> bytes:
        found = self.client("s3").get_object(Bucket=self.bucket, Key=key)
        return bytes(found["Body"].read())

    def archive(self, key: str) -> dict[str, bytes]:
        """The files of a ``tar.gz``."""
        files = {}
        with tarfile.open(fileobj=io.BytesIO(self.read(key))) as tar:
            for member in tar:
                file = tar.extractfile(member)
                if file is not None:
                    files[member.name] = file.read()
        return files

    def evaluation(self, job: str) -> dict[str, Any]:
        """The evaluation that a training job left."""
        files = self.archive(f"jobs/{job}/output/output.tar.gz")
        return dict(json.loads(files["evaluation.json"]))

    def log(self, group: str, prefix: str) -> list[str]:
        """Every message of the streams whose names begin with the prefix."""
        logs = self.client("logs")
        found = logs.describe_log_streams(
            logGroupName=group, logStreamNamePrefix=prefix
        )
        pages = [
            logs.get_log_events(
                logGroupName=group,
                logStreamName=stream["logStreamName"],
                startFromHead=True,
            )["events"]
            for stream in found["logStreams"]
        ]
        return [event["message"] for event in itertools.chain.from_iterable(pages)]

    def containers(self) -> list[str]:
        """The ids of the stack's containers, running or not."""
        label = f"label={self.settings.label}"
        listed = run_docker("ps", "--all", "--quiet", "--no-trunc", "--filter", label)
        return listed.stdout.split()

    # Training

    def channel(
        self,
        prefix: str = "data/",
        *,
        distribution: str = "FullyReplicated",
        **members: Any,
    ) -> dict[str, Any]:
        """An entry of InputDataConfig, named ``training``."""
        source = {
            "S3DataType": "S3Prefix",
            "S3Uri": self.uri(prefix),
            "S3DataDistributionType": distribution,
        }
        return {
            "ChannelName": "training",
            "DataSource": {"S3DataSource": source},
            **members,
        }

    def job(
        self, name: str, hyperparameters: Mapping[str, str], **members: Any
    ) -> dict[str, Any]:
        """A request for a training job, which may be changed before it is sent."""
        return {
            "TrainingJobName": name,
            "RoleArn": self.role,
            "AlgorithmSpecification": {
                "TrainingImage": self.image,
                "TrainingInputMode": "File",
            },
            "HyperParameters": dict(hyperparameters),
            "InputDataConfig": [self.channel()],
            "OutputDataConfig": {"S3OutputPath": self.uri("jobs")},
            "ResourceConfig": {
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 1,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            **members,
        }

    def script(self, name: str, script: str, **members: Any) -> dict[str, Any]:
        """A request for a job that runs a Python script in place of ``train``.

        The script travels as a hyperparameter, since an argument of a container may
        only have 256 characters.
        """
        hyperparameters = {
            **members.pop("HyperParameters", {}),
            "script": json.dumps(script),
        }
        job = self.job(name, hyperparameters, **members)
        job["AlgorithmSpecification"] |= {
            "ContainerEntrypoint": [PYTHON, "-c"],
            "ContainerArguments": [RUN_SCRIPT],
        }
        return job

    def start(self, request: Mapping[str, Any]) -> None:
        self.client("sagemaker").create_training_job(**request)

    def train(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Run a job to its end; gives its description."""
        self.start(request)
        return self.finished(request["TrainingJobName"])

    def describe(self, name: str) -> dict[str, Any]:
        sagemaker = self.client("sagemaker")
        return dict(sagemaker.describe_training_job(TrainingJobName=name))

    def finished(self, name: str) -> dict[str, Any]:
        """The description of a job once it has ended."""
        while True:
            job = self.describe(name)
            if job["TrainingJobStatus"] not in ("InProgress", "Stopping"):
                return job
            time.sleep(POLL_SECONDS)

    def until_logged(self, name: str, text: str) -> None:
        """Return once a job has logged a text."""
        poll(lambda: any(text in line for line in self.log(TRAINING_LOGS, f"{name}/")))


def clients(settings: StackSettings) -> Callable[[str], Any]:
    """Gives boto3 clients with the stack's keys, one for each service."""
    session = boto3.Session(settings.access_key, settings.secret_key)
    made: dict[str, Any] = {}

    def client(service: str) -> Any:
        if service not in made:
            made[service] = session.client(
                service, settings.region, endpoint_url=settings.endpoint_url
            )
        return made[service]

    return client
