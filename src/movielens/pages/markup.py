"""HTML and SVG as text. What isn't `Markup` is escaped, so nothing from the data can
become an element.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping

# Elements of HTML without an end.
_VOID = frozenset({"meta", "link", "br"})

Attributes = Mapping[str, object]


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def element(
    name: str, attributes: Attributes | None = None, *children: str | Markup
) -> Markup:
    """One element with its children.

    Args:
        name: such as ``p``.
        attributes: by name; one that is None is left out.
        children: text, which is escaped, or markup.

    Example:
        >>> element("a", {"href": "#x"}, "R&B ", element("b", None, "!"))
        '<a href="#x">R&amp;B <b>!</b></a>'
    """
    opening = name + "".join(_attributes(attributes or {}))
    if name in _VOID:
        return Markup(f"<{opening}>")
    content = joined(children)
    return Markup(f"<{opening}>{content}</{name}>")


def joined(parts: Iterable[str | Markup], between: str = "") -> Markup:
    """Parts one after the other, each escaped unless it is markup."""
    return Markup(between.join(_escaped(part) for part in parts))


def _attributes(attributes: Attributes) -> Iterable[str]:
    for name, value in attributes.items():
        if value is not None:
            yield f' {name}="{html.escape(_text(value))}"'


def _text(value: object) -> str:
    """A value as text; numbers without digits that nobody sees."""
    if isinstance(value, float):
        return f"{value:.1f}".removesuffix(".0")
    return str(value)


def _escaped(part: str | Markup) -> str:
    return part if isinstance(part, Markup) else html.escape(part)
