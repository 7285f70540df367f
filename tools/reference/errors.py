"""The page of errors: their classes, exit codes and statuses."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from http import HTTPStatus
from typing import TypeVar

import launcher
import movielens
import serve
import train
from launcher.__main__ import BUG, FAILURE, INTERRUPTED, WRONG_INPUT
from launcher.errors import JobFailedError, LauncherError
from movielens.errors import HalfstarError
from serve.errors import CODES, OVERLOADED
from tools.reference.docstrings import summary
from tools.reference.markdown import code, page, table
from tools.reference.openapi import REASONS

Error = TypeVar("Error", bound=Exception)

_INTRODUCTION = """\
A message says what was wrong, where, and what to do. Anything that isn't listed here is
a bug, and looks like one."""

_HALFSTAR = """\
A job writes the message to `/opt/ml/output/failure`, which SageMaker shows as
FailureReason, and ends with exit code 1. `serve` prints the message in one line and
ends with exit code 1 if it can't start; otherwise it answers with a status."""

_LAUNCHER = """\
The launcher prints the message in one line. `launcher --debug COMMAND` shows the trace
too."""

_EXIT_CODES = {
    0: "done",
    FAILURE: "something failed",
    WRONG_INPUT: "wrong input: an option, an argument, a setting, or data",
    JobFailedError.exit_code: "the job or the endpoint failed",
    BUG: "a bug of the launcher",
    INTERRUPTED: "Ctrl-C",
}

_HTTP = """\
The body of a refusal is `{"error": {"code": ..., "message": ...}}`."""


def errors_page() -> str:
    """All errors."""
    ours = [
        (code(each.__name__), code(each.__module__), summary(each))
        for each in error_classes(HalfstarError)
    ]
    theirs = [
        (code(each.__name__), str(each.exit_code), summary(each))
        for each in error_classes(LauncherError)
    ]
    statuses = [
        (str(status), _codes(status), REASONS[status]) for status in sorted(CODES)
    ]
    return page(
        "Errors",
        _INTRODUCTION,
        "## Jobs and servers",
        _HALFSTAR,
        table(("error", "module", "meaning"), ours),
        "## The launcher",
        _LAUNCHER,
        table(("exit code", "meaning"), _EXIT_CODES.items()),
        table(("error", "exit code", "meaning"), theirs),
        "## HTTP",
        _HTTP,
        table(("status", "code", "when"), statuses),
    )


def _codes(status: int) -> str:
    codes = [CODES[status]]
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        codes.append(OVERLOADED)
    return ", ".join(map(code, codes))


def error_classes(base: type[Error]) -> list[type[Error]]:
    """The subclasses of an error in all of our modules, by name."""
    for package in (movielens, train, serve, launcher):
        for name in _modules_of(package.__name__, list(package.__path__)):
            importlib.import_module(name)
    found = set(_subclasses(base))
    return sorted(found, key=lambda each: (each.__module__, each.__name__))


def _modules_of(package: str, places: list[str]) -> Iterator[str]:
    for module in pkgutil.walk_packages(places, f"{package}."):
        if not module.name.endswith("__main__"):
            yield module.name


def _subclasses(base: type[Error]) -> Iterator[type[Error]]:
    for each in base.__subclasses__():
        yield each
        yield from _subclasses(each)
