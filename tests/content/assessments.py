"""The fixtures of assessments as cases: the source, what its TOML expects, and what else is asked of it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapter.mapping.cases import cases
from adapter.shipped import folder

if TYPE_CHECKING:
    from adapter.mapping import MapSet, Outcome
    from adapter.mapping.cases import Case

ASSESSMENTS = folder("fixtures") / "assessment"

"""The maps of our own source formats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """One source, as `silta map test` judges it, with the findings of validation beside those of the map."""

    case: Case
    findings: tuple[str, ...]
    rules: tuple[str, ...]
    """Keys of the invariants that it breaks."""

    def run(self, maps: MapSet) -> Outcome:
        """Map it."""
        return maps[self.case.map].run(
            self.case.source.read_bytes(),
            media_type=self.case.media_type,
            charset=self.case.charset,
            zone=self.case.zone,
            constants=self.case.constants,
        )

    def bundle(self, maps: MapSet) -> dict[str, Any]:
        """Return the result."""
        return self.run(maps).resources[0]


def _assessment(case: Case) -> Assessment:
    said = tomllib.loads(case.source.with_suffix(".toml").read_text("utf-8"))
    return Assessment(case=case, findings=tuple(said.get("findings", ())), rules=tuple(said.get("rules", ())))


EVERY = [_assessment(case) for case in cases(ASSESSMENTS)]
SOUND = [one for one in EVERY if not one.findings]


def of(name: str) -> Assessment:
    """Return the fixture of this name."""
    return next(one for one in EVERY if one.case.name == name)
