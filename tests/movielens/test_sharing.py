from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from movielens.channel import Channel
from movielens.errors import DataError
from movielens.peers import ALONE
from movielens.sharing import Share, Source, names_to_read, share_of
from tests.movielens.samples import MOVIES, RATINGS, Write

NAMES = st.sampled_from([f"training/{letter}" for letter in "abcdefgh"])
HOSTS = st.lists(st.sets(NAMES), min_size=1, max_size=4)


@given(HOSTS)
def test_each_file_is_read_by_exactly_one_host_that_has_it(
    names_of_host: list[set[str]],
) -> None:
    hosts = [[Source(name) for name in names] for names in names_of_host]
    shares = [names_to_read(hosts, rank) for rank in range(len(hosts))]
    for share, names in zip(shares, names_of_host, strict=True):
        assert share <= names
    read = sorted(name for share in shares for name in share)
    assert read == sorted(set().union(*names_of_host))


def test_hosts_read_all_of_their_sharded_files() -> None:
    hosts = [
        [Source("training/a", is_sharded=True), Source("movies/m")],
        [Source("training/a", is_sharded=True), Source("movies/m")],
    ]
    assert names_to_read(hosts, rank=0) == {"training/a", "movies/m"}
    assert names_to_read(hosts, rank=1) == {"training/a"}


def test_one_host_reads_all_files_and_pipes(write: Write, tmp_path: Path) -> None:
    base = write({"ratings.csv": RATINGS, "movies.csv": MOVIES, "README": "text"})
    pipe = Channel("more", tmp_path / "more_0", is_pipe=True)
    share = share_of([Channel("training", base), pipe], ALONE)
    assert share.pipes == (pipe,)
    assert [file.name for file in share.own_files("ratings")] == [
        "training/ratings.csv"
    ]
    assert share.names("movies") == ["training/movies.csv"]


def share_with(*sources: Source) -> Share:
    return Share(("training", "more"), files=(), pipes=(), sources=sources)


def test_an_absent_role_is_reported_with_what_there_is() -> None:
    share = share_with(Source("training/a", "movies"), Source("training/b"))
    share.require("movies")
    with pytest.raises(DataError) as caught:
        share.require("ratings")
    assert str(caught.value) == (
        "no ratings (userId,movieId,rating[,timestamp]) in channel training, more, "
        "which has training/a (movies), training/b (empty): add ratings.csv"
    )
    with pytest.raises(DataError, match="which has nothing"):
        share_with().require("movies")


def test_what_a_pipe_holds_is_not_known_before_it_is_read() -> None:
    share_with(Source("training", is_pipe=True)).require("ratings")
