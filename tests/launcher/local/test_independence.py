"""It stands by itself."""

from __future__ import annotations

from pathlib import Path

from tests.test_layering import imports_of

LOCAL = Path(__file__).parents[3] / "launcher" / "local"
USED = {
    "launcher.docker",
    "launcher.errors",
    "launcher.ports",
    "launcher.requests",
    "launcher.s3_uri",
    "launcher.validate",
}


def test_it_uses_only_names_and_requests_of_the_launcher() -> None:
    for path in LOCAL.glob("*.py"):
        for source, name in imports_of(path):
            is_own = source == "launcher.local" or source.startswith("launcher.local.")
            if source.startswith("launcher") and not is_own:
                assert source in USED or f"{source}.{name}" in USED, path.name


def test_commands_do_not_use_it() -> None:
    for path in LOCAL.parent.rglob("*.py"):
        if LOCAL in path.parents or path.name == "cli.py":
            continue
        sources = {source for source, _ in imports_of(path)}
        assert not any(each.startswith("launcher.local") for each in sources), path.name
