"""The whole message expected of a fixture, in `fixtures/notification/expected/`.

    python -m tests.content.expected      # writes them anew; read the difference before it is kept

Ids are made of the source and the place in the map, so a line more in a map changes them all. In the expected
files they are numbered in order of the entries, which keeps them valid and readable.
"""

from __future__ import annotations

import json
from typing import Any

from tests.content.cases import CASES, Case
from tests.content.conftest import NOTIFICATIONS

FOLDER = NOTIFICATIONS / "expected"
NAMES = tuple(case.name for case in CASES if case.map)
"""Fixtures with an expected message: all that are not FHIR already."""
EXPECTED = [case for case in CASES if case.name in NAMES]
VALID = [case for case in EXPECTED if not any(code.startswith("VA") for code in case.findings)]
"""Those whose message holds to the profiles."""


def numbered(bundle: dict[str, Any]) -> dict[str, Any]:
    """Return the message with the ids of its entries numbered in order."""
    text = json.dumps(bundle, ensure_ascii=False, default=str)
    for number, entry in enumerate(bundle["entry"], 1):
        text = text.replace(entry["resource"]["id"], f"00000000-0000-4000-8000-{number:012d}")
    return dict(json.loads(text))


def read(case: Case) -> dict[str, Any]:
    """Return the expected message."""
    return dict(json.loads((FOLDER / f"{case.name}.json").read_text("utf-8")))


def write() -> None:
    """Write all expected messages anew."""
    from adapter.mapping import MapSet
    from adapter.shipped import folder

    maps = MapSet.load([folder("mappings")])
    FOLDER.mkdir(exist_ok=True)
    for case in EXPECTED:
        bundle = numbered(case.run(maps).resources[0])
        text = json.dumps(bundle, ensure_ascii=False, indent=2)
        (FOLDER / f"{case.name}.json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    write()
