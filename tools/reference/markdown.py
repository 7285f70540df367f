"""Pieces of Markdown."""

from __future__ import annotations

from collections.abc import Iterable

MADE = "<!-- made by make specification: change the code, not this page -->"


def page(title: str, *parts: str) -> str:
    """A page with a title, and its parts below it."""
    return "\n\n".join([f"# {title}", MADE, *parts]) + "\n"


def table(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    r"""A table.

    Example:
        >>> print(table(("name", "value"), [("a", "1|2")]))
        | name | value |
        |---|---|
        | a | 1\|2 |
    """
    names = list(columns)
    lines = [_line(names), "|" + "---|" * len(names)]
    lines += [_line(row) for row in rows]
    return "\n".join(lines)


def code(text: object) -> str:
    """A word of code; nothing for an empty one."""
    return f"`{text}`" if str(text) else ""


def block(text: str, language: str = "text") -> str:
    """Several lines of code."""
    return f"```{language}\n{text.rstrip()}\n```"


def _line(cells: Iterable[object]) -> str:
    escaped = [str(cell).replace("|", r"\|").replace("\n", " ") for cell in cells]
    return f"| {' | '.join(escaped)} |"
