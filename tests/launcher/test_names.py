from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher import names
from launcher.config import Config
from launcher.errors import ConfigError

SAGEMAKER = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")


@given(st.text(min_size=1), st.integers(1, 9999))
def test_a_derived_name_fits_or_is_refused(prefix: str, attempt: int) -> None:
    try:
        for longest in (32, 63):
            name = names.of_work(prefix, {"eta": 0.1}, attempt, longest)
            assert len(name) <= longest
            assert SAGEMAKER.fullmatch(name)
    except ConfigError:
        assert not re.search("[a-zA-Z0-9]", prefix)


def test_there_is_no_attempt_whose_number_would_not_fit() -> None:
    with pytest.raises(ConfigError, match="9999 attempts"):
        names.of_work("a", {}, 10_000)


def test_the_same_work_has_the_same_name() -> None:
    assert names.of_work("a", {"x": 1, "y": 2}) == names.of_work("a", {"y": 2, "x": 1})
    assert names.of_work("a", {"x": 1}) != names.of_work("a", {"x": 2})
    assert names.of_work("a", 1, 2) == names.of_work("a", 1) + "-2"


def test_names_that_the_user_gave_are_taken() -> None:
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
    assert (
        names.bucket(Config(name="My_Stars", region="eu-west-1"), "123456789012")
        == "my-stars-123456789012-eu-west-1"
    )


def test_a_long_name_is_cut_before_what_tells_accounts_and_regions_apart() -> None:
    long = Config(name="A-name_that.goes-on-and-on-" * 3, region="ap-southeast-1")
    assert names.bucket(long, "123456789012").endswith("-123456789012-ap-southeast-1")
    assert len(names.bucket(long, "123456789012")) <= 63
    assert names.role(long).endswith("-ap-southeast-1")
    assert len(names.role(long)) <= 64


def test_the_image_is_named_as_docker_takes_it() -> None:
    assert (
        names.repository(Config(name="My Stars"))
        == names.image(Config(name="My Stars"))
        == "my-stars"
    )


def test_our_tag_goes_before_the_users() -> None:
    config = Config(name="n", tags={"team": "a", names.TAG_KEY: "b"})
    assert names.tags(config) == {"team": "a", names.TAG_KEY: "n"}


def test_a_name_without_letters_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected letters and digits"):
        names.fitted("---", 63)


@given(st.text(alphabet="abcXYZ019-_", min_size=1))
def test_what_lists_are_narrowed_by_is_in_every_name(project: str) -> None:
    try:
        searched = names.searched(Config(name=project))
    except ConfigError:
        return
    for longest in (names.TUNING_NAME_LENGTH, 63):
        assert searched in names.of_work(project, {}, 9999, longest)
