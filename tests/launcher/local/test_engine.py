"""What docker is told; the flow tests show what containers do."""

from __future__ import annotations

from launcher.local.engine import variables


def test_later_variables_win_over_earlier_ones_and_all_over_the_region() -> None:
    options = variables(
        "eu-west-1", {"LEVEL": "added", "A": "1"}, {"LEVEL": "own", "AWS_REGION": "own"}
    )
    assert options[::2] == ["--env"] * 4
    assert set(options[1::2]) == {
        "AWS_REGION=own",
        "AWS_DEFAULT_REGION=eu-west-1",
        "LEVEL=own",
        "A=1",
    }
