from typing import Any

class Forest:
    def __init__(self, data: Any) -> None: ...
    def predict_into(
        self,
        features: Any,
        answers: Any,
        margins: bool = False,
        first: int = 0,
        end: int = ...,
        /,
    ) -> None: ...
    @property
    def n_features(self) -> int: ...
    @property
    def n_groups(self) -> int: ...
