"""What docstrings say of a class and of its attributes."""

from __future__ import annotations

import inspect
import re

_ATTRIBUTE = re.compile(r"^    (?P<names>\w+(?:, \w+)*): (?P<meaning>.*)$")
_SECTION = "Attributes:"


def summary(thing: type) -> str:
    """The first paragraph of a docstring, on one line.

    Example:
        >>> class Toy:
        ...     '''A toy,
        ...     for children.
        ...
        ...     More about it.
        ...     '''
        >>> summary(Toy)
        'A toy, for children.'
    """
    paragraph, _, _ = inspect.cleandoc(thing.__doc__ or "").partition("\n\n")
    return " ".join(paragraph.split())


def attributes(thing: type) -> dict[str, str]:
    """The meaning of each attribute, by its name.

    Example:
        >>> class Toy:
        ...     '''A toy.
        ...
        ...     Attributes:
        ...         name: what it is called,
        ...             by children.
        ...         price: in cents.
        ...     '''
        >>> attributes(Toy)
        {'name': 'what it is called, by children', 'price': 'in cents'}
    """
    _, _, section = inspect.cleandoc(thing.__doc__ or "").partition(_SECTION)
    meanings: dict[str, str] = {}
    current = ""
    for line in section.splitlines():
        match = _ATTRIBUTE.match(line)
        if match:
            current = match["names"]
            meanings[current] = match["meaning"]
        elif line.strip():
            meanings[current] += " " + line.strip()
    return {name: meaning.rstrip(".") for name, meaning in meanings.items()}
