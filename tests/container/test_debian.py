"""The mirror that apt's sources name, and commands that may have to be installed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from container import debian

DEB822 = """\
# http://127.0.0.1/commented/archive
Types: deb deb-src
URIs: http://127.0.0.1/mirror/archive
  http://127.0.0.1/second/archive
Suites: bookworm bookworm-updates
Components: main
"""
SECURITY = """\
Types: deb
URIs: http://127.0.0.1/security/archive-security
Suites: bookworm-security
Components: main
"""
SOURCES = "sources.list.d/debian.sources"
HOST = "http://127.0.0.1"
# Writes to $LOG when it begins and when it ends.
APT_GET = """\
#!/bin/sh
echo begin >> "$LOG"
sleep 0.05
echo end >> "$LOG"
"""


def write_sources(folder: Path, files: dict[str, str]) -> Path:
    """A folder like /etc/apt with the given files."""
    (folder / "sources.list.d").mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize(
    ("files", "mirror"),
    [
        ({SOURCES: DEB822}, f"{HOST}/mirror/archive"),
        ({SOURCES: f"{SECURITY}\n{DEB822}"}, f"{HOST}/mirror/archive"),
        (
            {"sources.list": f"# none\ndeb {HOST}/one/archive bookworm main\n"},
            f"{HOST}/one/archive",
        ),
        (
            {"sources.list": f"deb [arch=amd64 trusted=yes] {HOST}/two/d trixie main"},
            f"{HOST}/two/d",
        ),
        (
            {"sources.list": "deb https://127.0.0.1/secure/d trixie main"},
            "https://127.0.0.1/secure/d",
        ),
        (
            {
                "sources.list": "",
                "sources.list.d/a.list": f"deb {HOST}/a/archive sid main",
            },
            f"{HOST}/a/archive",
        ),
    ],
)
def test_the_mirror_is_the_first_main_archive_of_apt(
    tmp_path: Path, files: dict[str, str], mirror: str
) -> None:
    assert debian.mirror(write_sources(tmp_path, files)) == mirror


@pytest.mark.parametrize(
    "files",
    [
        {SOURCES: f"Enabled: no\n{DEB822}"},
        {f"{SOURCES}.disabled": DEB822},
        {"sources.list": f"deb-src {HOST}/source/archive bookworm main"},
        {"sources.list": "deb cdrom:[Debian]/ bookworm main"},
        {},
    ],
)
def test_sources_without_an_archive_over_http_name_no_mirror(
    tmp_path: Path, files: dict[str, str]
) -> None:
    assert debian.mirror(write_sources(tmp_path, files)) is None


def test_nothing_is_installed_if_all_commands_are_there() -> None:
    debian.ensure_commands({"sh": ("no-such-package",)})


def test_a_missing_command_is_named_with_its_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Without apt-get on the PATH nothing can be installed, whoever we are.
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(debian.MissingCommandError, match="apt-get install the-package"):
        debian.ensure_commands({"no-such-command": ("the-package",)})


def test_only_one_process_installs_at_a_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    for command in ("apt-get", "apt-cache"):
        program = tmp_path / command
        program.write_text(APT_GET)
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("LOG", str(log))

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(debian.install, ["one", "two", "three"]))
    # Each updates, looks for its package, and installs it.
    assert log.read_text().split() == ["begin", "end"] * 9
