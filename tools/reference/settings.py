"""The page of settings: those of the launcher, and the variables of the container."""

from __future__ import annotations

from launcher.config import (
    ENVIRONMENT_PREFIX,
    ENVIRONMENT_VARIABLE,
    describe_settings,
)
from tools.reference.markdown import code, page, table

_LAUNCHER = f"""\
Precedence, lowest first: defaults, `halfstar.toml`, its table of the chosen environment
(`--env`), variables, options. `launcher config` shows each setting with its value, and
where the value comes from.

| source | of `training.spot` |
|---|---|
| `halfstar.toml` | `spot = true` in the table `[training]` |
| variable | `{ENVIRONMENT_PREFIX}TRAINING_SPOT=true` |
| option | `--set training.spot=true` |

AWS's own variables count as well: `AWS_REGION`, `AWS_DEFAULT_REGION`, `AWS_PROFILE` and
`AWS_ENDPOINT_URL`. `{ENVIRONMENT_VARIABLE}` is `--env`. The tables `[hyperparameters]`,
`[tags]` and `[environment]` of the file take any name. `HALFSTAR_ENVIRONMENT_NAME` sets
the variable `NAME` of containers."""

_CONTAINER = """\
SageMaker sets those that begin with `SAGEMAKER_`. The others are for the table
`[environment]` of `halfstar.toml`, or for `docker run -e`."""

CONTAINER = {
    "SAGEMAKER_BASE_DIR": (
        "`/opt/ml`",
        "the directory that holds `model/`, `input/` and so on",
    ),
    "SAGEMAKER_BIND_TO_PORT": (
        "8080",
        "the port that `serve` listens on",
    ),
    "SAGEMAKER_BATCH": (
        "false",
        "whether this is a batch transform",
    ),
    "SAGEMAKER_BATCH_STRATEGY": (
        "`MULTI_RECORD`",
        "whether a request of a batch transform has many records or one",
    ),
    "SAGEMAKER_MAX_PAYLOAD_IN_MB": (
        "6",
        "the longest body in batch transform",
    ),
    "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": (
        "the CPUs",
        "how many requests batch transform sends at once",
    ),
    "SAGEMAKER_MULTI_MODEL": (
        "false",
        "load models by request",
    ),
    "SAGEMAKER_TRAINING_MODULE": (
        "ours, in the image",
        "what AWS's training toolkit calls",
    ),
    "TRAINING_JOB_NAME": (
        "none",
        "the job's name, which its report shows",
    ),
    "HALFSTAR_MAX_BODY_MIB": (
        "6",
        "the longest body of a request, 1 to 1024 MiB",
    ),
    "HALFSTAR_WORKERS": (
        "by processors and memory",
        "how many processes answer, up to 256",
    ),
    "HALFSTAR_MODELS_MIB": (
        "half of the memory",
        "how much memory models that are loaded by request may take",
    ),
    "HALFSTAR_SERVE_USER": (
        "`65534:65534` in the image",
        "the user and group that a server of one model becomes if it is started as "
        "root; empty to remain root",
    ),
    "HALFSTAR_SIGNING_KEY": (
        "none",
        "the key of [signed models](../signed-models.md)",
    ),
    "HALFSTAR_SIGNING_KEY_FILE": (
        "none",
        "a file that has the key instead",
    ),
    "HALFSTAR_METRICS_PORT": (
        "none",
        "the port of `/metrics`, for Prometheus ([operations](../operations.md))",
    ),
    "HALFSTAR_EMF_SECONDS": (
        "none",
        "seconds from one line of metrics for CloudWatch to the next",
    ),
    "HALFSTAR_EMF_ENDPOINT": (
        "`halfstar`",
        "the endpoint's name in those lines",
    ),
    "HALFSTAR_REQUEST_LOG": (
        "false",
        "write a line of JSON for each request to stdout",
    ),
    "OMP_NUM_THREADS": (
        "1 in `serve`",
        "threads of XGBoost per request, where XGBoost itself predicts",
    ),
    "GOMP_SPINCOUNT": (
        "1000 in `train`",
        "how often threads of XGBoost look before they sleep while they wait",
    ),
    "OMP_WAIT_POLICY": (
        "none",
        "`PASSIVE`: threads of XGBoost sleep at once; `ACTIVE`: they never sleep",
    ),
    "AWS_LAMBDA_FUNCTION_NAME": (
        "set on serverless endpoints",
        "tells `serve` to use one worker",
    ),
}


def settings_page() -> str:
    """All settings."""
    ours = [
        (
            code(each.key),
            code(_shown(each.default)),
            each.allowed,
            each.meaning,
        )
        for each in describe_settings()
    ]
    theirs = [
        (code(name), default, meaning) for name, (default, meaning) in CONTAINER.items()
    ]
    return page(
        "Settings",
        "## The launcher",
        _LAUNCHER,
        table(("setting", "default", "allowed", "meaning"), ours),
        "## The container",
        _CONTAINER,
        table(("variable", "default", "meaning"), theirs),
    )


def _shown(default: object) -> str:
    """A default as the file has it."""
    if isinstance(default, tuple):
        return str(list(default))
    return str(default).lower() if isinstance(default, bool) else str(default)
