from __future__ import annotations

from pathlib import Path

import pytest

from serve.privileges import User
from serve.settings import OperationsSettings, ServeSettings, SettingsError


def test_defaults() -> None:
    settings = ServeSettings.from_environment({})
    assert settings.model_dir == Path("/opt/ml/model")
    assert (settings.port, settings.is_batch, settings.max_body_mib) == (8080, False, 6)
    assert settings.max_body_bytes == 6 * 2**20
    assert settings.batch_strategy == "MULTI_RECORD"
    assert settings.max_concurrent >= 1


def test_an_empty_variable_is_absent() -> None:
    names = (
        "SAGEMAKER_BASE_DIR",
        "SAGEMAKER_BIND_TO_PORT",
        "SAGEMAKER_BATCH",
        "HALFSTAR_MAX_BODY_MIB",
    )
    empty = dict.fromkeys(names, "")
    settings = ServeSettings.from_environment(empty)
    assert settings == ServeSettings.from_environment({})


def test_the_platform_may_set_everything() -> None:
    env = {
        "SAGEMAKER_BASE_DIR": "/data/ml",
        "SAGEMAKER_BIND_TO_PORT": "9000",
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": "3",
        "SAGEMAKER_BATCH_STRATEGY": "SINGLE_RECORD",
    }
    settings = ServeSettings.from_environment(env)
    assert settings == ServeSettings(
        model_dir=Path("/data/ml/model"),
        port=9000,
        max_concurrent=3,
        batch_strategy="SINGLE_RECORD",
    )


@pytest.mark.parametrize(
    ("batch", "payload", "own", "expected"),
    [
        ("True", "25", "", 25),
        ("true", "25", "2", 25),
        ("true", "0", "2", 100),
        ("true", "", "2", 2),
        ("false", "25", "2", 2),
        ("", "25", "", 6),
    ],
)
def test_the_payload_limit_of_a_batch_wins(
    batch: str, payload: str, own: str, expected: int
) -> None:
    env = {
        "SAGEMAKER_BATCH": batch,
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": payload,
        "HALFSTAR_MAX_BODY_MIB": own,
    }
    settings = ServeSettings.from_environment(env)
    assert settings.is_batch == (batch.lower() == "true")
    assert settings.max_body_mib == expected


def test_all_faults_are_reported_together() -> None:
    env = {
        "SAGEMAKER_BIND_TO_PORT": "0",
        "SAGEMAKER_BATCH": "perhaps",
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": "-1",
        "SAGEMAKER_BATCH_STRATEGY": "ALL",
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": "²",
        "HALFSTAR_MAX_BODY_MIB": "1_0",
    }
    with pytest.raises(SettingsError) as raised:
        ServeSettings.from_environment(env)
    assert str(raised.value).count("\n") == 0
    for name, value in env.items():
        assert f"{name} is {value!r}, expected " in str(raised.value)


def test_the_user_to_serve_as_is_given_by_numbers() -> None:
    settings = ServeSettings.from_environment({"HALFSTAR_SERVE_USER": "1000:65534"})
    assert settings.user == User(1000, 65534)
    assert ServeSettings.from_environment({"HALFSTAR_SERVE_USER": ""}).user is None


@pytest.mark.parametrize(
    "text", ["nobody", "1000", "0:0", "1000:0", "-1:5", "4294967295:5", "1:2:3", "१:5"]
)
def test_a_user_that_is_root_or_no_number_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="HALFSTAR_SERVE_USER is"):
        ServeSettings.from_environment({"HALFSTAR_SERVE_USER": text})


@pytest.mark.parametrize(
    ("environment", "is_for_platform"),
    [
        ({}, False),
        ({"HALFSTAR_MAX_BODY_MIB": "25"}, False),
        ({"HALFSTAR_MAX_BODY_MIB": "26"}, True),
        ({"SAGEMAKER_BATCH": "true", "SAGEMAKER_MAX_PAYLOAD_IN_MB": "6"}, True),
    ],
)
def test_long_bodies_and_batches_are_sent_by_the_platform_alone(
    environment: dict[str, str], is_for_platform: bool
) -> None:
    settings = ServeSettings.from_environment(environment)
    assert settings.is_for_platform == is_for_platform
    assert (settings.arrived_bytes > settings.held_bytes) == is_for_platform


def test_nothing_is_said_of_requests_unless_it_is_asked_for() -> None:
    operations = ServeSettings.from_environment({}).operations
    assert operations == OperationsSettings()
    assert not operations.is_observed


def test_operations_are_asked_for_one_by_one() -> None:
    env = {
        "HALFSTAR_METRICS_PORT": "9090",
        "HALFSTAR_REQUEST_LOG": "True",
        "HALFSTAR_EMF_SECONDS": "60",
        "HALFSTAR_EMF_ENDPOINT": "movies-1",
    }
    operations = ServeSettings.from_environment(env).operations
    assert operations == OperationsSettings(9090, True, 60, "movies-1")
    log_alone = OperationsSettings(request_log=True)
    assert log_alone.is_observed
    assert not log_alone.is_exported


def test_bad_settings_of_operations_are_named() -> None:
    env = {
        "SAGEMAKER_BIND_TO_PORT": "9000",
        "HALFSTAR_METRICS_PORT": "9000",
        "HALFSTAR_REQUEST_LOG": "yes",
        "HALFSTAR_EMF_SECONDS": "-1",
        "HALFSTAR_EMF_ENDPOINT": "no name",
    }
    with pytest.raises(SettingsError) as raised:
        ServeSettings.from_environment(env)
    message = str(raised.value)
    assert "HALFSTAR_METRICS_PORT is 9000, which is the port of the server" in message
    for name in list(env)[2:]:
        assert f"{name} is {env[name]!r}, expected " in message
