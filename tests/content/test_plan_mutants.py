"""Each rule of each plan map left out, each condition turned, each row shifted: the fixtures must notice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from adapter.mapping.cases import cases
from adapter.mapping.mutants import mutate, percent
from adapter.shipped import folder
from tests.content.plans import PLANS

if TYPE_CHECKING:
    from pathlib import Path

    from adapter.mapping import MapSet

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]

FLOOR = 90
"""Share of mutants, of a hundred, that some case notices."""


@pytest.mark.parametrize("place", [PLANS, folder("fixtures") / "outbound" / "plan-to-cda"], ids=["in", "out"])
def test_a_changed_rule_is_noticed(place: Path, maps: MapSet) -> None:
    """At least nine of ten mutants of the maps, of their parts and tables make some fixture differ."""
    fates = list(mutate(maps, list(cases(place))))

    assert percent(fates) >= FLOOR
