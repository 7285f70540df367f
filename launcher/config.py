"""The launcher's configuration. Precedence, lowest first: defaults, ``halfstar.toml``,
its table of the chosen environment, variables, options.

Each field of `Config` declares its key in the file. The names elsewhere follow from it:
``training.spot`` is ``HALFSTAR_TRAINING_SPOT`` in the environment and ``--set
training.spot=true`` among the options. AWS's own variables for region, profile and
endpoint count as well. All faults, of all sources, are reported together.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self, get_args

from launcher.errors import ConfigError
from launcher.redaction import redacted
from launcher.text_files import read_text

FILE = Path("halfstar.toml")
ENVIRONMENT_PREFIX = "HALFSTAR_"
ENVIRONMENT_VARIABLE = f"{ENVIRONMENT_PREFIX}ENV"
_CONTAINER_PREFIX = f"{ENVIRONMENT_PREFIX}ENVIRONMENT_"
EndpointKind = Literal["real-time", "serverless", "async"]
InputMode = Literal["File", "FastFile", "Pipe"]
Platform = Literal["linux/amd64", "linux/arm64"]

# Tables whose keys the user chooses.
_FREE_TABLES = ("environment", "hyperparameters", "tags")
_ENVIRONMENTS = "environments"
# Two environments that share one of these would change each other's things.
_NEVER_SHARED = ("bucket", "hosting.endpoint")
_ENVIRONMENT_NAME = re.compile("[a-z0-9]+(-[a-z0-9]+)*")
# Names of buckets have room for no more beside account and region.
_LONGEST_NAME = 34
_KEY = (
    r"(arn:[\w-]+:kms:\S+|alias/[\w/-]+|(mrk-)?[0-9a-fA-F-]{32,36})",
    "id, ARN or alias of a key",
)
# Several options set the same key: `--region` and `--set region=...`.
_COMMAND_LINE = "command line"
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
    least: int = 1,
    most: int | None = None,
) -> Any:
    """A field of `Config`.

    Args:
        default: its type is that of the setting.
        key: in the file; a dot separates table and name.
        meaning: for people.
        aliases: other environment variables that set it too.
        choices: the values that are allowed, empty for any.
        form: a regular expression that the whole value matches, and what it means;
            None for any. Of a list, each entry matches it.
        least: the smallest whole number that is allowed.
        most: the largest, None for any.
    """
    metadata = {
        "key": key,
        "meaning": meaning,
        "aliases": aliases,
        "choices": choices,
        "form": form,
        "least": least,
        "most": most,
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
    network_subnets: tuple[str, ...] = _setting(
        (),
        "network.subnets",
        "subnets of jobs and models, comma-separated",
        form=(r"subnet-\w+", "ids such as subnet-0a1b2c3d"),
    )
    network_security_groups: tuple[str, ...] = _setting(
        (),
        "network.security_groups",
        "their security groups, comma-separated",
        form=(r"sg-\w+", "ids such as sg-0a1b2c3d"),
    )
    network_isolation: bool = _setting(
        False, "network.isolation", "containers reach no network at all"
    )
    network_encrypt_traffic: bool = _setting(
        False, "network.encrypt_traffic", "encrypt traffic between a job's hosts"
    )
    keys_bucket: str = _setting(
        "", "keys.bucket", "KMS key of the bucket (S3's own)", form=_KEY
    )
    keys_output: str = _setting(
        "",
        "keys.output",
        "KMS key of what jobs and endpoints write (the bucket's)",
        form=_KEY,
    )
    keys_volume: str = _setting(
        "", "keys.volume", "KMS key of the disks of jobs (AWS's own)", form=_KEY
    )
    keys_endpoint: str = _setting(
        "", "keys.endpoint", "KMS key of the disks of endpoints (AWS's own)", form=_KEY
    )
    iam_boundary: str = _setting(
        "",
        "iam.boundary",
        "permissions boundary of the execution role, ARN of a policy",
        form=(r"arn:[\w-]+:iam::(\d{12}|aws):policy/\S+", "the ARN of a policy"),
    )
    iam_path: str = _setting(
        "/",
        "iam.path",
        "path of the execution role",
        form=(r"/|/[!-~]+/", "a path such as /teams/recommendations/"),
    )
    scaling_max: int = _setting(
        0, "scaling.max", "most instances of an endpoint; 0 doesn't scale", least=0
    )
    scaling_min: int = _setting(
        1, "scaling.min", "fewest instances; 0 for async endpoints only", least=0
    )
    scaling_invocations: int = _setting(
        1000, "scaling.invocations", "requests a minute that an instance should have"
    )
    scaling_backlog: int = _setting(
        5, "scaling.backlog", "waiting requests that an async instance should have"
    )
    capture_percent: int = _setting(
        0,
        "capture.percent",
        "share of requests that are kept in the bucket, with their answers",
        least=0,
        most=100,
    )
    alarms_errors: int = _setting(
        0, "alarms.errors", "alarm at so many errors in 5 minutes; 0 has none", least=0
    )
    alarms_latency_ms: int = _setting(
        0,
        "alarms.latency_ms",
        "alarm when 1 % of answers take longer; 0 has none",
        least=0,
    )
    alarms_notify: tuple[str, ...] = _setting(
        (),
        "alarms.notify",
        "what alarms tell, such as SNS topics, comma-separated",
        form=(r"arn:\S+", "ARNs"),
    )
    alarms_dashboard: bool = _setting(
        False, "alarms.dashboard", "make a dashboard of the endpoint in CloudWatch"
    )
    environment: Mapping[str, str] = field(default_factory=dict)
    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def load(
        cls,
        path: Path,
        variables: Mapping[str, str],
        options: Mapping[str, object],
        environment: str = "",
    ) -> tuple[Self, Sources]:
        """The configuration, and where each of its values comes from.

        Args:
            path: the file, which need not exist.
            variables: such as ``os.environ``.
            options: values by key, as typed.
            environment: whose table of the file counts; empty for none.

        Raises:
            ConfigError: names every unknown key with the nearest known one, and every
                value that can't be used.
        """
        in_file = _given_in_file(path)
        chosen = _given_for(environment, path, in_file)
        given_options = [
            _Given(_COMMAND_LINE, key, raw) for key, raw in options.items()
        ]
        found = _Found(cls)

        # A later source replaces what an earlier one gave.
        for given in chain(
            in_file.shared, chosen, _given_in_variables(variables), given_options
        ):
            found.take(given)
        faults = [*found.faults, *_faults_of_others(cls, in_file, environment)]
        if environment:
            faults += _settle_environment(found, environment, str(path))
        if faults:
            raise ConfigError("; ".join(faults))
        return cls(**found.values), found.sources

    def items(self) -> Iterator[tuple[str, object]]:
        """Every key with its value."""
        for setting in fields(self):
            if setting.metadata:
                yield setting.metadata["key"], getattr(self, setting.name)
        for table in _FREE_TABLES:
            for name, value in getattr(self, table).items():
                yield f"{table}.{name}", value


Sources = dict[str, str]
"""Where the value of each key comes from: a file, a variable, ``command line`` or
``default``.
"""


class Described(NamedTuple):
    """What is known of a setting.

    Attributes:
        key: in the file.
        default: its value if nobody sets it.
        allowed: which values it takes, in words.
        meaning: for people.
    """

    key: str
    default: object
    allowed: str
    meaning: str


def describe_settings() -> Iterator[Described]:
    """Every setting, in the order of `Config`."""
    for setting in fields(Config):
        if setting.metadata:
            metadata = setting.metadata
            allowed = _allowed(setting)
            yield Described(
                metadata["key"], setting.default, allowed, metadata["meaning"]
            )


class _Given(NamedTuple):
    """A value that a source gives for a key."""

    source: str
    key: str
    raw: object


class _InFile(NamedTuple):
    """What a file gives: for all environments, and for each one beside that."""

    shared: list[_Given]
    environments: dict[str, list[_Given]]


class _Found:
    """Values and faults, as source after source is taken."""

    def __init__(self, config: type[Config]) -> None:
        self._declared = {f.metadata["key"]: f for f in fields(config) if f.metadata}
        self._free_tables: dict[str, dict[str, str]] = {
            name: {} for name in _FREE_TABLES
        }
        self.values: dict[str, Any] = {**self._free_tables}
        self.sources: Sources = dict.fromkeys(self._declared, "default")
        self.faults: list[str] = []

    def take(self, given: _Given) -> None:
        """Take a value, or note what is wrong with it."""
        source, key, raw = given
        table, _, name = key.partition(".")
        if table in self._free_tables and name:
            self._free_tables[table][name] = _as_text(raw)
            self.sources[key] = source
            return
        if key not in self._declared:
            of_user = [f"{each}.{name}" for each in self._free_tables if name]
            advice = _advice(key, [*self._declared, *of_user])
            self.faults.append(f"{source}: {key} is unknown{advice}")
            return
        setting = self._declared[key]
        try:
            self.values[setting.name] = _parse(setting, raw)
        except ValueError as error:
            shown = redacted(repr(raw))
            self.faults.append(f"{source}: {key} is {shown}, expected {error}")
        else:
            self.sources[key] = source


def _given_in_file(path: Path) -> _InFile:
    try:
        document = tomllib.loads(read_text(path, ConfigError))
        environments = document.pop(_ENVIRONMENTS, {})
        shared = [_Given(str(path), key, raw) for key, raw in _flat(document)]
    except FileNotFoundError:
        return _InFile([], {})
    except (ValueError, RecursionError) as error:
        # Long numbers and deep nesting are no TOMLDecodeError.
        raise ConfigError(f"{path} is no TOML file: {error}") from error

    by_name: dict[str, list[_Given]] = {}
    is_table = isinstance(environments, dict)
    for name, table in environments.items() if is_table else [("", environments)]:
        where = f"{path} [{_ENVIRONMENTS}.{name}]"
        if not _ENVIRONMENT_NAME.fullmatch(name) or not isinstance(table, dict):
            raise ConfigError(
                f"{where} isn't the table of an environment, whose name has small "
                "letters, digits and dashes"
            )
        by_name[name] = [_Given(where, key, raw) for key, raw in _flat(table)]
    return _InFile(shared, by_name)


def _given_for(environment: str, path: Path, in_file: _InFile) -> list[_Given]:
    if not environment:
        return []
    if environment not in in_file.environments:
        known = ", ".join(sorted(in_file.environments)) or "none"
        raise ConfigError(
            f"{path} has no [{_ENVIRONMENTS}.{environment}]; it has {known}"
        )
    return in_file.environments[environment]


def _faults_of_others(
    config: type[Config], in_file: _InFile, environment: str
) -> list[str]:
    """What is wrong with the environments that aren't chosen now."""
    faults: list[str] = []
    for name, table in in_file.environments.items():
        if name == environment:
            continue
        found = _Found(config)
        for given in table:
            found.take(given)
        faults += found.faults
    return faults


