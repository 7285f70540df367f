"""What Grafana would find fault with, as far as that can be seen without it."""

from __future__ import annotations

import itertools
import re
from typing import Any

from tests.serve.operations.dashboard import DASHBOARD, INSTANCE, SERIES

WIDTH = 24  # of Grafana's grid


def cells_of(panel: dict[str, Any]) -> set[tuple[int, int]]:
    place = panel["gridPos"]
    columns = range(place["x"], place["x"] + place["w"])
    rows = range(place["y"], place["y"] + place["h"])
    return set(itertools.product(columns, rows))


def test_panels_fill_a_grid_and_dont_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        cells = cells_of(panel)
        assert not taken & cells, panel["title"]
        taken |= cells
    height = max(y for _, y in taken) + 1
    assert taken == set(itertools.product(range(WIDTH), range(height)))


def test_ids_are_unique_and_each_panel_has_a_title_and_a_unit() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        ids = [target["refId"] for target in panel["targets"]]
        assert len(set(ids)) == len(ids)


def test_every_panel_asks_the_source_and_the_instances_that_were_chosen() -> None:
    variables = {each["name"] for each in DASHBOARD["templating"]["list"]}
    source = {"type": "prometheus", "uid": "${source}"}
    assert variables == {"source", INSTANCE}
    for panel in DASHBOARD["panels"]:
        for asks in (panel, *panel["targets"]):
            assert asks["datasource"] == source
    for each in SERIES:
        selectors = re.findall(r"halfstar_\w+(\{[^}]*\})?", each.query)
        assert selectors
        for selector in selectors:
            assert f'{INSTANCE}=~"${INSTANCE}"' in selector, each.query
        named = set(re.findall(r"\$\{?(\w+)", each.query)) - {"__rate_interval"}
        assert named <= variables
