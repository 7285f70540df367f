"""Lists that come in pages."""

from __future__ import annotations

import pytest

from launcher.local.errors import RefusedError
from launcher.local.operation import page


def test_pages_follow_each_other_by_their_tokens() -> None:
    found = [{"Name": str(number)} for number in range(5)]
    first = page(found, {"MaxResults": 3}, "Things")
    assert first["Things"] == found[:3]
    last = page(found, {"MaxResults": 3, "NextToken": first["NextToken"]}, "Things")
    assert last == {"Things": found[3:]}


@pytest.mark.parametrize("token", ["-1", "", "x", "\u0661", "9" * 5000])
def test_a_token_that_no_page_gave_is_refused(token: str) -> None:
    with pytest.raises(RefusedError, match="Invalid pagination token"):
        page([], {"NextToken": token}, "Things")
