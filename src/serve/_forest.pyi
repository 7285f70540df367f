from typing import Any

import numpy as np
from numpy.typing import NDArray

class Forest:
    def __init__(
        self,
        base_margins: NDArray[np.float32],
        trees: NDArray[Any],
        nodes: NDArray[Any],
        n_features: int,
        softmax: bool,
        cut_rows: int,
        vector_bits: int,
    ) -> None: ...
    def predict_into(
        self,
        features: Any,
        answers: Any,
        margins: bool = False,
        /,
    ) -> None: ...
    @property
    def n_features(self) -> int: ...
    @property
    def n_groups(self) -> int: ...
    @property
    def vector_bits(self) -> int: ...
