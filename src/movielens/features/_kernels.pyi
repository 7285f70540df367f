from typing import Any

# Doubles in a vector. Rows of expected squares are padded to a multiple of it.
N_LANES: int

class RowMaker:
    def __init__(
        self,
        shared: dict[str, Any],
        groups: tuple[tuple[str, tuple[str, ...], dict[str, Any]], ...],
    ) -> None: ...
    def transform_into(
        self, user_id: Any, movie_id: Any, timestamp: Any, out: Any, /
    ) -> tuple[int, int, int] | None: ...

def find_most_similar(
    ratings: dict[str, Any], found: dict[str, Any], first: int, end: int, /
) -> None: ...
def square_vectors(
    vectors: dict[str, Any], squares: dict[str, Any], first: int, end: int, /
) -> None: ...
def find_vectors(
    given: dict[str, Any], found: dict[str, Any], first: int, end: int, /
) -> None: ...
def sum_moments(given: dict[str, Any], moments: dict[str, Any], /) -> None: ...
def find_weights(
    moments: dict[str, Any], variances: dict[str, Any], found: dict[str, Any], /
) -> None: ...
def find_fits(
    given: dict[str, Any], weights: dict[str, Any], fits: dict[str, Any], /
) -> None: ...