def _settle_environment(found: _Found, environment: str, path: str) -> list[str]:
    """Keep an environment's things apart from all others.

    Its name follows from the project's if it has none of its own, and all other names
    follow from that. Returns what would be shared.
    """
    in_table = f"[{_ENVIRONMENTS}.{environment}]"
    own = found.sources["name"]
    if own in ("default", path):
        whole = found.values.get("name", Config.name)
        found.values["name"] = f"{whole}-{environment}"
        found.sources["name"] = f"{own}, {in_table}"

    faults: list[str] = []
    name = found.values["name"]
    if len(name) > _LONGEST_NAME:
        faults.append(
            f"name is {name!r}, expected at most {_LONGEST_NAME} characters, with the "
            f"environment's: set a shorter `name` in {in_table}"
        )
    for key in _NEVER_SHARED:
        if found.sources[key] == path:
            faults.append(
                f"{path}: {key} would be shared by all environments: "
                f"set it in {in_table}"
            )
    return faults


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


def _given_in_variables(variables: Mapping[str, str]) -> Iterator[_Given]:
    for setting in fields(Config):
        if not setting.metadata:
            continue
        key = setting.metadata["key"]
        own = ENVIRONMENT_PREFIX + key.replace(".", "_").upper()
        for variable in (own, *setting.metadata["aliases"]):
            # An empty variable counts as none.
            if variables.get(variable):
                yield _Given(f"${variable}", key, variables[variable])
                break
    # Variables for containers, so that a secret needn't be in a file or an option.
    for variable, value in variables.items():
        name = variable.removeprefix(_CONTAINER_PREFIX)
        if name not in ("", variable):
            yield _Given(f"${variable}", f"environment.{name}", value)


