"""The fixtures of plans as cases: the source file, what its TOML expects, and the whole expected message."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from adapter.shipped import folder
from tests.content.conftest import ZONE, read

if TYPE_CHECKING:
    from pathlib import Path

    from adapter.mapping import MapSet, Outcome

PLANS = folder("fixtures") / "plan"
MAPS = ("plan-from-finnish-xml", "plan-from-ccda", "plan-from-fhir", "plan-from-fhir-careplan")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanCase:
    """One plan as a sender's system gives it, and what is expected of it."""

    name: str
    source: Path
    map: str
    media_type: str
    meaning: str
    event: str
    findings: list[str]
    unaccounted: list[str]
    constants: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, list[Any]] = field(default_factory=dict)

    def run(self, maps: MapSet) -> Outcome:
        """Map it, with lineage and accounting."""
        return maps[self.map].run(
            self.source.read_bytes(),
            media_type=self.media_type,
            zone=ZONE,
            constants=self.constants,
            lineage=True,
        )

    @property
    def expected(self) -> dict[str, Any]:
        """The whole message, the ids of its entries numbered in order."""
        return read(PLANS / "expected" / f"{self.name}.json")


def _case(path: Path) -> PlanCase:
    source = next(found for suffix in (".xml", ".json") if (found := path.with_suffix(suffix)).is_file())
    return PlanCase(name=path.stem, source=source, **tomllib.loads(path.read_text("utf-8")))


PLAN_CASES = [_case(path) for path in sorted(PLANS.glob("*.toml"))]
