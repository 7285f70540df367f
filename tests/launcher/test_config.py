from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from launcher import names
from launcher.config import Config, describe_settings
from launcher.errors import ConfigError
from launcher.plans.scaling import check_scaling
from launcher.world.account import Account


def load(
    tmp_path: Path,
    text: str = "",
    environment: dict[str, str] | None = None,
    options: dict[str, object] | None = None,
) -> Config:
    """The configuration of a file with that text; without a text there is no file."""
    path = tmp_path / "halfstar.toml"
    if text:
        path.write_text(text)
    return Config.load(path, environment or {}, options or {})[0]


def test_without_any_source_there_are_defaults(tmp_path: Path) -> None:
    assert load(tmp_path) == Config()


def test_options_win_over_the_environment_and_that_over_the_file(
    tmp_path: Path,
) -> None:
    text = """
        [training]
        instance_type = "ml.c5.large"
        spot = true
        volume_gb = 20
    """
    environment = {
        "HALFSTAR_TRAINING_INSTANCE_TYPE": "ml.c5.xlarge",
        "HALFSTAR_TRAINING_VOLUME_GB": "30",
    }
    config = load(tmp_path, text, environment, {"training.volume_gb": "40"})
    assert config.training_spot is True
    assert config.training_instance_type == "ml.c5.xlarge"
    assert config.training_volume_gb == 40


def test_every_value_has_its_source(tmp_path: Path) -> None:
    path = tmp_path / "halfstar.toml"
    path.write_text('name = "mine"\n[hyperparameters]\neta = 0.05\n')
    environment = {"AWS_DEFAULT_REGION": "eu-west-1"}
    config, sources = Config.load(path, environment, {"hosting.kind": "async"})
    assert sources["name"] == str(path)
    assert sources["hyperparameters.eta"] == str(path)
    assert sources["region"] == "$AWS_DEFAULT_REGION"
    assert sources["hosting.kind"] == "command line"
    assert sources["training.spot"] == "default"
    assert dict(config.items())["hyperparameters.eta"] == "0.05"


@pytest.mark.parametrize(
    ("environment", "region"),
    [
        (
            {
                "HALFSTAR_REGION": "eu-west-1",
                "AWS_REGION": "us-east-1",
                "AWS_DEFAULT_REGION": "us-east-2",
            },
            "eu-west-1",
        ),
        ({"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-2"}, "us-east-1"),
        ({"AWS_DEFAULT_REGION": "us-east-2"}, "us-east-2"),
    ],
)
def test_our_own_variable_wins_over_those_of_aws(
    tmp_path: Path, environment: dict[str, str], region: str
) -> None:
    assert load(tmp_path, environment=environment).region == region


def test_an_empty_variable_counts_as_none(tmp_path: Path) -> None:
    assert load(tmp_path, environment={"HALFSTAR_NAME": ""}).name == "halfstar"


def test_hyperparameters_and_tags_are_text_by_name(tmp_path: Path) -> None:
    text = """
        [hyperparameters]
        save_predictions = true
        num_round = 5
        [tags]
        team = "a"
    """
    config = load(tmp_path, text)
    assert config.hyperparameters == {"save_predictions": "true", "num_round": "5"}
    assert config.tags == {"team": "a"}


def test_every_fault_is_reported_at_once(tmp_path: Path) -> None:
    text = """
        nmae = "x"
        [training]
        spot = "maybe"
        volume_gb = 0
        [hosting]
        kind = "realtime"
    """
    environment = {"HALFSTAR_TRAINING_INSTANCE_COUNT": "two"}
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text, environment)
    for fault in (
        "nmae is unknown, did you mean name?",
        "training.spot is 'maybe', expected true or false",
        "training.volume_gb is 0, expected a whole number above 0",
        "hosting.kind is 'realtime', expected one of real-time, serverless, async",
        "$HALFSTAR_TRAINING_INSTANCE_COUNT: training.instance_count is 'two'",
    ):
        assert fault in str(caught.value)


def test_a_number_where_text_belongs_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name is 5, expected text in quotes"):
        load(tmp_path, "name = 5\n")


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"halfstar\.toml is no TOML file: .*line 1"):
        load(tmp_path, "name = \n")


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "halfstar.toml"
    path.write_text('name = "mine"\r\n', encoding="utf-8-sig", newline="")
    assert Config.load(path, {}, {})[0].name == "mine"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ('name = "mine"'.encode("utf-16"), r"halfstar\.toml is UTF-16, expected UTF-8"),
        (b'name = "m\xfcde"', r"halfstar\.toml line 1: byte 0xfc isn't UTF-8"),
        (b'name = "a"\rregion = "b"', "line 1: a line ends in CR alone"),
    ],
)
def test_a_file_that_is_no_text_is_named_with_what_to_do(
    tmp_path: Path, data: bytes, message: str
) -> None:
    path = tmp_path / "halfstar.toml"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=message):
        Config.load(path, {}, {})


@pytest.mark.parametrize(
    "address", ["http://localhost:4566", "https://aws.intra.net/", "", "HTTP://a"]
)
def test_an_address_has_its_scheme(tmp_path: Path, address: str) -> None:
    environment = {"AWS_ENDPOINT_URL": address}
    assert load(tmp_path, environment=environment).endpoint_url == address


