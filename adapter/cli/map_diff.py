"""What `silta map diff` prints: changes by source, and the same change counted over all of them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapter.mapping.behaviour import Change, Compared


def as_json(compared: Sequence[Compared]) -> dict[str, Any]:
    """Say all of it as JSON; sources without a change are counted only."""
    return {
        "sources": len(compared),
        "mapped": sum(one.is_mapped for one in compared),
        "changed": [
            {
                "source": one.source,
                "changes": [
                    {"kind": change.kind, "what": change.what, "old": change.old, "new": change.new}
                    for change in one.changes
                ],
            }
            for one in compared
            if one.changes
        ],
    }


def line(change: Change) -> str:
    """Say one change: `result Patient.gender  p.map:7 -> p.map:9`, `+ finding ..`, `- unaccounted ..`."""
    if change.kind in ("ends", "result"):
        return f"{change.kind} {change.what}  {change.old or '-'} -> {change.new or '-'}"
    return f"{'-' if change.new is None else '+'} {change.kind} {change.what}"


def show(compared: Sequence[Compared], at_most: int) -> None:
    """Print changes by source, then the commonest ones with the number of sources that have them."""
    changed = [one for one in compared if one.changes]
    lines = [f"{one.source}: {line(change)}" for one in changed for change in one.changes]
    for text in lines[:at_most]:
        print(text)
    if len(lines) > at_most:
        print(f"and {len(lines) - at_most} more; --json has them all")
    if len(changed) > 1:
        general = Counter(what for one in changed for what in {change.general for change in one.changes})
        for what, count in general.most_common(20):
            print(f"{count:6} sources: {what}")
    mapped = sum(one.is_mapped for one in compared)
    print(f"{len(changed)} of {mapped} mapped sources differ ({len(compared)} files)")
