"""A server of AWS's interface, a registry with a password, and the command line run
against both.

The server is moto's, in a process of its own. All of it listens on loopback only.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest

from container import debian
from launcher.__main__ import main
from launcher.aws import Aws
from launcher.config import Config
from launcher.images import local_image
from launcher.ports import LOOPBACK, free_port
from launcher.world.account import Account
from tests.launcher.page_server import PageServer, running

ACCOUNT = "123456789012"
REGION = "eu-central-1"
BUCKET = f"halfstar-{ACCOUNT}-{REGION}"
# A role that nobody asks for.
ROLE = f"arn:aws:iam::{ACCOUNT}:role/any"
OUR_TAG = {"Key": "halfstar", "Value": "halfstar"}
# The server's ECR gives out these, so the registry is made to expect them.
USER = "AWS"
PASSWORD = f"{ACCOUNT}-auth-token"

DOCKERFILE = """FROM scratch
COPY payload /payload
LABEL org.halfstar=1 org.opencontainers.image.version="1.2.3"
CMD ["/payload"]
"""


@dataclass
class Result:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class AwsServer:
    """A server of AWS's interface."""

    url: str
    process: subprocess.Popen[bytes] = field(repr=False)

    def client(
        self,
        service: str,
        region: str = REGION,
        key: tuple[str, str] = ("test", "test"),
    ) -> Any:
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=self.url,
            aws_access_key_id=key[0],
            aws_secret_access_key=key[1],
        )

    def post(self, path: str, body: bytes = b"") -> None:
        headers = {"Content-Type": "text/plain"}
        request = urllib.request.Request(
            f"{self.url}{path}", data=body, headers=headers, method="POST"
        )
        with urllib.request.urlopen(request) as answer:
            assert answer.status in (200, 201)


def wait_for(
    url: str, process: subprocess.Popen[bytes], expected: tuple[int, ...] = (200,)
) -> None:
    """Wait until a server answers with one of the expected status codes."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, f"{process.args!r} ended"
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in expected:
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"{url} doesn't answer")


@pytest.fixture(scope="session")
def aws_process() -> Iterator[AwsServer]:
    port = free_port()
    url = f"http://{LOOPBACK}:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", LOOPBACK, "-p", str(port)]
    # As in AWS, an account's buckets are closed to other accounts.
    environment = {**os.environ, "MOTO_S3_ALLOW_CROSSACCOUNT_ACCESS": "false"}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        wait_for(f"{url}/moto-api/", process)
        yield AwsServer(url, process)
        process.terminate()


@pytest.fixture
def aws(aws_process: AwsServer) -> AwsServer:
    """An account with nothing in it."""
    aws_process.post("/moto-api/reset")
    return aws_process


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Host and port of Debian's registry, with a password."""
    packages = {"docker-registry": "docker-registry", "htpasswd": "apache2-utils"}
    missing = [
        package for command, package in packages.items() if not shutil.which(command)
    ]
    if missing:
        debian.install(*missing)

    directory = tmp_path_factory.mktemp("registry")
    passwords = directory / "htpasswd"
    made = subprocess.run(
        ["htpasswd", "-Bbn", USER, PASSWORD], check=True, capture_output=True, text=True
    )
    passwords.write_text(made.stdout)

    address = f"{LOOPBACK}:{free_port()}"
    settings = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(directory / "data")}},
        "http": {"addr": address},
        "auth": {"htpasswd": {"realm": "test", "path": str(passwords)}},
    }
    # JSON is YAML.
    config = directory / "config.yml"
    config.write_text(json.dumps(settings))
    command = ["docker-registry", "serve", str(config)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        wait_for(f"http://{address}/v2/", process, expected=(401,))
        yield address
        process.terminate()


@pytest.fixture(scope="session")
def tiny_image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of a local image of a few bytes."""
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "Dockerfile").write_text(DOCKERFILE)
    (folder / "payload").write_bytes(os.urandom(64))
    name = f"halfstar-tiny-{os.getpid()}"
    build = ["docker", "build", "--quiet", "--tag", name, str(folder)]
    subprocess.run(build, check=True, capture_output=True)
    yield name
    image = local_image(name)
    assert image is not None
    remove = ["docker", "image", "rm", "--force", image.image_id]
    subprocess.run(remove, check=True, capture_output=True)


def create_bucket(aws: AwsServer) -> None:
    """The project's bucket, without its properties."""
    location = {"LocationConstraint": REGION}
    aws.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=location)


