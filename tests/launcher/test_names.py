from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher import names
from launcher.config import Config
from launcher.errors import ConfigError

SAGEMAKER_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
LONGEST = (names.TUNING_NAME_LENGTH, names.NAME_LENGTH)


@given(st.text(min_size=1), st.integers(1, 9999))
def test_a_derived_name_fits_or_is_refused(prefix: str, attempt: int) -> None:
    try:
        derived = [
            names.for_work(prefix, {"eta": 0.1}, attempt, longest)
            for longest in LONGEST
        ]
    except ConfigError:
        assert not re.search("[a-zA-Z0-9]", prefix)
        return
    for name, longest in zip(derived, LONGEST, strict=True):
        assert len(name) <= longest
        assert SAGEMAKER_NAME.fullmatch(name)


def test_an_attempt_whose_number_would_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match="9999 attempts"):
        names.for_work("a", {}, 10_000)


def test_the_same_work_has_the_same_name() -> None:
    work = {"x": 1, "y": 2}
    name = names.for_work("a", work)
    assert names.for_work("a", {"y": 2, "x": 1}) == name
    assert names.for_work("a", {"x": 1}) != name
    assert names.for_work("a", work, attempt=2) == f"{name}-2"


def test_names_that_the_user_gave_are_used() -> None:
    config = Config(
        bucket="b",
        role="arn:aws:iam::1:role/path/r",
        repository="p/q",
        hosting_endpoint="e",
    )
    assert names.bucket(config, "1") == "b"
    assert names.role(config) == "r"
    assert names.repository(config) == "p/q"
    assert names.endpoint(config) == "e"


def test_a_bucket_is_named_after_account_and_region() -> None:
    config = Config(name="My_Stars", region="eu-west-1")
    name = names.bucket(config, "123456789012")
    assert name == "my-stars-123456789012-eu-west-1"


def test_a_long_name_is_cut_but_not_its_account_and_region() -> None:
    config = Config(name="A-name_that.goes-on-and-on-" * 3, region="ap-southeast-1")
    bucket = names.bucket(config, "123456789012")
    assert bucket.endswith("-123456789012-ap-southeast-1")
    assert len(bucket) <= 63
    role = names.role(config)
    assert role.endswith("-ap-southeast-1")
    assert len(role) <= 64


def test_the_image_has_a_name_that_docker_takes() -> None:
    config = Config(name="My Stars")
    assert names.image(config) == "my-stars"
    assert names.repository(config) == "my-stars"


def test_our_tag_wins_over_the_users() -> None:
    config = Config(name="n", tags={"team": "a", names.TAG_KEY: "b"})
    assert names.tags(config) == {"team": "a", names.TAG_KEY: "n"}


def test_a_name_without_letters_and_digits_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected letters and digits"):
        names.fitted("---", 63)


@given(st.text(alphabet="abcXYZ019-_", min_size=1))
def test_the_search_term_is_in_every_name(project: str) -> None:
    try:
        search_term = names.search_term(Config(name=project))
    except ConfigError:
        return
    for longest in LONGEST:
        assert search_term in names.for_work(project, {}, 9999, longest)


def test_names_that_are_cut_to_the_same_beginning_differ() -> None:
    dev, prod = "recommendations-of-movies-dev", "recommendations-of-movies-prod"
    derived = {names.for_work(name, {}, longest=32) for name in (dev, prod)}
    assert len(derived) == 2


@pytest.mark.parametrize(
    ("name", "is_ours"),
    [
        ("halfstar-0123456789", True),
        ("halfstar-0123456789-2", True),
        ("halfstar-0123456789-2-001-0a1b2c3d", True),
        ("halfstar-prod-0123456789", False),
        ("halfstar-trained", False),
        ("halfstar", False),
    ],
)
def test_the_name_of_our_work_is_told_from_others(
    config: Config, name: str, is_ours: bool
) -> None:
    assert names.is_of_work(config, name) is is_ours
