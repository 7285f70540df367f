"""The launcher reads the data directory as the job would read it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from launcher.config import Config
from launcher.errors import ConfigError
from launcher.world.local_data import read_local_data
from movielens.channel import Channel
from movielens.errors import DataError
from movielens.readers import read_dataset
from train.hyperparameters import Hyperparameters

HEADER = "userId,movieId,rating,timestamp\n"
GOOD = "".join(f"{user},10,4.0,964982703\n" for user in range(1, 100))
BAD = "2,ten,3.5,964982704\n"
DROP = {"on_bad_row": "drop"}


def config_of(directory: Path, **hyperparameters: str) -> Config:
    return Config(data=str(directory), hyperparameters=hyperparameters)


def write_ratings(directory: Path, text: str) -> None:
    (directory / "ratings.csv").write_text(HEADER + text)


def test_files_have_their_sizes_and_digests(small_csvs: Path) -> None:
    local = read_local_data(config_of(small_csvs))
    assert [file.name for file in local.files] == ["ratings.csv", "movies.csv"]
    assert local.n_ratings == 2
    assert local.n_dropped == 0
    for file in local.files:
        content = (small_csvs / file.name).read_bytes()
        assert file.path == small_csvs / file.name
        assert file.size == len(content)
        assert file.sha256 == hashlib.sha256(content).hexdigest()


def test_a_bad_row_is_refused_by_default(small_csvs: Path) -> None:
    write_ratings(small_csvs, GOOD + BAD)
    with pytest.raises(DataError, match=r"ratings\.csv line 101: movieId is 'ten'"):
        read_local_data(config_of(small_csvs))


def test_a_bad_row_is_dropped_if_the_job_would_drop_it(small_csvs: Path) -> None:
    write_ratings(small_csvs, GOOD + BAD)
    local = read_local_data(config_of(small_csvs, **DROP))
    assert local.n_ratings == 99
    assert local.dropped == {"duplicate": 0, "bad_row": 1}


def test_more_bad_rows_than_the_job_would_drop_are_refused(small_csvs: Path) -> None:
    write_ratings(small_csvs, GOOD + BAD)
    with pytest.raises(DataError, match="1 of 100 rows can't be used"):
        read_local_data(config_of(small_csvs, **DROP, bad_row_share="0.009"))


@pytest.mark.parametrize("name", ["on_bad_row", "bad_row_share"])
def test_a_policy_that_the_job_would_refuse_is_refused(
    small_csvs: Path, name: str
) -> None:
    with pytest.raises(ConfigError, match=f"hyperparameter {name} is 'skip'"):
        read_local_data(config_of(small_csvs, **{name: "skip"}))


@pytest.mark.parametrize(
    "hyperparameters",
    [
        {},
        DROP,
        DROP | {"bad_row_share": "0.3"},
        DROP | {"bad_row_share": "0.1"},
        {"on_bad_row": "fail", "bad_row_share": "0.3"},
        {"bad_row_share": "0.3"},
    ],
)
@pytest.mark.parametrize("n_bad", [0, 1, 20])
def test_launcher_and_job_read_the_same(
    small_csvs: Path, hyperparameters: dict[str, str], n_bad: int
) -> None:
    write_ratings(small_csvs, GOOD + BAD * n_bad)
    config = replace(config_of(small_csvs), hyperparameters=hyperparameters)
    most_bad = Hyperparameters.parse(hyperparameters).most_bad

    def read_as_job() -> tuple[int, dict[str, int]]:
        data = read_dataset([Channel("training", small_csvs)], most_bad)
        return len(data.ratings), data.dropped

    def read_as_launcher() -> tuple[int, dict[str, int]]:
        local = read_local_data(config)
        return local.n_ratings, dict(local.dropped)

    try:
        expected = read_as_job()
    except DataError as refusal:
        message = str(refusal)
        with pytest.raises(DataError) as caught:
            read_as_launcher()
        assert str(caught.value) == message
    else:
        assert read_as_launcher() == expected
