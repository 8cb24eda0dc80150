"""The fixtures of notifications as cases: the source file and what its TOML expects."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.content.conftest import NOTIFICATIONS, ZONE

if TYPE_CHECKING:
    from pathlib import Path

    from adapter.mapping import MapSet, Outcome

SUFFIXES = (".hl7", ".xml", ".fhir.json", ".json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One submission and what is expected of it."""

    name: str
    source: Path
    map: str
    media_type: str
    meaning: str
    event: str
    findings: tuple[str, ...]
    facts: dict[str, list[Any]]
    constants: dict[str, Any] = field(default_factory=dict)
    """What the deployment tells the map: who the sender is, how its source counts days."""

    def run(self, maps: MapSet, **constants: Any) -> Outcome:
        """Map it, with lineage and accounting."""
        return maps[self.map].run(
            self.source.read_bytes(),
            media_type=self.media_type,
            zone=ZONE,
            constants={**self.constants, **constants},
            lineage=True,
        )


def _case(path: Path) -> Case:
    said = tomllib.loads(path.read_text("utf-8"))
    source = next(found for suffix in SUFFIXES if (found := path.with_suffix(suffix)).is_file())
    return Case(
        name=path.stem,
        source=source,
        map=said["map"],
        media_type=said["media_type"],
        meaning=said["meaning"],
        event=said["event"],
        findings=tuple(said["findings"]),
        facts=said.get("facts", {}),
        constants=said.get("constants", {}),
    )


CASES = [_case(path) for path in sorted(NOTIFICATIONS.glob("*.toml"))]
MAPPED = [case for case in CASES if case.map]
