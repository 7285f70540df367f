"""One configuration path: defaults < ``halfstar.toml`` < environment < options.

Each field of `Config` declares its key in the file; the environment's name follows from
it (``training.spot`` is ``HALFSTAR_TRAINING_SPOT``), and so does the option's (``--set
training.spot=true``). AWS's own variables for region, profile and endpoint count as the
environment's too. A source is parsed once; every fault is reported together.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Self, get_args

from launcher.errors import ConfigError

FILE = Path("halfstar.toml")
PREFIX = "HALFSTAR_"
EndpointKind = Literal["real-time", "serverless", "async"]
InputMode = Literal["File", "FastFile", "Pipe"]
_TRUE, _FALSE = {"true", "1", "yes", "on"}, {"false", "0", "no", "off"}


def _setting(
    default: Any,
    key: str,
    says: str,
    *,
    aliases: tuple[str, ...] = (),
    choices: tuple[str, ...] = (),
) -> Any:
    return field(
        default=default,
        metadata={"key": key, "says": says, "aliases": aliases, "choices": choices},
    )


@dataclass(frozen=True, kw_only=True)
class Config:
    """All settings of the launcher; an empty string means that a value is derived.

    ``hyperparameters`` is the file's table ``[hyperparameters]``, ``tags`` its table
    ``[tags]``: text by name.
    """

    name: str = _setting(
        "halfstar", "name", "prefix of all names, and the value of our tag"
    )
    region: str = _setting(
        "", "region", "AWS region", aliases=("AWS_REGION", "AWS_DEFAULT_REGION")
    )
    profile: str = _setting(
        "",
        "profile",
        "profile of the AWS configuration files",
        aliases=("AWS_PROFILE",),
    )
    endpoint_url: str = _setting(
        "",
        "endpoint_url",
        "one address for all AWS services",
        aliases=("AWS_ENDPOINT_URL",),
    )
    registry: str = _setting(
        "", "registry", "registry to use in place of ECR's own host, host:port"
    )
    bucket: str = _setting("", "bucket", "S3 bucket (derived: NAME-ACCOUNT-REGION)")
    role: str = _setting(
        "", "role", "execution role, name or ARN (derived: NAME-REGION)"
    )
    repository: str = _setting("", "repository", "ECR repository (derived: NAME)")
    image: str = _setting(
        "",
        "image",
        "image URI for jobs and endpoints (derived: the newest that was pushed)",
    )
    data: str = _setting(
        "data/ml-latest-small", "data", "directory of the raw MovieLens files"
    )
    platform: str = _setting(
        "linux/amd64",
        "platform",
        "the image's platform",
        choices=("linux/amd64", "linux/arm64"),
    )
    training_instance_type: str = _setting(
        "ml.m5.large", "training.instance_type", "instances of a training job"
    )
    training_instance_count: int = _setting(
        1, "training.instance_count", "how many of them"
    )
    training_volume_gb: int = _setting(10, "training.volume_gb", "disk of each, in GB")
    training_max_seconds: int = _setting(
        3600, "training.max_seconds", "longest run of a job, in seconds"
    )
    training_input_mode: InputMode = _setting(
        "File",
        "training.input_mode",
        "how files reach the job",
        choices=get_args(InputMode),
    )
    training_spot: bool = _setting(
        False, "training.spot", "managed spot training, with checkpoints"
    )
    training_max_wait_seconds: int = _setting(
        7200, "training.max_wait_seconds", "longest wait for spot and run"
    )
    tuning_objective: str = _setting(
        "test:log_loss", "tuning.objective", "metric that tuning minimizes"
    )
    tuning_max_jobs: int = _setting(
        20, "tuning.max_jobs", "training jobs of a tuning job"
    )
    tuning_parallel_jobs: int = _setting(
        2, "tuning.parallel_jobs", "how many at the same time"
    )
    hosting_kind: EndpointKind = _setting(
        "real-time", "hosting.kind", "kind of endpoint", choices=get_args(EndpointKind)
    )
    hosting_endpoint: str = _setting(
        "", "hosting.endpoint", "name of the endpoint (derived: NAME)"
    )
    hosting_instance_type: str = _setting(
        "ml.m5.large", "hosting.instance_type", "instances of an endpoint"
    )
    hosting_instance_count: int = _setting(
        1, "hosting.instance_count", "how many of them"
    )
    hosting_memory_mb: int = _setting(
        2048, "hosting.memory_mb", "memory of a serverless endpoint, in MB"
    )
    hosting_max_concurrency: int = _setting(
        5, "hosting.max_concurrency", "concurrent requests, serverless and async"
    )
    transform_instance_type: str = _setting(
        "ml.m5.large", "transform.instance_type", "instances of a batch transform"
    )
    transform_instance_count: int = _setting(
        1, "transform.instance_count", "how many of them"
    )
    transform_payload_mb: int = _setting(
        6, "transform.payload_mb", "largest request of a transform, in MB"
    )
    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def load(
        cls, path: Path, environment: Mapping[str, str], options: Mapping[str, object]
    ) -> tuple[Self, Sources]:
        """The settings, and for each key where its value comes from.

        Args:
            path: the file, which need not be there.
            environment: such as ``os.environ``.
            options: by key, as typed.

        Raises:
            ConfigError: naming every unknown key with the nearest known one, and every
                value that can't be used.
        """
        layers = [
            _file_layer(path),
            _environment_layer(environment),
            [("--set", key, v) for key, v in options.items()],
        ]
        declared = {f.metadata["key"]: f for f in fields(cls) if f.metadata}
        values: dict[str, Any] = {}
        sources = dict.fromkeys(declared, "default")
        tables: dict[str, dict[str, str]] = {"hyperparameters": {}, "tags": {}}
        faults: list[str] = []
        for source, key, raw in (entry for layer in layers for entry in layer):
            table, _, name = key.partition(".")
            if table in tables and name:
                tables[table][name] = _as_text(raw)
                sources[key] = source
            elif key not in declared:
                faults.append(f"{source}: {key} is unknown{_nearest(key, declared)}")
            else:
                try:
                    values[declared[key].name] = _parse(declared[key], raw)
                    sources[key] = source
                except ValueError as error:
                    faults.append(f"{source}: {key} is {raw!r}, expected {error}")
        if faults:
            raise ConfigError("; ".join(faults))
        return cls(
            **values, hyperparameters=tables["hyperparameters"], tags=tables["tags"]
        ), sources

    def items(self) -> Iterator[tuple[str, object]]:
        """Every key with its value."""
        for f in fields(self):
            if f.metadata:
                yield f.metadata["key"], getattr(self, f.name)
        for table in ("hyperparameters", "tags"):
            for name, value in getattr(self, table).items():
                yield f"{table}.{name}", value


Sources = dict[str, str]


def describe_settings() -> Iterator[tuple[str, object, str]]:
    """Key, default and meaning of every setting."""
    for f in fields(Config):
        if f.metadata:
            yield f.metadata["key"], f.default, f.metadata["says"]


def _file_layer(path: Path) -> list[tuple[str, str, object]]:
    try:
        document = tomllib.loads(path.read_text())
    except FileNotFoundError:
        return []
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no TOML file: {error}") from error
    return [(str(path), key, value) for key, value in _flat(document)]


def _flat(
    table: Mapping[str, object], prefix: str = ""
) -> Iterator[tuple[str, object]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _environment_layer(environment: Mapping[str, str]) -> list[tuple[str, str, object]]:
    layer: list[tuple[str, str, object]] = []
    for f in fields(Config):
        if f.metadata:
            own = PREFIX + f.metadata["key"].replace(".", "_").upper()
            found = next(
                (
                    name
                    for name in (own, *f.metadata["aliases"])
                    if environment.get(name)
                ),
                None,
            )
            if found:
                layer.append((f"${found}", f.metadata["key"], environment[found]))
    return layer


def _parse(declared: Any, raw: object) -> object:
    """``raw`` as the field's type; raises ValueError with what is expected."""
    if isinstance(declared.default, bool):
        text = str(raw).lower()
        if text not in _TRUE | _FALSE:
            raise ValueError("true or false")
        return text in _TRUE
    if isinstance(declared.default, int):
        text = str(raw)
        if isinstance(raw, bool) or not (
            text.isascii() and text.isdigit() and int(text) > 0
        ):
            raise ValueError("a whole number above 0")
        return int(text)
    if not isinstance(raw, str):
        raise ValueError("text in quotes")
    if declared.metadata["choices"] and raw not in declared.metadata["choices"]:
        raise ValueError("one of " + ", ".join(declared.metadata["choices"]))
    return raw


def _as_text(raw: object) -> str:
    return str(raw).lower() if isinstance(raw, bool) else str(raw)


def _nearest(key: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return (
        f", did you mean {near[0]}?"
        if near
        else "; `launcher config` lists what is known"
    )
