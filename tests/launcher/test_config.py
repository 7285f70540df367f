from __future__ import annotations

from pathlib import Path

import pytest

from launcher.config import Config, describe_settings
from launcher.errors import ConfigError


def load(
    tmp_path: Path,
    text: str = "",
    environment: dict[str, str] | None = None,
    **options: object,
) -> Config:
    path = tmp_path / "halfstar.toml"
    if text:
        path.write_text(text)
    named = {key.replace("__", "."): value for key, value in options.items()}
    return Config.load(path, environment or {}, named)[0]


def test_without_anything_there_are_defaults(tmp_path: Path) -> None:
    assert load(tmp_path) == Config()


def test_each_source_goes_before_the_one_below_it(tmp_path: Path) -> None:
    text = '[training]\ninstance_type = "ml.c5.large"\nspot = true\nvolume_gb = 20\n'
    environment = {
        "HALFSTAR_TRAINING_INSTANCE_TYPE": "ml.c5.xlarge",
        "HALFSTAR_TRAINING_VOLUME_GB": "30",
    }
    config = load(tmp_path, text, environment, training__volume_gb="40")
    assert config.training_spot is True
    assert config.training_instance_type == "ml.c5.xlarge"
    assert config.training_volume_gb == 40


def test_the_source_of_each_value_is_told(tmp_path: Path) -> None:
    path = tmp_path / "halfstar.toml"
    path.write_text('name = "mine"\n[hyperparameters]\neta = 0.05\n')
    config, sources = Config.load(
        path, {"AWS_DEFAULT_REGION": "eu-west-1"}, {"hosting.kind": "async"}
    )
    assert (sources["name"], sources["region"], sources["hosting.kind"]) == (
        str(path),
        "$AWS_DEFAULT_REGION",
        "--set",
    )
    assert sources["training.spot"] == "default"
    assert dict(config.items())["hyperparameters.eta"] == "0.05"


def test_our_own_variable_goes_before_those_of_aws(tmp_path: Path) -> None:
    environment = {
        "HALFSTAR_REGION": "eu-west-1",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-2",
    }
    assert load(tmp_path, environment=environment).region == "eu-west-1"
    assert (
        load(
            tmp_path, environment={"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "x"}
        ).region
        == "us-east-1"
    )


def test_an_empty_variable_counts_as_none(tmp_path: Path) -> None:
    assert load(tmp_path, environment={"HALFSTAR_NAME": ""}).name == "halfstar"


def test_tables_of_the_user_are_text_by_name(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        "[hyperparameters]\nsave_predictions = true\nnum_round = 5\n[tags]\nteam = 'a'\n",
    )
    assert config.hyperparameters == {"save_predictions": "true", "num_round": "5"}
    assert config.tags == {"team": "a"}


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(
            tmp_path,
            'nmae = "x"\n[training]\nspot = "maybe"\nvolume_gb = 0\n[hosting]\nkind = "realtime"\n',
            {"HALFSTAR_TRAINING_INSTANCE_COUNT": "two"},
        )
    said = str(caught.value)
    assert "nmae is unknown, did you mean name?" in said
    assert "training.spot is 'maybe', expected true or false" in said
    assert "training.volume_gb is 0, expected a whole number above 0" in said
    assert (
        "hosting.kind is 'realtime', expected one of real-time, serverless, async"
        in said
    )
    assert "$HALFSTAR_TRAINING_INSTANCE_COUNT: training.instance_count is 'two'" in said


def test_a_number_where_text_belongs_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name is 5, expected text in quotes"):
        load(tmp_path, "name = 5\n")


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"halfstar\.toml is no TOML file: .*line 1"):
        load(tmp_path, "name = \n")


def test_every_setting_says_what_it_is() -> None:
    assert all(says for _, _, says in describe_settings())
