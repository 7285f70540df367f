"""The launcher's configuration. Precedence, lowest first: defaults, ``halfstar.toml``,
environment, options.

Each field of `Config` declares its key in the file. The names elsewhere follow from it:
``training.spot`` is ``HALFSTAR_TRAINING_SPOT`` in the environment and ``--set
training.spot=true`` among the options. AWS's own variables for region, profile and
endpoint count as well. All faults, of all sources, are reported together.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self, get_args

from launcher.errors import ConfigError
from launcher.redaction import redacted
from launcher.text_files import read_text

FILE = Path("halfstar.toml")
ENVIRONMENT_PREFIX = "HALFSTAR_"
_CONTAINER_PREFIX = f"{ENVIRONMENT_PREFIX}ENVIRONMENT_"
EndpointKind = Literal["real-time", "serverless", "async"]
InputMode = Literal["File", "FastFile", "Pipe"]
Platform = Literal["linux/amd64", "linux/arm64"]

# Tables whose keys the user chooses.
_FREE_TABLES = ("environment", "hyperparameters", "tags")
_TRUE = {"true", "1", "yes", "on"}
_FALSE = {"false", "0", "no", "off"}


def _setting(
    default: Any,
    key: str,
    meaning: str,
    *,
    aliases: tuple[str, ...] = (),
    choices: tuple[str, ...] = (),
    form: tuple[str, str] | None = None,
) -> Any:
    """A field of `Config`.

    Args:
        default: its type is that of the setting.
        key: in the file; a dot separates table and name.
        meaning: for people.
        aliases: other environment variables that set it too.
        choices: the values that are allowed, empty for any.
        form: a regular expression that the whole value matches, and what it means;
            None for any.
    """
    metadata = {
        "key": key,
        "meaning": meaning,
        "aliases": aliases,
        "choices": choices,
        "form": form,
    }
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Config:
    """All settings of the launcher. An empty string means that a value is derived.

    ``environment``, ``hyperparameters`` and ``tags`` are the tables of that name in the
    file, as text by name. The first has variables for containers.
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
        form=(r"(?i:https?)://[^\s/]+\S*", "an address such as http://localhost:4566"),
    )
    registry: str = _setting(
        "", "registry", "registry to use instead of ECR's own host, as host:port"
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
    platform: Platform = _setting(
        "linux/amd64",
        "platform",
        "the image's platform",
        choices=get_args(Platform),
    )
    training_instance_type: str = _setting(
        "ml.m5.large", "training.instance_type", "instances of a training job"
    )
    training_instance_count: int = _setting(
        1, "training.instance_count", "number of them"
    )
    training_volume_gb: int = _setting(
        10, "training.volume_gb", "disk of each instance, in GB"
    )
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
        7200,
        "training.max_wait_seconds",
        "longest wait for a spot job, its run included, in seconds",
    )
    tuning_objective: str = _setting(
        "test:log_loss", "tuning.objective", "metric that tuning optimizes"
    )
    tuning_max_jobs: int = _setting(
        20, "tuning.max_jobs", "training jobs of a tuning job"
    )
    tuning_parallel_jobs: int = _setting(
        2, "tuning.parallel_jobs", "number of them that run at the same time"
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
        1, "hosting.instance_count", "number of them"
    )
    hosting_memory_mb: int = _setting(
        2048, "hosting.memory_mb", "memory of a serverless endpoint, in MB"
    )
    hosting_max_concurrency: int = _setting(
        5,
        "hosting.max_concurrency",
        "concurrent requests to a serverless or async endpoint",
    )
    transform_instance_type: str = _setting(
        "ml.m5.large", "transform.instance_type", "instances of a batch transform"
    )
    transform_instance_count: int = _setting(
        1, "transform.instance_count", "number of them"
    )
    transform_payload_mb: int = _setting(
        6, "transform.payload_mb", "largest request of a transform, in MB"
    )
    environment: Mapping[str, str] = field(default_factory=dict)
    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def load(
        cls, path: Path, environment: Mapping[str, str], options: Mapping[str, object]
    ) -> tuple[Self, Sources]:
        """The configuration, and where each of its values comes from.

        Args:
            path: the file, which need not exist.
            environment: such as ``os.environ``.
            options: values by key, as typed.

        Raises:
            ConfigError: names every unknown key with the nearest known one, and every
                value that can't be used.
        """
        given_options = [_Given("--set", key, raw) for key, raw in options.items()]
        declared = {f.metadata["key"]: f for f in fields(cls) if f.metadata}
        free_tables: dict[str, dict[str, str]] = {name: {} for name in _FREE_TABLES}
        values: dict[str, Any] = {**free_tables}
        sources = dict.fromkeys(declared, "default")
        faults: list[str] = []

        # A later source replaces what an earlier one gave.
        for source, key, raw in chain(
            _given_in_file(path), _given_in_environment(environment), given_options
        ):
            table, _, name = key.partition(".")
            if table in free_tables and name:
                free_tables[table][name] = _as_text(raw)
                sources[key] = source
                continue
            if key not in declared:
                faults.append(f"{source}: {key} is unknown{_advice(key, declared)}")
                continue
            setting = declared[key]
            try:
                values[setting.name] = _parse(setting, raw)
            except ValueError as error:
                shown = redacted(repr(raw))
                faults.append(f"{source}: {key} is {shown}, expected {error}")
            else:
                sources[key] = source

        if faults:
            raise ConfigError("; ".join(faults))
        return cls(**values), sources

    def items(self) -> Iterator[tuple[str, object]]:
        """Every key with its value."""
        for setting in fields(self):
            if setting.metadata:
                yield setting.metadata["key"], getattr(self, setting.name)
        for table in _FREE_TABLES:
            for name, value in getattr(self, table).items():
                yield f"{table}.{name}", value


