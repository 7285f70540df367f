"""Containers with few rights: another user, no capabilities, a read-only root."""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from container.job_folder import make_job_folder
from tests.container.image_runner import ImageRunner
from tests.forging import make_crashing
from tests.train.conftest import configure

# The rights that docs/image.md shows.
LOCKED_DOWN = (
    "--user=1000:1000",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--read-only",
    "--tmpfs=/tmp",
    "--pids-limit=64",
)
MakeJob = Callable[..., Path]
HYPERPARAMETERS = {"num_round": "5", "max_depth": "3"}

OPTIONS = "X-Amzn-SageMaker-Custom-Attributes"
EXPLAINED = "contributions=3"
QUESTION = b'[{"userId": 1, "movieId": 318}]'
NO_CAPABILITIES = "0000000000000000"
# Of process 1 and its children; the shell's own line has no number.
SHOW_STATES = """\
for pid in 1 $(cat /proc/1/task/1/children); do
    grep -E '^(Uid|Gid|CapEff|NoNewPrivs):' /proc/$pid/status
done
"""


@pytest.fixture(scope="module")
def as_user(
    runner: ImageRunner, small_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A base directory of user 1000, in which a locked-down job has trained."""
    base_dir = tmp_path_factory.mktemp("user")
    make_job_folder(base_dir, small_data, HYPERPARAMETERS)
    in_folder(runner, base_dir, "chown -R 1000:1000 . && chmod 755 .")
    memory = ("--memory=1g", "--memory-swap=1g")
    result = runner.run(base_dir, "train", options=(*LOCKED_DOWN, *memory))
    assert result.returncode == 0, result.stdout + result.stderr
    return base_dir


@pytest.fixture
def private(runner: ImageRunner, as_user: Path) -> Iterator[Path]:
    """The same model, in files that root alone can read."""
    in_folder(runner, as_user, "chown -R 0:0 model && chmod -R go= model")
    yield as_user
    in_folder(runner, as_user, "chown -R 1000:1000 model && chmod -R go=rX model")


def in_folder(runner: ImageRunner, folder: Path, script: str) -> str:
    """What a script prints that root runs in a folder of this machine."""
    options = ("--user=0:0", "--workdir=/opt/ml", "--entrypoint=sh")
    result = runner.run(folder, "-c", script, options=options)
    assert result.returncode == 0, result.stderr
    return result.stdout


def ask(url: str, options: str = "") -> list[dict[str, Any]]:
    headers = {"Content-Type": "application/json", OPTIONS: options}
    request = urllib.request.Request(f"{url}/invocations", QUESTION, headers)
    with urllib.request.urlopen(request, timeout=60) as response:
        value: list[dict[str, Any]] = json.loads(response.read())
    return value


def states(runner: ImageRunner, container: str) -> dict[str, set[str]]:
    """User ids, capabilities and so on of all processes of ``serve``."""
    shown = runner.docker("exec", container, "sh", "-c", SHOW_STATES).stdout
    found: dict[str, set[str]] = {}
    for line in shown.splitlines():
        name, _, value = line.partition(":")
        found.setdefault(name, set()).add(" ".join(value.split()))
    return found


# Training and serving as another user


def test_a_locked_down_job_writes_its_model_as_its_user(
    runner: ImageRunner, as_user: Path
) -> None:
    owners = in_folder(runner, as_user, "stat -c '%u:%g' model/* output/data/*")
    assert set(owners.split()) == {"1000:1000"}


def test_a_locked_down_job_goes_on_from_a_model_unless_it_is_forged(
    runner: ImageRunner, as_user: Path, small_data: Path, tmp_path: Path
) -> None:
    make_job_folder(tmp_path, small_data, HYPERPARAMETERS)
    configure(tmp_path, "inputdataconfig", {"training": {}, "model": {}})
    channel = tmp_path / "input" / "data" / "model"
    shutil.copytree(as_user / "model", channel)
    in_folder(runner, tmp_path, "chown -R 1000:1000 . && chmod 755 .")
    memory = ("--memory=1g", "--memory-swap=1g")
    result = runner.run(tmp_path, "train", options=(*LOCKED_DOWN, *memory))
    assert result.returncode == 0, result.stdout + result.stderr

    make_crashing(channel)
    result = runner.run(tmp_path, "train", options=(*LOCKED_DOWN, *memory))
    assert result.returncode == 1
    failure = (tmp_path / "output" / "failure").read_text()
    assert "loading it ends its process (SIGSEGV)" in failure


@pytest.mark.parametrize("memory", ["1g", "256m"])
def test_a_locked_down_server_answers(
    runner: ImageRunner, trained: Path, memory: str
) -> None:
    # Its user can read this model, which isn't its own.
    in_folder(runner, trained, "chmod 755 .")
    limits = (f"--memory={memory}", f"--memory-swap={memory}")
    container, url = runner.serve(trained, *LOCKED_DOWN, *limits)
    (answer,) = ask(url)
    assert answer["title"] == "Shawshank Redemption, The (1994)"

    found = states(runner, container)
    assert found["Uid"] == {"1000 1000 1000 1000"}
    assert found["CapEff"] == {NO_CAPABILITIES}
    assert found["NoNewPrivs"] == {"1"}
    runner.docker("kill", "--signal", "TERM", container)
    assert runner.wait(container) == 0


# Started as root


def test_a_server_that_is_started_as_root_becomes_nobody(
    runner: ImageRunner, as_user: Path
) -> None:
    container, url = runner.serve(as_user, "--user=0:0", "--read-only")
    assert states(runner, container)["Uid"] == {"65534 65534 65534 65534"}
    assert states(runner, container)["Gid"] == {"65534 65534 65534 65534"}
    assert states(runner, container)["CapEff"] == {NO_CAPABILITIES}
    (answer,) = ask(url, EXPLAINED)
    assert answer["contributions"]["features"]

    runner.docker("kill", "--signal", "TERM", container)
    assert runner.wait(container) == 0


def test_a_worker_that_dies_is_replaced_after_root_was_given_up(
    runner: ImageRunner, as_user: Path
) -> None:
    options = ("--user=0:0", "--env=HALFSTAR_WORKERS=1")
    container, url = runner.serve(as_user, *options)
    kill = "kill -KILL $(cat /proc/1/task/1/children)"
    runner.docker("exec", container, "sh", "-c", kill)
    assert ask(url)
    assert states(runner, container)["Uid"] == {"65534 65534 65534 65534"}


def test_nobody_answers_from_a_model_that_only_root_can_read(
    runner: ImageRunner, private: Path
) -> None:
    container, url = runner.serve(private, "--user=0:0")
    assert states(runner, container)["Uid"] == {"65534 65534 65534 65534"}
    (answer,) = ask(url, EXPLAINED)
    assert answer["contributions"]["features"]


@pytest.mark.parametrize(
    "option",
    [
        "--cap-drop=ALL",
        "--env=HALFSTAR_SERVE_USER=",
        "--env=SAGEMAKER_MULTI_MODEL=true",
    ],
)
def test_a_server_remains_root_where_it_must_or_should(
    runner: ImageRunner, as_user: Path, option: str
) -> None:
    container, _ = runner.serve(as_user, "--user=0:0", option)
    assert states(runner, container)["Uid"] == {"0 0 0 0"}
    assert states(runner, container)["Gid"] == {"0 0 0 0"}


# Files


def test_no_file_sets_its_user_or_group(runner: ImageRunner) -> None:
    assert runner.shell("find / -xdev -type f -perm /6000") == ""


def test_nobody_but_root_can_write_our_files_and_everybody_can_read_them(
    runner: ImageRunner,
) -> None:
    assert runner.shell("find /opt/halfstar ! -type l -perm /022") == ""
    assert runner.shell("find /opt/halfstar ! -user 0 -o ! -group 0") == ""
    assert runner.shell("find /opt/halfstar ! -type l ! -perm -444") == ""
    assert runner.shell("find /opt/halfstar -type d ! -perm -555") == ""


# Health


def health(runner: ImageRunner, container: str) -> tuple[int, str]:
    """Exit code and words of the image's own health check."""
    template = "{{json .Config.Healthcheck.Test}}"
    shown = runner.docker("inspect", "--format", template, container).stdout
    _, *command = json.loads(shown)
    result = runner.docker("exec", container, *command)
    return result.returncode, result.stdout.strip()


def test_a_server_is_healthy_if_it_answers(runner: ImageRunner, as_user: Path) -> None:
    container, _ = runner.serve(as_user, *LOCKED_DOWN)
    assert health(runner, container) == (0, "HTTP/1.1 200 OK")


@pytest.mark.slow
def test_a_server_that_stands_still_is_unhealthy(
    runner: ImageRunner, as_user: Path
) -> None:
    container, _ = runner.serve(as_user, *LOCKED_DOWN, "--env=HALFSTAR_WORKERS=1")
    # The worker stops, as in a deadlock.
    stop = "kill -STOP $(cat /proc/1/task/1/children)"
    runner.docker("exec", container, "sh", "-c", stop)
    code, words = health(runner, container)
    assert (code, words) == (1, "no answer on port 8080: timed out")


def test_a_job_is_healthy_while_it_runs(runner: ImageRunner, make_job: MakeJob) -> None:
    base_dir = make_job({"num_round": "100000"})
    container = runner.start(base_dir, "train")
    code, words = health(runner, container)
    runner.docker("kill", container)
    assert (code, words) == (0, "no server runs here, so there is nothing to ask")