def _parse(setting: Any, raw: object) -> object:
    """``raw`` as the setting's type; raises ValueError with what is expected."""
    if isinstance(setting.default, bool):
        text = str(raw).lower()
        if text not in _TRUE | _FALSE:
            raise ValueError(_allowed(setting))
        return text in _TRUE

    if isinstance(setting.default, int):
        text = str(raw)
        is_whole = text.isascii() and text.isdigit() and not isinstance(raw, bool)
        if not is_whole or not _is_within(setting, int(text)):
            raise ValueError(_allowed(setting))
        return int(text)

    if isinstance(setting.default, tuple):
        return _parse_list(setting, raw)

    if not isinstance(raw, str):
        raise ValueError("text in quotes")
    choices = setting.metadata["choices"]
    if choices and raw not in choices:
        raise ValueError(_allowed(setting))
    form = setting.metadata["form"]
    # Empty text means that the value is derived.
    if raw and form is not None:
        pattern, _ = form
        if not re.fullmatch(pattern, raw):
            raise ValueError(_allowed(setting))
    return raw


def _allowed(setting: Any) -> str:
    """The values that a setting takes, in words."""
    if isinstance(setting.default, bool):
        return "true or false"
    if isinstance(setting.default, int):
        return _range_in_words(setting)

    choices = setting.metadata["choices"]
    form = setting.metadata["form"]
    meaning = form[1] if form else "text"
    if isinstance(setting.default, tuple):
        return f"a list of {meaning}"
    return "one of " + ", ".join(choices) if choices else meaning


