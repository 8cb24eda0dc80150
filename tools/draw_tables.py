"""Draw the tables of the docs from the tables in the code.

Each table stands in its page between `<!-- drawn: NAME -->` and `<!-- /drawn -->`; the pages of
`docs/reference/` are drawn whole (`draw_reference.py`). Run without arguments to redraw all pages; `--check`
only says which page is not true any more, and exits 1.
"""

from __future__ import annotations

import re
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from adapter.outcome import catalogue
from adapter.relay.case import CASE_TRANSITIONS
from adapter.relay.message import DELIVERY_TRANSITIONS, MESSAGE_TRANSITIONS
from adapter.relay.reliability import PROFILES
from adapter.relay.replay import REPLAY_TRANSITIONS

sys.path.insert(0, str(Path(__file__).parent))
import draw_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

State = TypeVar("State", bound=StrEnum)
Event = TypeVar("Event", bound=StrEnum)

DOCS = Path(__file__).parent.parent / "docs"
DRAWN = re.compile(r"(<!-- drawn: ([a-z-]+) -->\n).*?(<!-- /drawn -->)", re.DOTALL)


def transitions(table: Mapping[tuple[State, Event], State]) -> str:
    """One row per state: which event leads where."""
    rows: dict[State, list[str]] = {}
    for (state, event), to in table.items():
        rows.setdefault(state, []).append(f"{event} → **{to}**")
    lines = [f"| {state} | {'; '.join(steps)} |" for state, steps in rows.items()]
    return "\n".join(["| in | event → to |", "|---|---|", *lines])


def findings() -> str:
    """One row per code of the catalogue."""
    braces = str.maketrans("{}", "⟨⟩")
    rows = [
        f"| {entry.code} | {entry.severity} | {entry.type} | {entry.text['en'].translate(braces)} |"
        for entry in catalogue().values()
        if not entry.retired
    ]
    return "\n".join(["| code | severity | issue-type | text |", "|---|---|---|---|", *rows])


def duplicates() -> str:
    """One row per case of two ids, one column per profile."""
    names = {True: "known", False: "new"}
    rows = [
        f"| {names[bundle]} | {names[header]} | "
        + " | ".join(each.cases[bundle, header].value for each in PROFILES.values())
        + " |"
        for bundle, header in next(iter(PROFILES.values())).cases
    ]
    head = f"| `Bundle.id` | `MessageHeader.id` | {' | '.join(f'`{name}`' for name in PROFILES)} |"
    return "\n".join([head, "|---" * (2 + len(PROFILES)) + "|", *rows])


def reliability_profiles() -> str:
    """One row per profile."""
    rows = []
    for name, each in PROFILES.items():
        minutes = int(each.acknowledge_within.total_seconds() / 60)
        waits = (
            f"{minutes} minutes, then {each.resends} times more" if each.acknowledges else "not waited for"
        )
        envelope = "new" if each.renews_envelope else "the same"
        repeats = "by the ids" if each.checks_repeats else "not counted on"
        rows.append(f"| `{name}` | {waits} | {envelope} | {repeats} |")
    head = "| profile | acknowledgement | envelope of a resend | the partner knows a repeat |"
    return "\n".join([head, "|---|---|---|---|", *rows])


TABLES: dict[str, Callable[[], str]] = {
    "message-states": lambda: transitions(MESSAGE_TRANSITIONS),
    "delivery-states": lambda: transitions(DELIVERY_TRANSITIONS),
    "case-states": lambda: transitions(CASE_TRANSITIONS),
    "replay-states": lambda: transitions(REPLAY_TRANSITIONS),
    "duplicates": duplicates,
    "reliability-profiles": reliability_profiles,
    "findings": findings,
}


def redraw(page: str) -> str:
    """Return the text of `page` with each of its tables drawn anew."""
    return DRAWN.sub(lambda match: f"{match[1]}\n{TABLES[match[2]]()}\n\n{match[3]}", page)


def main(arguments: list[str]) -> int:
    """Redraw or check every page."""
    stale = []
    for page in sorted(DOCS.rglob("*.md")):
        text = page.read_text("utf-8")
        if (drawn := redraw(text)) != text:
            stale.append(page)
            if "--check" not in arguments:
                page.write_text(drawn, "utf-8")
    said = "not true any more" if "--check" in arguments else "redrawn"
    for page in stale:
        print(f"{page.relative_to(DOCS.parent)}: {said}")
    is_stale = bool(stale and "--check" in arguments)
    return max(draw_reference.main(arguments), int(is_stale))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
