"""What every command shares: the configuration, AWS, and where words, plans and results
go.

Words for people go to stderr, so that stdout is left to what the command was asked for:
    a table, or JSON with
``--json`` or ``--dry-run``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from launcher.aws import Aws
from launcher.config import FILE, Config, Sources
from launcher.execute import Executor
from launcher.requests import Action
from launcher.validate import validate_plan
from launcher.world import Account, read_account


@dataclass
class Session:
    """One run of the launcher.

    Attributes:
        config: the settings, with the region filled in.
        sources: where each comes from.
        path: the configuration file.
        as_json: results as JSON.
        dry_run: plans are printed, not performed.
        poll_seconds: between two looks at something that is waited for.
        doing: what is being performed, for the message when a command is interrupted.
        resume: what an interrupted command leaves, where it isn't simply run again.
    """

    config: Config
    sources: Sources
    path: Path = FILE
    as_json: bool = False
    dry_run: bool = False
    poll_seconds: float = 5.0
    doing: str = ""
    resume: str = "run the same command again to go on"
    progress: Callable[[int], None] = field(default=lambda _: None)

    @cached_property
    def aws(self) -> Aws:
        """AWS, reached at the first use."""
        return Aws(self.config)

    @cached_property
    def account(self) -> Account:
        """Whose credentials these are."""
        return read_account(self.aws)

    @property
    def executor(self) -> Executor:
        """Performs plans and says so."""
        return Executor(
            self.aws,
            self.say_doing,
            self.progress,
            self.config.registry,
            self.poll_seconds,
        )

    def say(self, text: str) -> None:
        """A line for people."""
        print(text, file=sys.stderr, flush=True)

    def say_doing(self, text: str) -> None:
        """The same, of what is being done now."""
        self.doing = text.strip()
        self.say(text)

    def perform(self, plan: Sequence[Action], idle: str) -> list[dict[str, Any]] | None:
        """Check a plan, then perform it, or print it where that was asked for and give
        None.

        Args:
            plan: what is to be done.
            idle: said of an empty one.

        Raises:
            InvalidRequestError: before anything is sent.
            LauncherError: of the first action that fails.
        """
        validate_plan(plan)
        if self.dry_run:
            self.emit({"plan": [action.to_json() for action in plan]})
            return None
        if not plan:
            self.say(idle)
        return self.executor.perform(plan)

    def emit(self, value: Any, text: str | None = None) -> None:
        """A result on stdout: ``value`` as JSON where that was asked for or there is no
        text, else the text.
        """
        if text is None or self.as_json or self.dry_run:
            print(json.dumps(value, indent=2, ensure_ascii=False, default=str))
        else:
            print(text)


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Columns aligned by their widest cell, numbers to the right; as wide as its
    content, so that it can be piped.
    """
    cells = [
        tuple(header),
        *(tuple("" if cell is None else str(cell) for cell in row) for row in rows),
    ]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    numeric = [
        all(_is_number(row[column]) for row in cells[1:])
        for column in range(len(header))
    ]
    lines = (
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in cells
    )
    return "\n".join(lines)


def _is_number(text: str) -> bool:
    bare = (
        text.replace(",", "").replace("%", "").replace("$", "").replace(".", "").strip()
    )
    return not text or bare.isdigit()


def fill_in_region(config: Config) -> Config:
    """The configuration with boto3's own answer where no region was given (its
    configuration files).

    Raises:
        ConfigError: if there is none anywhere.
    """
    from dataclasses import replace

    return config if config.region else replace(config, region=Aws(config).region)
