"""How dense the code is, as lizard counts it: ``python -m tools.density [PATH...]``.

Prints tokens a line for each path, and every function that is too dense to read. It
exits with 1 if there is one, or if a path is above the limit.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import lizard

ROOT = Path(__file__).parent.parent
DEFAULT_PATHS = ("src", "launcher")
SUFFIXES = (".py", ".c", ".h")

MAX_TOKENS_A_LINE = 8.5
MAX_TOKENS_A_LINE_OF_A_FUNCTION = 14.0
SHORTEST_FUNCTION = 5  # a function of fewer lines may be as dense as it likes


@dataclass(frozen=True, slots=True)
class Density:
    """Tokens and lines of code; comments, docstrings and blank lines don't count."""

    where: str
    n_tokens: int
    n_lines: int

    @property
    def tokens_a_line(self) -> float:
        """0 for no lines at all."""
        return self.n_tokens / max(self.n_lines, 1)

    def __str__(self) -> str:
        return f"{self.tokens_a_line:5.2f} tokens a line  {self.where}"


def measure(path: Path) -> tuple[Density, list[Density]]:
    """The density of a file or directory, and the functions in it that are too dense.

    Those functions come densest first.
    """
    n_tokens = 0
    n_lines = 0
    too_dense = []
    for file in source_files(path):
        found = lizard.analyze_file(str(file))
        n_tokens += found.token_count
        n_lines += found.nloc
        for function in found.function_list:
            where = f"{file}:{function.start_line} {function.name}"
            density = Density(where, function.token_count, function.nloc)
            if is_too_dense(density):
                too_dense.append(density)
    too_dense.sort(key=lambda each: each.tokens_a_line, reverse=True)
    return Density(f"{path}, {n_lines:,} lines", n_tokens, n_lines), too_dense


def source_files(path: Path) -> Iterator[Path]:
    """The file itself, or the Python and C files below a directory."""
    if path.is_file():
        yield path
    else:
        for file in sorted(path.rglob("*")):
            if file.suffix in SUFFIXES:
                yield file


def is_too_dense(function: Density) -> bool:
    """Whether a reader should be spared this function."""
    return (
        function.n_lines >= SHORTEST_FUNCTION
        and function.tokens_a_line > MAX_TOKENS_A_LINE_OF_A_FUNCTION
    )


def main() -> int:
    """Measure what the command line names, or `DEFAULT_PATHS`; gives the exit code."""
    paths = [Path(name) for name in sys.argv[1:]]
    if not paths:
        paths = [ROOT / name for name in DEFAULT_PATHS]

    is_readable = True
    for path in paths:
        total, too_dense = measure(path)
        print(total)
        for function in too_dense:
            print(f"  too dense: {function}")
        if too_dense or total.tokens_a_line > MAX_TOKENS_A_LINE:
            is_readable = False

    if not is_readable:
        print(
            f"at most {MAX_TOKENS_A_LINE} tokens a line are allowed, "
            f"and {MAX_TOKENS_A_LINE_OF_A_FUNCTION} in a function of "
            f"{SHORTEST_FUNCTION} lines or more"
        )
    return 0 if is_readable else 1


if __name__ == "__main__":
    sys.exit(main())
