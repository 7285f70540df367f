"""Tables in the docs that are made from declarations in the code.

`table` is that of the hyperparameters. `with_table` writes one between two comments
that mark its place.
"""

from __future__ import annotations

from train.declaration import Declaration
from train.hyperparameters import Hyperparameters

END = "<!-- end -->"


def table(hyperparameters: type[Hyperparameters] = Hyperparameters) -> str:
    """A Markdown table with a line for each hyperparameter."""
    lines = ["| name | default | allowed | meaning |", "|---|---|---|---|"]
    for name, declaration in hyperparameters.declarations().items():
        cells = (
            f"`{name}`",
            f"`{_default(declaration)}`",
            declaration.expected,
            declaration.meaning,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def with_table(text: str, new_table: str, begin: str) -> str:
    """The same Markdown with ``new_table`` between two comments.

    Args:
        text: Markdown.
        new_table: a table.
        begin: the first comment; the second one is `END`.

    Raises:
        ValueError: if the comments aren't there.
    """
    before, found, rest = text.partition(begin)
    _, end, after = rest.partition(END)
    if not found or not end:
        raise ValueError(f"no place for the table: expected {begin} and then {END}")
    return f"{before}{begin}\n\n{new_table}\n\n{END}{after}"


def _default(declaration: Declaration) -> str:
    # The long list of groups has a name of its own.
    return "default" if declaration.kind == "FreeText" else declaration.default_text
