"""A user of the local services: what the tests send, and what they look at afterwards."""

from __future__ import annotations

import io
import itertools
import json
import subprocess
import tarfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import boto3

from launcher.local.settings import Settings

PYTHON = "/opt/halfstar/bin/python3"
RUN_SCRIPT = "import json; exec(json.loads(json.load(open('/opt/ml/input/config/hyperparameters.json'))['script']))"


def docker(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, check=False, **options
    )


@dataclass(frozen=True)
class Account:
    """What a user of the stack has: clients, a role, a bucket with data, and the pushed
    image's URI with its digest.
    """

    settings: Settings
    client: Callable[[str], Any]
    role: str
    bucket: str
    image: str

    def put(self, key: str, data: bytes) -> str:
        self.client("s3").put_object(Bucket=self.bucket, Key=key, Body=data)
        return f"s3://{self.bucket}/{key}"

    def keys(self, prefix: str) -> list[str]:
        answer = self.client("s3").list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        return [
            entry["Key"].removeprefix(prefix) for entry in answer.get("Contents", [])
        ]

    def read(self, key: str) -> bytes:
        return bytes(
            self.client("s3").get_object(Bucket=self.bucket, Key=key)["Body"].read()
        )

    def archive(self, key: str) -> dict[str, bytes]:
        """The files of a ``tar.gz``."""
        with tarfile.open(fileobj=io.BytesIO(self.read(key))) as tar:
            return {m.name: tar.extractfile(m).read() for m in tar if m.isfile()}  # type: ignore[union-attr]

    def log(self, group: str, prefix: str) -> list[str]:
        """Every message of the streams that begin so."""
        logs = self.client("logs")
        streams = logs.describe_log_streams(
            logGroupName=group, logStreamNamePrefix=prefix
        )["logStreams"]
        names = [stream["logStreamName"] for stream in streams]
        events = [
            logs.get_log_events(
                logGroupName=group, logStreamName=n, startFromHead=True
            )["events"]
            for n in names
        ]
        return [event["message"] for event in itertools.chain.from_iterable(events)]

    def containers(self) -> list[str]:
        found = docker(
            "ps",
            "--all",
            "--quiet",
            "--filter",
            f"label={self.settings.label}",
            "--no-trunc",
        )
        return found.stdout.split()

    # Training

    def channel(
        self, name: str = "training", prefix: str = "data/", **members: Any
    ) -> dict[str, Any]:
        distribution = members.pop("distribution", "FullyReplicated")
        source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{self.bucket}/{prefix}"}
        source["S3DataDistributionType"] = distribution
        return {"ChannelName": name, "DataSource": {"S3DataSource": source}, **members}

    def job(
        self, name: str, hyperparameters: Mapping[str, str], **members: Any
    ) -> dict[str, Any]:
        """A request for a training job that can be changed before it is sent."""
        return {
            "TrainingJobName": name,
            "RoleArn": self.role,
            "AlgorithmSpecification": {
                "TrainingImage": self.image,
                "TrainingInputMode": "File",
            },
            "HyperParameters": dict(hyperparameters),
            "InputDataConfig": [self.channel()],
            "OutputDataConfig": {"S3OutputPath": f"s3://{self.bucket}/jobs"},
            "ResourceConfig": {
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 1,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            **members,
        }

    def script(self, name: str, script: str, **members: Any) -> dict[str, Any]:
        """The same, running a Python script in the image in place of its own command.

        It travels as a hyperparameter, on one line: an argument may have 256
            characters.
        """
        job = self.job(
            name,
            {**members.pop("HyperParameters", {}), "script": json.dumps(script)},
            **members,
        )
        job["AlgorithmSpecification"] |= {
            "ContainerEntrypoint": [PYTHON, "-c"],
            "ContainerArguments": [RUN_SCRIPT],
        }
        return job

    def train(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Run a job to its end."""
        self.client("sagemaker").create_training_job(**request)
        return self.finished(request["TrainingJobName"])

    def finished(self, name: str) -> dict[str, Any]:
        return self.until(
            name, lambda job: job["TrainingJobStatus"] not in ("InProgress", "Stopping")
        )

    def until(
        self, name: str, holds: Callable[[dict[str, Any]], bool]
    ) -> dict[str, Any]:
        while not holds(
            job := self.client("sagemaker").describe_training_job(TrainingJobName=name)
        ):
            time.sleep(0.1)
        return dict(job)

    def until_logged(self, name: str, text: str) -> None:
        while not any(
            text in line for line in self.log("/aws/sagemaker/TrainingJobs", f"{name}/")
        ):
            time.sleep(0.1)


def clients(settings: Settings) -> Callable[[str], Any]:
    environment = settings.environment()
    session = boto3.Session(
        environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"]
    )
    made: dict[str, Any] = {}

    def client(service: str) -> Any:
        if service not in made:
            made[service] = session.client(
                service, settings.region, endpoint_url=settings.endpoint_url
            )
        return made[service]

    return client