def _is_within(setting: Any, number: int) -> bool:
    most = setting.metadata["most"]
    return number >= setting.metadata["least"] and (most is None or number <= most)


def _range_in_words(setting: Any) -> str:
    least = setting.metadata["least"]
    most = setting.metadata["most"]
    if most is not None:
        return f"a whole number from {least} to {most}"
    return "a whole number above 0" if least else "a whole number"


def _parse_list(setting: Any, raw: object) -> tuple[str, ...]:
    """Entries of a list, or of a text with commas between them."""
    entries = raw.split(",") if isinstance(raw, str) else raw
    pattern, _ = setting.metadata["form"]
    if not isinstance(entries, list):
        raise ValueError(_allowed(setting))
    texts = [entry.strip() if isinstance(entry, str) else "" for entry in entries]
    if texts == [""]:
        return ()
    if not all(re.fullmatch(pattern, text) for text in texts):
        raise ValueError(_allowed(setting))
    return tuple(texts)


def _as_text(raw: object) -> str:
    return str(raw).lower() if isinstance(raw, bool) else str(raw)


def _advice(key: str, known: Iterable[str]) -> str:
    nearest = difflib.get_close_matches(key, list(known), n=1)
    if nearest:
        return f", did you mean {nearest[0]}?"
    return "; `launcher config` lists what is known"