def create_training_job(aws: AwsServer, name: str, *, ours: bool = True) -> None:
    """A training job, which is completed at once on this server."""
    aws.client("sagemaker").create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={"TrainingImage": "i", "TrainingInputMode": "File"},
        RoleArn=ROLE,
        OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/jobs"},
        ResourceConfig={
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 1,
        },
        StoppingCondition={"MaxRuntimeInSeconds": 60},
        Tags=[OUR_TAG] if ours else [],
    )


def create_endpoint(aws: AwsServer, name: str) -> None:
    """An endpoint without our tag, which is in service at once on this server."""
    sagemaker = aws.client("sagemaker")
    sagemaker.create_model(
        ModelName="m", PrimaryContainer={"Image": "i"}, ExecutionRoleArn=ROLE
    )
    variant = {
        "VariantName": "v",
        "ModelName": "m",
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    sagemaker.create_endpoint_config(
        EndpointConfigName="c", ProductionVariants=[variant]
    )
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName="c")


class Launcher:
    """The command line, run in a project's folder."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capture = capture

    def __call__(self, *arguments: str) -> Result:
        self._capture.readouterr()
        code = main(["--poll-seconds", "0.05", *arguments])
        said = self._capture.readouterr()
        return Result(code, said.out, said.err)


def point_environment_to(
    aws: AwsServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Set variables that point to the server, and no others of AWS or ours."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "HALFSTAR_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.url)
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(folder / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "no-credentials"))


@pytest.fixture
def launcher(
    aws: AwsServer,
    small_csvs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Launcher:
    point_environment_to(aws, tmp_path, monkeypatch)
    monkeypatch.setenv("HALFSTAR_DATA", str(small_csvs))
    monkeypatch.chdir(tmp_path)
    return Launcher(tmp_path, capfd)


@pytest.fixture
def prepared(launcher: Launcher) -> Launcher:
    """The command line, after `init` and `data`."""
    assert launcher("init").code == 0
    assert launcher("data").code == 0
    return launcher


@pytest.fixture
def connection(aws: AwsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Aws:
    """The launcher's own way to the server."""
    point_environment_to(aws, tmp_path, monkeypatch)
    return Aws(Config(region=REGION, endpoint_url=aws.url))


@pytest.fixture
def connection_of(
    aws: AwsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Aws]:
    """The launcher's own way to an address."""
    point_environment_to(aws, tmp_path, monkeypatch)
    return lambda url: Aws(Config(region=REGION, endpoint_url=url))


@pytest.fixture
def pages() -> Iterator[PageServer]:
    """A server that answers every request with a page."""
    server = PageServer()
    with running(server):
        yield server


@pytest.fixture
def small_csvs(tmp_path: Path) -> Path:
    directory = tmp_path / "csvs"
    directory.mkdir()
    (directory / "ratings.csv").write_text(
        "userId,movieId,rating,timestamp\n1,10,4.0,964982703\n2,10,3.5,964982704\n"
    )
    (directory / "movies.csv").write_text(
        'movieId,title,genres\n10,"GoldenEye (1995)",Action|Adventure\n'
    )
    return directory


@pytest.fixture
def account() -> Account:
    return Account(ACCOUNT, "aws", REGION, f"arn:aws:iam::{ACCOUNT}:user/test")


@pytest.fixture
def config() -> Config:
    return Config(region=REGION)