Sources = dict[str, str]
"""Where the value of each key comes from: a file, a variable, ``--set`` or
``default``.
"""


def describe_settings() -> Iterator[tuple[str, object, str]]:
    """Key, default and meaning of every setting."""
    for setting in fields(Config):
        if setting.metadata:
            metadata = setting.metadata
            yield metadata["key"], setting.default, metadata["meaning"]


class _Given(NamedTuple):
    """A value that a source gives for a key."""

    source: str
    key: str
    raw: object


def _given_in_file(path: Path) -> list[_Given]:
    try:
        document = tomllib.loads(read_text(path, ConfigError))
        return [_Given(str(path), key, raw) for key, raw in _flat(document)]
    except FileNotFoundError:
        return []
    except (ValueError, RecursionError) as error:
        # Long numbers and deep nesting are no TOMLDecodeError.
        raise ConfigError(f"{path} is no TOML file: {error}") from error


def _flat(
    table: Mapping[str, object], prefix: str = ""
) -> Iterator[tuple[str, object]]:
    """Key and value of everything in a table and the tables within it."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            # A number that can't be shown, such as one of 5,000 digits, is none.
            repr(value)
            yield prefix + name, value


def _given_in_environment(environment: Mapping[str, str]) -> Iterator[_Given]:
    for setting in fields(Config):
        if not setting.metadata:
            continue
        key = setting.metadata["key"]
        own = ENVIRONMENT_PREFIX + key.replace(".", "_").upper()
        for variable in (own, *setting.metadata["aliases"]):
            # An empty variable counts as none.
            if environment.get(variable):
                yield _Given(f"${variable}", key, environment[variable])
                break
    # Variables for containers, so that a secret needn't be in a file or an option.
    for variable, value in environment.items():
        name = variable.removeprefix(_CONTAINER_PREFIX)
        if name not in ("", variable):
            yield _Given(f"${variable}", f"environment.{name}", value)


def _parse(setting: Any, raw: object) -> object:
    """``raw`` as the setting's type; raises ValueError with what is expected."""
    if isinstance(setting.default, bool):
        text = str(raw).lower()
        if text not in _TRUE | _FALSE:
            raise ValueError("true or false")
        return text in _TRUE

    if isinstance(setting.default, int):
        text = str(raw)
        is_whole = text.isascii() and text.isdigit() and not isinstance(raw, bool)
        if not is_whole or int(text) == 0:
            raise ValueError("a whole number above 0")
        return int(text)

    if not isinstance(raw, str):
        raise ValueError("text in quotes")
    choices = setting.metadata["choices"]
    if choices and raw not in choices:
        raise ValueError("one of " + ", ".join(choices))
    form = setting.metadata["form"]
    # Empty text means that the value is derived.
    if raw and form is not None:
        pattern, meaning = form
        if not re.fullmatch(pattern, raw):
            raise ValueError(meaning)
    return raw


def _as_text(raw: object) -> str:
    return str(raw).lower() if isinstance(raw, bool) else str(raw)


def _advice(key: str, known: Mapping[str, object]) -> str:
    nearest = difflib.get_close_matches(key, known, n=1)
    if nearest:
        return f", did you mean {nearest[0]}?"
    return "; `launcher config` lists what is known"
