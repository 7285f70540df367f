from collections.abc import Callable, MutableMapping
from typing import Any, Generic, Self, TypeVar

class Counts:
    began: float
    ended: float
    status: int
    refused: int
    predictions: int
    questions: int
    bad_rows: int
    unknown_rows: int
    unknown_users: int
    unknown_movies: int
    def __new__(
        cls,
        began: float = 0.0,
        ended: float = 0.0,
        status: int = 499,
        predictions: int = 0,
        questions: int = 0,
        bad_rows: int = 0,
        unknown_rows: int = 0,
        unknown_users: int = 0,
        unknown_movies: int = 0,
    ) -> Self: ...
    def count_predicted(
        self, n_rows: int, unknown: tuple[int, int, int] | None, /
    ) -> None: ...

Each = TypeVar("Each", bound=Counts)

class Recorder(Generic[Each]):
    def __init__(
        self,
        cells: memoryview[float],
        first_bucket: int,
        bounds: tuple[float, ...],
        first_request: int,
        statuses: tuple[int, ...],
        routes: tuple[str, ...],
        paths: dict[str, int],
        route_of: Callable[[str], int],
        log: tuple[str, str, bytes, Callable[[bytes], bytes | None], int] | None,
        counts_type: type[Each],
    ) -> None: ...
    def begin(self) -> Each: ...
    def over(self, counts: Each, scope: MutableMapping[str, Any], /) -> None: ...
    def count(self, counts: Each, route: int, /) -> None: ...
    def take_lines(self) -> bytes: ...
