"""JSON from anywhere: either a value that can be used without care, or a ValueError.

Python's own reader takes more than JSON has, and fails in other ways than by a
ValueError. So files, messages and answers are all read here, except for requests to the
server, which has a reader of its own.
"""

from __future__ import annotations

import json
import math
from typing import Any

# Our own files and SageMaker's need less than ten levels. What reads or prints a value
# may call itself for each level, and Python bounds that at 1,000.
MOST_LEVELS = 100
_MOST_DIGITS = 100
_TOO_DEEP = f"nested more than {MOST_LEVELS} levels deep"


def parse_json(data: bytes | str) -> Any:
    r"""The value of a JSON text.

    Args:
        data: the text; as bytes it is UTF-8, with or without a byte order mark.

    Raises:
        ValueError: it isn't JSON; it is nested too deeply; or it has a number that
            isn't finite, a number of more than 100 digits, or half of a surrogate
            pair, which no file can hold.

    Example:
        >>> parse_json(b'{"stars": [0.5, 5]}')
        {'stars': [0.5, 5]}
        >>> parse_json('"\\ud800"')
        Traceback (most recent call last):
        ValueError: a text has half of a surrogate pair
    """
    text = data.decode("utf-8-sig") if isinstance(data, bytes) else data
    try:
        value = json.loads(
            text, parse_float=_float, parse_int=_int, parse_constant=_refuse_constant
        )
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    _check_depth(value)
    _check_texts(text, value)
    return value


def is_too_deep(text: str) -> bool:
    """Whether a reader without a bound of its own would fail over this text.

    Any other text that isn't JSON is none of its business.
    """
    try:
        _check_depth(json.loads(text))
    except RecursionError:
        return True
    except ValueError as error:
        return str(error) == _TOO_DEEP
    return False


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"the number {text[:_MOST_DIGITS]} is too large")
    return number


def _int(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError(f"a whole number has {len(text)} digits")
    return int(text)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"JSON has no {name}")


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MOST_LEVELS):
        below: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                below += each.values()
            elif isinstance(each, list):
                below += each
        level = [each for each in below if isinstance(each, dict | list)]
        if not level:
            return
    raise ValueError(_TOO_DEEP)


def _check_texts(text: str, value: Any) -> None:
    """Raise a ValueError if a text can't be encoded.

    Only an escape can give such a character; or the text itself, if it came as such.
    """
    if "\\u" not in text and text.isascii():
        return
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("a text has half of a surrogate pair") from None
