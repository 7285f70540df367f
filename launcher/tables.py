"""Tables for people, as plain text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from launcher.world.inventory import Resource


def text_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Aligned columns, numbers to the right.

    The table is as wide as its content, not as the terminal, so that it can be piped.

    Example:
        >>> print(text_table(("movie", "stars"), [("Heat", 4.5), ("Cats", 10)]))
        movie  stars
        Heat     4.5
        Cats      10
    """
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    columns: list[list[str]] = []
    for index, title in enumerate(header):
        column = [row[index] for row in cells]
        width = max(len(text) for text in (title, *column))
        justify = str.rjust if all(map(_is_number, column)) else str.ljust
        columns.append([justify(text, width) for text in (title, *column)])
    lines = zip(*columns, strict=True)
    return "\n".join("  ".join(line).rstrip() for line in lines)


def resource_table(resources: Iterable[Resource]) -> str:
    """A line for each resource."""
    rows = [(each.kind, each.name, each.state, each.created) for each in resources]
    return text_table(("kind", "name", "state", "created"), rows)


def _is_number(text: str) -> bool:
    """Whether a cell is a number, perhaps with a unit, or empty."""
    bare = text.translate(str.maketrans("", "", ",.%$")).strip()
    return not bare or bare.isdigit()
