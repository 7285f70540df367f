"""``predict`` and ``recommend`` without an endpoint. Real ones are in
tests/launcher/local.
"""

from __future__ import annotations

import pytest

from tests.launcher.conftest import Launcher


@pytest.mark.parametrize("command", [("predict", "1:318"), ("recommend", "1")])
def test_without_an_endpoint_there_are_no_answers(
    launcher: Launcher, command: tuple[str, ...]
) -> None:
    result = launcher(*command)
    assert result.code == 1
    assert result.err == (
        "launcher: there is no endpoint halfstar: run `launcher deploy`\n"
    )
