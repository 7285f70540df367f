from typing import Any

class RowMaker:
    def __init__(
        self,
        shared: dict[str, Any],
        groups: tuple[tuple[str, tuple[str, ...], dict[str, Any]], ...],
    ) -> None: ...
    def transform_into(
        self, user_id: Any, movie_id: Any, timestamp: Any, out: Any, /
    ) -> None: ...

def find_most_similar(ratings: dict[str, Any], found: dict[str, Any], /) -> None: ...
def find_vectors(given: dict[str, Any], found: dict[str, Any], /) -> None: ...
