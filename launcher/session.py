"""What every command shares: the configuration, AWS, and where words and results go.

Words for people go to stderr. So stdout has nothing but what the command was asked for:
a table, or JSON with ``--json`` or ``--dry-run``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from launcher.aws import Aws
from launcher.config import FILE, Config, Sources
from launcher.errors import LauncherError
from launcher.execute import Executor
from launcher.redaction import redacted
from launcher.requests import Action
from launcher.terminal import dim, has_colours, show_progress, width_of, with_states
from launcher.validate import validate_plan
from launcher.world.account import Account, read_account


@dataclass
class Session:
    """One run of a command.

    Attributes:
        config: the configuration, with the region filled in.
        sources: where each of its values comes from.
        path: the configuration file.
        as_json: print results as JSON.
        dry_run: print plans instead of performing them.
        poll_seconds: between two looks at something that is waited for.
        progress: called with the number of bytes that were just uploaded.
        quiet: keep no line of what is being done, since it was listed before.
        doing: what is being done now. It is said when the command is interrupted.
        resume: said after it; how to go on.
    """

    config: Config
    sources: Sources
    path: Path = FILE
    as_json: bool = False
    dry_run: bool = False
    poll_seconds: float = 5.0
    progress: Callable[[int], None] = field(default=lambda _: None)
    quiet: bool = False
    doing: str = ""
    resume: str = "run the same command again to go on"

    @cached_property
    def aws(self) -> Aws:
        """AWS; nothing is sent before its first use."""
        return Aws(self.config)

    @cached_property
    def account(self) -> Account:
        """The account that the credentials belong to."""
        return read_account(self.aws)

    @property
    def executor(self) -> Executor:
        """Performs plans, and says what it does."""
        return Executor(
            self.aws,
            report=self.say_doing,
            progress=self.progress,
            registry=self.config.registry,
            poll_seconds=self.poll_seconds,
        )

    def say(self, text: str) -> None:
        """Print a line for people."""
        print(redacted(text), file=sys.stderr, flush=True)

    def hint(self, text: str) -> None:
        """Say what to do next, to people who read along."""
        if self.as_json or self.dry_run:
            return
        line = f"next: {text}"
        self.say(dim(line) if has_colours(sys.stderr) else line)

    @property
    def width(self) -> int | None:
        """How wide results may be; None where no terminal shows them."""
        return width_of(sys.stdout)

    def say_doing(self, text: str) -> None:
        """Print a line that says what is being done now."""
        self.doing = text.strip()
        if self.quiet:
            show_progress(self.doing)
        else:
            self.say(text)

    def confirm(self, question: str) -> None:
        """Ask on the terminal.

        Raises:
            LauncherError: the answer isn't yes, or nobody can be asked.
        """
        if not sys.stdin.isatty():
            raise LauncherError("nobody can be asked here: add --yes")
        print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise LauncherError("nothing was changed")

    def perform(
        self, plan: Sequence[Action], if_empty: str
    ) -> list[dict[str, Any]] | None:
        """Check a plan, then perform it and return the answers.

        In a dry run, print it instead and return None.

        Args:
            plan: what to do.
            if_empty: what to say when there is nothing to do.

        Raises:
            InvalidRequestError: before anything is sent.
            LauncherError: from the first action that fails.
        """
        validate_plan(plan)
        if self.dry_run:
            for action in plan:
                self.say(f"would {action.says}")
            self.emit({"plan": [action.to_json() for action in plan]})
            return None
        if not plan:
            self.say(if_empty)
        return self.executor.perform(plan)

    def emit(self, value: Any, text: str | None = None) -> None:
        """Print a result on stdout.

        Args:
            value: the result as JSON values.
            text: the result for people, printed unless JSON was asked for.
        """
        show_progress("")
        if text is None or self.as_json or self.dry_run:
            print(json.dumps(value, indent=2, ensure_ascii=False, default=str))
        elif has_colours(sys.stdout):
            print(with_states(text))
        else:
            print(text)


def fill_in_region(config: Config) -> Config:
    """The configuration with boto3's region, if it has none itself.

    Raises:
        ConfigError: there is none in AWS's configuration files either.
    """
    return config if config.region else replace(config, region=Aws(config).region)
