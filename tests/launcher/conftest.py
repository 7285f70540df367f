"""AWS's interface over HTTP on loopback (moto's server in a process of its own), an
authenticated registry, and the command line run against both.
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
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest

from container import debian
from launcher.__main__ import main
from launcher.config import Config
from launcher.ports import free_port
from launcher.world import Account

ACCOUNT = "123456789012"
REGION = "eu-central-1"
# What the server's ECR gives as its token, and therefore what the registry is made to
# expect.
USER, PASSWORD = "AWS", f"{ACCOUNT}-auth-token"


@dataclass
class Result:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Aws:
    """A server of AWS's interface."""

    url: str
    process: subprocess.Popen[bytes] = field(repr=False)

    def client(self, service: str, region: str = REGION) -> Any:
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=self.url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def post(self, path: str, body: bytes = b"") -> None:
        headers = {"Content-Type": "text/plain"}
        request = urllib.request.Request(
            f"{self.url}{path}", data=body, headers=headers, method="POST"
        )
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 200


def wait_for(
    url: str, process: subprocess.Popen[bytes], expected: tuple[int, ...] = (200,)
) -> None:
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
def aws_process() -> Iterator[Aws]:
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    # As in AWS, an account's buckets are closed to the others.
    environment = {**os.environ, "MOTO_S3_ALLOW_CROSSACCOUNT_ACCESS": "false"}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        wait_for(f"http://127.0.0.1:{port}/moto-api/", process)
        yield Aws(f"http://127.0.0.1:{port}", process)
        process.terminate()


@pytest.fixture
def aws(aws_process: Aws) -> Aws:
    """An account with nothing in it."""
    aws_process.post("/moto-api/reset")
    return aws_process


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Debian's registry with a password; gives its host and port."""
    missing = {"docker-registry": "docker-registry", "htpasswd": "apache2-utils"}
    packages = [
        package for command, package in missing.items() if shutil.which(command) is None
    ]
    if packages:
        debian.install(*packages)
    directory, port = tmp_path_factory.mktemp("registry"), free_port()
    made = subprocess.run(
        ["htpasswd", "-Bbn", USER, PASSWORD], check=True, capture_output=True, text=True
    )
    (directory / "htpasswd").write_text(made.stdout)
    settings = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(directory / "data")}},
        "http": {"addr": f"127.0.0.1:{port}"},
        "auth": {"htpasswd": {"realm": "test", "path": str(directory / "htpasswd")}},
    }
    # JSON is YAML.
    (directory / "config.yml").write_text(json.dumps(settings))
    command = ["docker-registry", "serve", str(directory / "config.yml")]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        wait_for(f"http://127.0.0.1:{port}/v2/", process, expected=(401,))
        yield f"127.0.0.1:{port}"
        process.terminate()


class Launcher:
    """The command line in a project's folder."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capture = capture

    def __call__(self, *arguments: str) -> Result:
        self._capture.readouterr()
        code = main(
            [
                "--config",
                str(self.folder / "halfstar.toml"),
                "--poll-seconds",
                "0.05",
                *arguments,
            ]
        )
        said = self._capture.readouterr()
        return Result(code, said.out, said.err)


@pytest.fixture
def launcher(
    aws: Aws,
    small_csvs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Launcher:
    for name in [name for name in os.environ if name.startswith(("AWS_", "HALFSTAR_"))]:
        monkeypatch.delenv(name)
    settings = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_ENDPOINT_URL": aws.url,
        "AWS_REGION": REGION,
        "AWS_CONFIG_FILE": str(tmp_path / "no-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "no-credentials"),
        "HALFSTAR_DATA": str(small_csvs),
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return Launcher(tmp_path, capfd)


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