@pytest.mark.parametrize(
    "address", ["localhost:4566", "127.0.0.1", "http://", "ftp://a", "http:// a"]
)
def test_an_address_without_a_scheme_is_a_fault(tmp_path: Path, address: str) -> None:
    message = (
        f"endpoint_url is '{address}', expected an address such as "
        "http://localhost:4566"
    )
    with pytest.raises(ConfigError, match=re.escape(message)):
        load(tmp_path, environment={"AWS_ENDPOINT_URL": address})


def test_every_setting_has_a_meaning() -> None:
    assert all(each.meaning for each in describe_settings())


def test_variables_of_containers_come_from_file_environment_and_options(
    tmp_path: Path,
) -> None:
    text = '[environment]\nA = "file"\nB = 2\nC = "file"\n'
    environment = {"HALFSTAR_ENVIRONMENT_A": "variable", "HALFSTAR_ENVIRONMENT_": "x"}
    options = {"environment.C": "option"}
    path = tmp_path / "halfstar.toml"
    path.write_text(text)
    config, sources = Config.load(path, environment, options)
    assert config.environment == {"A": "variable", "B": "2", "C": "option"}
    assert sources["environment.A"] == "$HALFSTAR_ENVIRONMENT_A"


@pytest.mark.parametrize(
    "text",
    [
        "name = " + "[" * 200_000,
        "name = " + "{a = " * 20_000,
        "a." * 20_000 + "b = 1",
        "[" + "a." * 20_000 + "b]",
        "name = " + "9" * 5000,
        "[hyperparameters]\neta = 0x" + "f" * 5000,
        "name = 0x" + "f" * 5000,
        'name = "\\ud800"',
        "name = 1979-13-13",
    ],
)
def test_an_odd_file_is_a_fault_of_one_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, text)
    said = str(raised.value)
    assert "halfstar.toml" in said
    assert "\n" not in said
    assert len(said) < 2000


ENVIRONMENTS = """
[training]
instance_type = "ml.m5.large"
spot = true

[environments.dev]

[environments.prod]
name = "stars"
training.spot = false
network.subnets = ["subnet-1", "subnet-2"]
"""


def load_environment(tmp_path: Path, text: str, environment: str) -> Config:
    path = tmp_path / "halfstar.toml"
    path.write_text(text)
    return Config.load(path, {}, {}, environment)[0]


def test_an_environment_is_laid_over_what_all_have(tmp_path: Path) -> None:
    shared = load_environment(tmp_path, ENVIRONMENTS, "")
    prod = load_environment(tmp_path, ENVIRONMENTS, "prod")
    assert (shared.training_spot, prod.training_spot) == (True, False)
    assert prod.training_instance_type == "ml.m5.large"
    assert (shared.network_subnets, prod.network_subnets) == (
        (),
        ("subnet-1", "subnet-2"),
    )


def test_an_environment_has_a_name_of_its_own(tmp_path: Path, account: Account) -> None:
    configs = [
        load_environment(tmp_path, ENVIRONMENTS, name) for name in ("", "dev", "prod")
    ]
    assert [each.name for each in configs] == ["halfstar", "halfstar-dev", "stars"]
    derived = [
        {
            names.bucket(each, account.id),
            names.role(each),
            names.repository(each),
            names.endpoint(each),
            names.package_group(each),
            *names.tags(each).values(),
        }
        for each in (replace(each, region="eu-central-1") for each in configs)
    ]
    assert not derived[0] & derived[1]
    assert not derived[1] & derived[2]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[environments.dev]", "has no .environments.prod.; it has dev"),
        ("[environments.Prod]", "isn't the table of an environment"),
        ("environments = 3", "isn't the table of an environment"),
        (
            "[environments.prod]\n[environments.dev]\nnmae = 1",
            "environments.dev.: nmae is unknown, did you mean name?",
        ),
        (
            'bucket = "mine"\n[environments.prod]',
            "bucket would be shared by all environments: set it in .environments.prod",
        ),
        (
            'name = "recommendations-of-all-movies-2026"\n[environments.prod]',
            "expected at most 34 characters",
        ),
    ],
)
def test_an_environment_that_cannot_be_used_is_refused(
    tmp_path: Path, text: str, fault: str
) -> None:
    with pytest.raises(ConfigError, match=fault):
        load_environment(tmp_path, text, "prod")


@pytest.mark.parametrize(
    ("key", "raw", "expected"),
    [
        ("network.subnets", "subnet-1, sg-2", "a list of ids such as subnet-0a1b2c3d"),
        ("network.subnets", 3, "a list of ids such as subnet-0a1b2c3d"),
        ("capture.percent", 101, "a whole number from 0 to 100"),
        ("scaling.min", -1, "a whole number"),
        ("keys.volume", "my key", "id, ARN or alias of a key"),
        ("iam.path", "teams", "a path such as /teams/recommendations/"),
    ],
)
def test_a_setting_of_an_account_has_a_form(
    tmp_path: Path, key: str, raw: object, expected: str
) -> None:
    with pytest.raises(ConfigError, match=f"{key} is .*, expected {expected}"):
        load(tmp_path, options={key: raw})


@pytest.mark.parametrize("environment", ["", "dev", "prod"])
def test_the_example_in_the_documentation_can_be_used(
    tmp_path: Path, environment: str
) -> None:
    page = Path(__file__).parents[2] / "docs" / "account.md"
    example = page.read_text().partition("```toml\n")[2].partition("```")[0]
    config = load_environment(tmp_path, example, environment)
    assert config.name == "-".join(filter(None, ["stars", environment]))
    assert config.network_isolation is (environment == "prod")
    assert dict(config.tags) == {"cost-centre": "4711"}
    check_scaling(config)
