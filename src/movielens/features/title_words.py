"""How similar titles are, by the words that they share.

Movies of one series have similar titles, like "Toy Story (1995)" and "Toy Story 2
(1999)".

1. Text in round brackets is left out: the year, and often the title in another
   language.
2. Common words are left out, like "the", "love" or the number of a sequel. A word is
   common if more than 10 + √n / 2 of the n titles have it.
3. A word that m titles have weighs ln((n + 1) / m): rare words tell more.
4. Two titles are as similar as the square of the cosine between their words' weights.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from movielens.features.matrix import Floats

# Only the first words of a title are used, which bounds the work. Few titles have more.
MOST_WORDS = 32
# Titles with a lower cosine aren't similar.
LEAST_COSINE = 0.35
# How many similar titles are kept for each movie, at most.
KEPT = 32
# Similarities are rounded to this. Logarithms differ from machine to machine in digits
# beyond it.
STEP = 2.0**-10
# Titles that are compared at once with all others.
BLOCK_TITLES = 256

_IN_BRACKETS = re.compile(r"\([^()]*\)")
_APOSTROPHE = re.compile("['\u2019]")
_WORD = re.compile(r"[^\W_]+")


class SimilarTitles(NamedTuple):
    """The movies whose titles are similar to each movie's.

    Attributes:
        start: int64 (n_movies + 1,), those of movie m are start[m] to start[m + 1], the
            most similar first.
        movie: int32 (n_pairs,), their positions in the catalogue.
        similarity: float32 (n_pairs,), above 0, at most 1.
    """

    start: NDArray[np.int64]
    movie: NDArray[np.int32]
    similarity: Floats


def words_of(title: str) -> list[str]:
    """The first words of a title, each once.

    Example:
        >>> words_of("Ocean's Eleven (a.k.a. Ocean's 11) (1960)")
        ['oceans', 'eleven']
    """
    outside = _IN_BRACKETS.sub(" ", title)
    plain = _APOSTROPHE.sub("", outside).casefold()
    return list(dict.fromkeys(_WORD.findall(plain)))[:MOST_WORDS]


def most_titles(n_titles: int) -> int:
    """How many of all titles may have a word before it is common.

    Example:
        >>> most_titles(9_742)
        59
    """
    return int(10 + math.sqrt(n_titles) / 2)


def find_similar_titles(titles: Sequence[str]) -> SimilarTitles:
    """The most similar titles of each; equally similar ones by their position."""
    words = _Words.of(titles)
    n_similar = np.zeros(len(titles), dtype=np.int64)
    movie = [np.empty(0, dtype=np.int32)]
    similarity = [np.empty(0, dtype=np.float32)]
    for first in range(0, len(titles), BLOCK_TITLES):
        pairs = _most_similar(words, first, first + BLOCK_TITLES)
        np.add.at(n_similar, pairs.title, 1)
        movie.append(pairs.other.astype(np.int32))
        similarity.append(pairs.similarity.astype(np.float32))

    return SimilarTitles(
        start=np.concatenate([[0], np.cumsum(n_similar)]),
        movie=np.concatenate(movie),
        similarity=np.concatenate(similarity),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Words:
    """The words of all titles but the common ones, each once a title.

    Attributes:
        title: int64 (n_words,), rising: the title that has the word.
        word: int64 (n_words,), which of the distinct words it is.
        titles: int64 (n_words,), the titles again, by word and then rising.
        start: int64 (n_distinct + 1,), where the titles of each word begin.
        weight: float64 (n_distinct,).
        length: float64 (n_titles,), of each title's vector of weights.
    """

    title: NDArray[np.int64]
    word: NDArray[np.int64]
    titles: NDArray[np.int64]
    start: NDArray[np.int64]
    weight: NDArray[np.float64]
    length: NDArray[np.float64]

    @classmethod
    def of(cls, titles: Sequence[str]) -> Self:
        """The words of these titles."""
        n_titles = len(titles)
        numbers: dict[str, int] = {}
        words = [
            [numbers.setdefault(word, len(numbers)) for word in words_of(title)]
            for title in titles
        ]
        title = np.repeat(np.arange(n_titles), [len(each) for each in words])
        word = np.array([number for each in words for number in each], dtype=np.int64)

        n_with = np.bincount(word, minlength=len(numbers))
        is_rare = n_with <= most_titles(n_titles)
        is_kept = is_rare[word]
        title = title[is_kept]
        word = word[is_kept]

        weight = np.log((n_titles + 1) / n_with)
        squares = np.bincount(title, weight[word] ** 2, minlength=n_titles)
        return cls(
            title=title,
            word=word,
            titles=title[np.argsort(word, kind="stable")],
            start=np.concatenate([[0], np.cumsum(np.where(is_rare, n_with, 0))]),
            weight=weight,
            length=np.sqrt(squares),
        )

    def shared(self, first: int, end: int) -> _Shared:
        """The words that titles share with those from ``first``, before ``end``."""
        some = slice(*np.searchsorted(self.title, [first, end]))
        word = self.word[some]
        n_with = self.start[word + 1] - self.start[word]

        # Each word of a title stands beside all titles that have it.
        begins = np.cumsum(n_with) - n_with
        within = np.arange(n_with.sum()) - np.repeat(begins, n_with)
        place = np.repeat(self.start[word], n_with) + within
        return _Shared(
            title=np.repeat(self.title[some], n_with),
            other=self.titles[place],
            word=np.repeat(word, n_with),
        )


class _Shared(NamedTuple):
    """Words that two titles share: int64 (n,) each."""

    title: NDArray[np.int64]
    other: NDArray[np.int64]
    word: NDArray[np.int64]


class _Pairs(NamedTuple):
    """Similar titles: int64, int64 and float64 (n_pairs,)."""

    title: NDArray[np.int64]
    other: NDArray[np.int64]
    similarity: NDArray[np.float64]

    def take(self, pairs: NDArray[Any]) -> _Pairs:
        """Some of them, by position or by a mask."""
        return _Pairs(self.title[pairs], self.other[pairs], self.similarity[pairs])


def _most_similar(words: _Words, first: int, end: int) -> _Pairs:
    """Of the titles from ``first``, before ``end``."""
    pairs = _similar(words, words.shared(first, end))
    order = np.lexsort((pairs.other, -pairs.similarity, pairs.title))
    ranked = pairs.take(order)

    begins = np.searchsorted(ranked.title, ranked.title)
    rank = np.arange(len(order)) - begins
    return ranked.take(rank < KEPT)


def _similar(words: _Words, shared: _Shared) -> _Pairs:
    """The similar titles among those that share words, each pair once."""
    n_titles = len(words.length)
    number = shared.title * n_titles + shared.other
    pair, which = np.unique(number, return_inverse=True)
    title, other = np.divmod(pair, n_titles)

    squares = words.weight[shared.word] ** 2
    product = np.bincount(which, squares, minlength=len(pair))
    cosine = product / (words.length[title] * words.length[other])
    similarity = np.round(cosine**2 / STEP) * STEP

    is_similar = (cosine >= LEAST_COSINE) & (title != other)
    return _Pairs(title, other, similarity).take(is_similar)
