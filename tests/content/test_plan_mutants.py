"""Each rule of each plan map left out, each condition turned, each row shifted: the fixtures must notice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from adapter.mapping.cases import cases
from adapter.mapping.mutants import mutate, percent
from tests.content.plans import PLANS

if TYPE_CHECKING:
    from adapter.mapping import MapSet

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]

FLOOR = 90
"""Share of mutants, of a hundred, that some case notices."""


def test_a_changed_rule_is_noticed(maps: MapSet) -> None:
    """At least nine of ten mutants of the maps, of their parts and tables make some fixture differ."""
    fates = list(mutate(maps, list(cases(PLANS))))

    assert percent(fates) >= FLOOR
