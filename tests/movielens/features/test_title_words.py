from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from movielens.features.title_words import (
    BLOCK_TITLES,
    KEPT,
    LEAST_COSINE,
    MOST_WORDS,
    STEP,
    SimilarTitles,
    find_similar_titles,
    most_titles,
    words_of,
)

SERIES = ["Alien (1979)", "Aliens (1986)", "Alien 3 (1992)", "Heat (1995)"]


def similar_to(found: SimilarTitles, title: int) -> dict[int, float]:
    """The similarity of each similar title, in their order."""
    start, end = found.start[title : title + 2]
    movies = found.movie[start:end].tolist()
    return dict(zip(movies, found.similarity[start:end].tolist(), strict=True))


def by_definition(titles: list[str], title: int) -> dict[int, float]:
    words = [set(words_of(each)) for each in titles]
    n_with = Counter(word for each in words for word in each)
    rare = {word for word, n in n_with.items() if n <= most_titles(len(titles))}
    words = [each & rare for each in words]
    weight = {word: math.log((len(titles) + 1) / n) for word, n in n_with.items()}
    length = [math.sqrt(sum(weight[word] ** 2 for word in each)) for each in words]
    found = {}
    for other in range(len(titles)):
        shared = words[title] & words[other]
        if other == title or not shared:
            continue
        product = sum(weight[word] ** 2 for word in shared)
        cosine = product / (length[title] * length[other])
        if cosine >= LEAST_COSINE:
            found[other] = cosine**2
    return found


@pytest.mark.parametrize(
    ("title", "words"),
    [
        ("Toy Story 2 (1999)", ["toy", "story", "2"]),
        ("Amélie (Fabuleux destin d'Amélie Poulain, Le) (2001)", ["amélie"]),
        ("Schindler\u2019s List", ["schindlers", "list"]),
        ("It's a Mad, Mad, Mad World", ["its", "a", "mad", "world"]),
        ("STRASSE Straße", ["strasse"]),
        ("七人の侍 (1954)", ["七人の侍"]),
        ("(500) Days of Summer (2009)", ["days", "of", "summer"]),
        ("snake_case", ["snake", "case"]),
        ("(1999)", []),
        ("", []),
    ],
)
def test_words_of_a_title(title: str, words: list[str]) -> None:
    assert words_of(title) == words


def test_a_long_title_counts_with_its_first_words() -> None:
    words = [f"w{n}" for n in range(2 * MOST_WORDS)]
    assert words_of(" ".join(words)) == words[:MOST_WORDS]


def test_titles_of_a_series_are_similar() -> None:
    found = find_similar_titles(SERIES)
    assert list(similar_to(found, 0)) == [2]
    assert list(similar_to(found, 2)) == [0]
    assert similar_to(found, 1) == {}
    assert similar_to(found, 3) == {}


def test_a_rare_word_tells_more() -> None:
    """Both share one word of two with the first title."""
    titles = ["Dark Zorro", "Zorro Rides", "Dark City"]
    others = [f"Dark {n}" for n in "abcdefgh"]
    found = similar_to(find_similar_titles(titles + others), 0)
    assert found[1] > found.get(2, 0)


def test_common_words_dont_count() -> None:
    titles = [f"The Sequel {n} {n}w" for n in range(100)]
    assert len(find_similar_titles(titles).movie) == 0
    titles[7] = "The Sequel: Zorro"
    titles[9] = "The Zorro"
    assert similar_to(find_similar_titles(titles), 7) == {9: 1.0}


def test_the_most_similar_are_kept() -> None:
    """Those with the whole name of a series before those with another word too."""
    longer = [f"Zorro w{n}" for n in range(KEPT)]
    # A series is a small part of a catalogue.
    others = [f"v{n}" for n in range(100 * KEPT)]
    found = find_similar_titles(["Zorro", *longer, "Zorro", *others])
    assert list(similar_to(found, 0)) == [KEPT + 1, *range(1, KEPT)]


def test_blocks_make_no_difference() -> None:
    """Titles at both ends of a block find each other."""
    n = BLOCK_TITLES + 2
    titles = [f"w{place}" for place in range(n)]
    for first, second in ((0, n - 1), (BLOCK_TITLES - 1, BLOCK_TITLES)):
        titles[second] = titles[first]
    found = find_similar_titles(titles)
    assert found.movie.tolist() == [n - 1, BLOCK_TITLES, BLOCK_TITLES - 1, 0]
    assert found.similarity.tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("titles", [[], [""], ["", ""], ["(1999)"], ["a"]])
def test_without_similar_titles_there_are_none(titles: list[str]) -> None:
    found = find_similar_titles(titles)
    assert found.start.tolist() == [0] * (len(titles) + 1)
    assert len(found.movie) == len(found.similarity) == 0


@given(
    st.lists(
        st.lists(st.sampled_from("abcdefg"), max_size=4).map(" ".join), max_size=12
    )
)
def test_similarity_is_as_defined(titles: list[str]) -> None:
    found = find_similar_titles(titles)
    assert found.movie.dtype == np.int32
    assert found.similarity.dtype == np.float32
    for title in range(len(titles)):
        similar = similar_to(found, title)
        expected = by_definition(titles, title)
        assert similar == pytest.approx(expected, abs=STEP)
        ranks = [(-similarity, other) for other, similarity in similar.items()]
        assert ranks == sorted(ranks)


@given(st.lists(st.text(max_size=12), max_size=8))
def test_any_titles_are_compared(titles: list[str]) -> None:
    found = find_similar_titles(titles)
    assert np.all(found.similarity > 0)
    assert np.all(found.similarity <= 1)
    for start, end in itertools.pairwise(found.start):
        assert start <= end
