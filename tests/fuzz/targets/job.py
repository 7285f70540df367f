"""What a platform and its users configure: a job's files, a server's environment."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import asdict

from launcher.errors import LauncherError
from launcher.world.jobs import evaluation_in
from movielens.errors import HalfstarError, HyperparameterError
from serve.settings import ServeSettings, SettingsError
from tests.examples import EVALUATION
from tests.fuzz import samples
from tests.fuzz.target import Target
from train.failure import REASON_LENGTH, printable
from train.hyperparameters import Hyperparameters
from train.job import TrainingJob, prepare

_FILES = (
    "hyperparameters.json",
    "inputdataconfig.json",
    "resourceconfig.json",
    "checkpointconfig.json",
)
_BETWEEN = b"\n---\n"


def job_files(data: bytes) -> None:
    """A job's configuration is read, or refused with a HalfstarError.

    An input has the files one after the other, with ``---`` between them.
    """
    base_dir = samples.folder("job")
    config = base_dir / "input" / "config"
    config.mkdir(parents=True, exist_ok=True)
    texts = data.split(_BETWEEN)
    for place, name in enumerate(_FILES):
        (config / name).unlink(missing_ok=True)
        if place < len(texts):
            (config / name).write_bytes(texts[place])
    try:
        prepare(base_dir)
        job = TrainingJob.at(base_dir)
    except HalfstarError as error:
        printable(str(error)).encode()
        return
    assert 0 <= job.hosts.rank < len(job.hosts)


def hyperparameters(data: bytes) -> None:
    """Any JSON object is hyperparameters, or refused with a HyperparameterError.

    The reason fits into SageMaker's field. What was read is the same when it is written
    and read again.
    """
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return
    if not isinstance(value, dict):
        return
    try:
        found = Hyperparameters.parse(value)
    except HyperparameterError as error:
        reason = str(error)
    else:
        assert Hyperparameters.parse(found.to_json()) == found
        return
    assert 0 < len(reason) <= REASON_LENGTH


def _job_files() -> Iterator[bytes]:
    chosen = b'{"num_round": "20", "eta": "\\"0.1\\"", "features": "clock,pace"}'
    channels = b'{"training": {"TrainingInputMode": "File"}, "x": null}'
    hosts = b'{"current_host": "a", "hosts": ["b", "a"]}'
    yield _BETWEEN.join([chosen, channels, hosts, b'{"LocalPath": "/opt/ml/x"}'])
    yield b"\xef\xbb\xbf" + chosen
    yield _BETWEEN.join([b"{}", channels, b'{"hosts": []}', b"{}"])
    yield _BETWEEN.join([b"[" * 3000, b"{}"])


def _hyperparameters() -> Iterator[bytes]:
    yield b'{"num_round": "20", "eta": "\\"0.1\\"", "features": "clock,pace"}'
    yield b'{"max_depht": 3, "seed": -1, "holdout": 0.5, "sagemaker_program": "x"}'
    yield b'{"split": "temporal", "lambda": 1e300, "hidden_share": null}'
    yield b'{"num_round": "\xd9\xa3", "eta": "nan", "x\\ud800": "1"}'


def settings(data: bytes) -> None:
    """Environment variables are settings, or refused with a SettingsError."""
    environment = {}
    for line in data.decode("utf-8", "surrogateescape").split("\n"):
        name, _, value = line.partition("=")
        environment[name] = value
    try:
        found = ServeSettings.from_environment(environment)
    except SettingsError:
        return
    assert 1 <= found.port <= 65535
    assert found.max_body_mib >= 1
    assert found.max_concurrent >= 1


def _settings() -> Iterator[bytes]:
    yield b"SAGEMAKER_BATCH=true\nSAGEMAKER_MAX_PAYLOAD_IN_MB=0\nHALFSTAR_WORKERS=2"
    yield b"SAGEMAKER_BIND_TO_PORT=\xd9\xa3\nSAGEMAKER_BATCH_STRATEGY=MultiRecord"
    yield b"SAGEMAKER_MULTI_MODEL=True\nHALFSTAR_MODELS_MIB=99999999999"


def evaluation(data: bytes) -> None:
    """An ``evaluation.json`` is read, or refused with a LauncherError."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo("evaluation.json")
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))
    packed = gzip.compress(buffer.getvalue(), compresslevel=0, mtime=0)
    with contextlib.suppress(LauncherError):
        evaluation_in(packed, "output.tar.gz")


def output_archive(data: bytes) -> None:
    """An ``output.tar.gz`` has an evaluation, or is refused with a LauncherError."""
    with contextlib.suppress(LauncherError):
        evaluation_in(data, "output.tar.gz")


def _evaluations() -> Iterator[bytes]:
    yield json.dumps(EVALUATION.to_json()).encode()
    yield json.dumps({**EVALUATION.to_json(), "data": None}).encode()
    yield json.dumps(asdict(EVALUATION)).encode()


def _output_archives() -> Iterator[bytes]:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo("evaluation.json")
        member.size = 600
        tar.addfile(member, io.BytesIO(b"[" * 600))
    short = buffer.getvalue().rstrip(b"\0") + bytes(1024)
    yield gzip.compress(short, compresslevel=0, mtime=0)
    yield gzip.compress(short, mtime=0)


_NAMES = (b'"num_round"', b'"eta"', b'"features"', b'"seed"', b'"hosts"', b"\\u0661")
_VARIABLES = (b"SAGEMAKER_BATCH=", b"HALFSTAR_WORKERS=", b"SAGEMAKER_MULTI_MODEL=")

TARGETS = [
    Target(job_files, _job_files, (*_NAMES, _BETWEEN), weight=3, most_bytes=3500),
    Target(hyperparameters, _hyperparameters, _NAMES, weight=2, most_bytes=600),
    Target(settings, _settings, _VARIABLES, weight=1, most_bytes=300),
    Target(evaluation, _evaluations, (b"null", b"[]", b"{}"), weight=2),
    Target(output_archive, _output_archives, weight=1),
]
