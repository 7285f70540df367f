"""The one featurizer: fitted on training rows, then the same for them and for requests.

A `FeatureSpec` is the catalogue, the ids that training saw and a tuple of fitted
groups. Their tables are handed to the extension once. Rows cost the same whether they
come from a file of millions or alone over HTTP. What isn't known is NaN, or the mean of
all: an unknown user or movie, a movie without listed genres or year, a query without a
timestamp.

No statistic of a training row may see that row's own rating. `transform_fitted` divides
the training rows into folds by a hash of their ids, and computes each fold's features
with a spec that is fitted on the other folds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from movielens.columns import GENRES, TIMESTAMP
from movielens.errors import DataError
from movielens.features.blend import Blend
from movielens.features.cases import KNOWS, LACKS
from movielens.features.folds import fold_of
from movielens.features.groups import (
    DEFAULT_GROUPS,
    GROUPS,
    LEVEL_GROUPS,
    FeatureGroup,
)
from movielens.features.kernels import (
    KernelInput,
    Tables,
    make_row_maker,
    shared_tables,
)
from movielens.features.level import KnownMovies, Level
from movielens.features.matrix import FeatureMatrix, IdIndex
from movielens.features.parts import Column, Part
from movielens.features.profiles import Profiles
from movielens.features.training_rows import (
    LATEST_KEPT,
    Bias,
    Catalogue,
    TrainingRows,
)
from movielens.features.workers import ONE_THREAD, Workers
from movielens.queries import RatingQueries, UnknownIds
from movielens.ratings import RatingScale
from movielens.tables import MovieTable, RatingTable

if TYPE_CHECKING:
    from movielens.features._kernels import RowMaker

BLOCK_ROWS = 262_144
# Rows that a thread makes at once.
PIECE_ROWS = 4_096
BASE_COLUMNS = (
    Column(KNOWS, Part.MOMENT),
    Column(LACKS, Part.MOMENT),
    Column(TIMESTAMP, Part.MOMENT),
    *(Column(f"genre_{genre}", Part.MOVIE) for genre in GENRES),
    Column("year", Part.MOVIE),
)

Block = tuple[NDArray[np.int64], FeatureMatrix]
# Is told what is fitted next, and how many groups are done.
Report = Callable[[str, int], None]


@dataclass(frozen=True, eq=False)
class FeatureSpec:
    """The fitted recipe.

    Attributes:
        users: the users with ratings in the training rows.
        catalogue: the movies that training read.
        scale: of the rating classes.
        bias: of the training rows.
        profiles: the users' own ratings.
        groups: fitted, in the order of their columns.
        level: what some groups look at; None if there are none of these.
        blends: sums of the groups' columns, which come after them.
        latest_kept: how many of a user's latest ratings features may look at one by
            one.

    Example:
        Rows that training didn't see, by a spec that was fitted on those that it did::

            spec = FeatureSpec.fit(train, movies)
            features = spec.transform(test.queries())
            features.values  # float32 (n_rows, n_features)
            features.names[:3]  # ("knows", "lacks", "timestamp")
    """

    users: IdIndex
    catalogue: Catalogue
    scale: RatingScale
    bias: Bias
    profiles: Profiles
    groups: tuple[FeatureGroup, ...]
    level: Level | None
    blends: tuple[Blend, ...]
    latest_kept: int

    @classmethod
    def fit(
        cls,
        ratings: RatingTable,
        movies: MovieTable,
        groups: tuple[str, ...] = DEFAULT_GROUPS,
        scale: RatingScale | None = None,
        latest_kept: int = LATEST_KEPT,
        workers: Workers = ONE_THREAD,
        report: Report | None = None,
    ) -> Self:
        """Learn from the training rows alone.

        Args:
            ratings: the training rows.
            movies: the whole catalogue, which has no ratings.
            groups: names of `GROUPS`, in the order of their columns.
            scale: that of the whole data, if it may have values that the training rows
                lack.
            latest_kept: how many of a user's latest ratings features may look at one
                by one.
            workers: the threads that fit. What is learnt doesn't depend on them.
            report: called with the name of each group before it is fitted.
        """
        scale = scale or RatingScale.of(ratings.rating)
        users = IdIndex.of(ratings.user_id)
        catalogue = Catalogue.of(movies)
        training = TrainingRows.of(
            ratings, users, catalogue, scale, latest_kept, workers
        )
        return cls._fit(training, users, groups, report)

    @classmethod
    def _fit(
        cls,
        training: TrainingRows,
        users: IdIndex,
        names: tuple[str, ...],
        report: Report | None = None,
    ) -> Self:
        by_name: dict[str, FeatureGroup] = {}
        level: Level | None = None
        # The level stands on the other groups.
        for n_done, name in enumerate(sorted(names, key=LEVEL_GROUPS.__contains__)):
            if report is not None:
                report(name, n_done)
            if name in LEVEL_GROUPS and level is None:
                known = KnownMovies.of(by_name.values(), training.bias)
                level = Level.fit(training, known)
            by_name[name] = GROUPS[name].fit(training)

        fitted = tuple(by_name[name] for name in names)
        return cls(
            users=users,
            catalogue=training.catalogue,
            scale=training.scale,
            bias=training.bias,
            profiles=Profiles.of(training),
            groups=fitted,
            level=level,
            blends=Blend.among(_names(_columns_before_blends(fitted))),
            latest_kept=training.latest_kept,
        )

    def with_user_history(
        self,
        user_id: int,
        movie_id: NDArray[np.signedinteger[Any]],
        rating: NDArray[np.floating[Any]],
        timestamp: NDArray[np.floating[Any]] | None = None,
    ) -> Self:
        """A view that knows one user, by the given ratings; movies are as trained.

        The user's features are what they would be if training had seen these ratings,
        and the movies had stayed the same: with a user's own training rows, they are
        the features of the spec itself. Other users are unknown to the view.

        Args:
            user_id: the raw id that rows have for this user.
            movie_id: (n_ratings,), raw ids of the catalogue, each once, in any order.
            rating: (n_ratings,), stars on the model's scale.
            timestamp: (n_ratings,), seconds since 1970, NaN where unknown; None if all
                are unknown.

        Raises:
            DataError: a movie that the catalogue doesn't list, a movie that comes
                twice, or a rating off the scale.
        """
        movie_id = np.asarray(movie_id, dtype=np.int64)
        movie_index = self.movie_index.index(movie_id)
        unknown = movie_id[movie_index < 0]
        if len(unknown):
            raise DataError(
                f"history: movie {unknown[0]} is not in the catalogue: leave it out"
            )
        # Not np.unique, which would first import numpy.ma, in a request.
        if np.any(np.diff(np.sort(movie_index)) == 0):
            raise DataError("history: a movie comes twice: send its last rating")

        n_ratings = len(movie_id)
        users = IdIndex(np.array([user_id] if n_ratings else [], dtype=np.int64))
        if timestamp is None:
            timestamp = np.full(n_ratings, np.nan)
        training = TrainingRows.of_users(
            user_index=np.zeros(n_ratings, dtype=np.int64),
            movie_index=movie_index,
            rating=np.asarray(rating, dtype=np.float64),
            timestamp=np.asarray(timestamp, dtype=np.float64),
            n_users=len(users),
            catalogue=self.catalogue,
            scale=self.scale,
            bias=self.bias,
            latest_kept=self.latest_kept,
        )
        level = None if self.level is None else self.level.with_users(training)
        groups = tuple(group.with_users(training) for group in self.groups)
        profiles = Profiles.of(training)
        return replace(self, users=users, profiles=profiles, groups=groups, level=level)

    @property
    def movies(self) -> MovieTable:
        """The catalogue as a table."""
        return self.catalogue.movies

    @property
    def movie_index(self) -> IdIndex:
        """From raw movie ids to places in `movies`."""
        return self.catalogue.index

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The features in their order, with what each depends on."""
        blends = (blend.column for blend in self.blends)
        return (*_columns_before_blends(self.groups), *blends)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The name of each feature."""
        return _names(self.columns)

    def transform(self, queries: RatingQueries) -> FeatureMatrix:
        """Features of any rows, known ids or not.

        Raises:
            BuildError: if the extension that makes them isn't built.
        """
        return FeatureMatrix(self.values(queries), self.columns)

    def values(
        self, queries: RatingQueries, workers: Workers = ONE_THREAD
    ) -> NDArray[np.float32]:
        """The same without the columns: float32 (n_rows, n_features).

        Args:
            queries: any rows.
            workers: the threads that share them. The values don't depend on them.
        """
        values = np.empty((len(queries), len(self.names)), dtype=np.float32)
        maker = self._row_maker

        def fill(first: int) -> None:
            piece = slice(first, first + PIECE_ROWS)
            maker.transform_into(
                queries.user_id[piece],
                queries.movie_id[piece],
                queries.timestamp[piece],
                values[piece],
            )

        workers.map(fill, range(0, len(queries), PIECE_ROWS))
        return values

    def values_and_unknown(
        self, queries: RatingQueries
    ) -> tuple[NDArray[np.float32], UnknownIds | None]:
        """The same by one thread, and which ids weren't known; None if all were."""
        values = np.empty((len(queries), len(self.names)), dtype=np.float32)
        unknown = self._row_maker.transform_into(
            queries.user_id, queries.movie_id, queries.timestamp, values
        )
        return values, unknown

    @cached_property
    def _row_maker(self) -> RowMaker:
        return make_row_maker(self.shared_tables(), self.kernel_inputs())

    def shared_tables(self) -> Tables:
        """The tables that every kernel may read."""
        return shared_tables(
            self.users, self.catalogue, self.profiles, self.scale.class_values
        )

    def kernel_inputs(self) -> list[KernelInput]:
        """What each kernel is given, in the order of the columns."""
        base = KernelInput("base", _names(BASE_COLUMNS), {})
        groups = [
            KernelInput(group.name, _names(group.columns()), self._tables(group))
            for group in self.groups
            if group.columns()
        ]
        terms = _names(_columns_before_blends(self.groups))
        blends = [
            KernelInput("blend", (blend.column.name,), blend.tables(terms))
            for blend in self.blends
        ]
        return [base, *groups, *blends]

    def _tables(self, group: FeatureGroup) -> Tables:
        tables = group.tables()
        if self.level is not None and group.name in LEVEL_GROUPS:
            tables |= self.level.tables()
        return tables

    def transform_fitted(
        self,
        ratings: RatingTable,
        queries: RatingQueries | None = None,
        workers: Workers = ONE_THREAD,
    ) -> FeatureMatrix:
        """`transform_fitted_blocks` in one matrix, in the order of ``ratings``."""
        values = np.empty((len(ratings), len(self.names)), dtype=np.float32)
        blocks = self.transform_fitted_blocks(
            ratings, queries, workers=workers, folds_at_once=workers.n_threads
        )
        for rows, block in blocks:
            values[rows] = block.values
        return FeatureMatrix(values, self.columns)

    def transform_fitted_blocks(
        self,
        ratings: RatingTable,
        queries: RatingQueries | None = None,
        wanted: NDArray[np.bool_] | None = None,
        block_rows: int = BLOCK_ROWS,
        workers: Workers = ONE_THREAD,
        folds_at_once: int = 1,
    ) -> Iterator[Block]:
        """Features of the rows that this spec was fitted on, without their own ratings.

        A block has rows of one fold: their positions in ``ratings``, int64 and rising,
        and their features.

        Args:
            ratings: the rows given to `fit`.
            queries: the same rows as the model shall see them, if something is hidden
                from it.
            wanted: bool (n_rows,), the rows whose features are made. A fold without any
                isn't fitted.
            block_rows: how many rows a block has at most.
            workers: the threads that share the work. Features don't depend on them.
            folds_at_once: how many folds are fitted at once, which takes memory for
                each.

        Raises:
            DataError: if all rows are in one fold, so that there are no others.
        """
        if queries is None:
            queries = ratings.queries()
        fold = fold_of(ratings)
        if len(np.unique(fold)) < 2:
            raise DataError(
                f"{len(ratings)} training rows are too few to learn from each other: "
                "send more ratings"
            )
        asked = fold if wanted is None else fold[wanted]
        folds: list[int] = np.unique(asked).tolist()

        def fitted_without(held_out: int) -> FeatureSpec:
            others = np.flatnonzero(fold != held_out)
            return self.refitted(ratings.take(others), workers)

        specs = workers.ahead(fitted_without, folds, folds_at_once)
        for held_out in folds:
            spec = next(specs)
            is_asked = fold == held_out
            if wanted is not None:
                is_asked &= wanted
            rows = np.flatnonzero(is_asked)
            for first in range(0, len(rows), block_rows):
                positions = rows[first : first + block_rows]
                values = spec.values(queries.take(positions), workers)
                yield positions, FeatureMatrix(values, self.columns)
                del values
            # What is fitted on the other folds shall not be in memory twice.
            del spec

    def refitted(self, ratings: RatingTable, workers: Workers = ONE_THREAD) -> Self:
        """The same recipe, fitted on other rows of the same users and movies."""
        training = TrainingRows.of(
            ratings,
            self.users,
            self.catalogue,
            self.scale,
            self.latest_kept,
            workers,
        )
        return self._fit(training, self.users, tuple(g.name for g in self.groups))


def _columns_before_blends(groups: tuple[FeatureGroup, ...]) -> tuple[Column, ...]:
    of_groups = (column for group in groups for column in group.columns())
    return (*BASE_COLUMNS, *of_groups)


def _names(columns: tuple[Column, ...]) -> tuple[str, ...]:
    return tuple(column.name for column in columns)
