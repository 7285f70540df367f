"""The table of hyperparameters in the docs, made from their declarations.

``python -m train.hyperparameter_table docs/training.md`` writes it into the file,
between two comments that mark its place; ``make specification`` runs this.
"""

from __future__ import annotations

import sys
from pathlib import Path

from train.declaration import Declaration
from train.hyperparameters import Hyperparameters

BEGIN = "<!-- hyperparameters: made by make specification -->"
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


def with_table(text: str, new_table: str, begin: str = BEGIN) -> str:
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


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(with_table(path.read_text(), table()))
