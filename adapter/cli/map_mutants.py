"""What `silta map test --mutate` prints: a score for each kind of mutant, and the survivors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapter.mapping.mutants import Fate

SAID = {
    "rule": "left out",
    "condition": "its where turned",
    "row": "its row shifted",
}
"""What was done, by kind of mutant."""


def percent(fates: Sequence[Fate], kind: str | None = None) -> int:
    """Return how many of a hundred mutants were noticed; 100 if there are none."""
    of_kind = [fate for fate in fates if kind in (None, fate.mutant.kind)]
    return 100 * sum(fate.is_noticed for fate in of_kind) // len(of_kind) if of_kind else 100


def as_json(fates: Sequence[Fate]) -> dict[str, Any]:
    """Say the score and every survivor as JSON."""
    kinds = {kind: [fate for fate in fates if fate.mutant.kind == kind] for kind in SAID}
    return {
        "percent": percent(fates),
        "kinds": {
            kind: {"mutants": len(of_kind), "noticed": sum(fate.is_noticed for fate in of_kind)}
            for kind, of_kind in kinds.items()
        },
        "survivors": [
            {
                "kind": fate.mutant.kind, "file": fate.mutant.file, "line": fate.mutant.line,
                "what": fate.mutant.what, "reached": fate.is_touched,
            }
            for fate in fates
            if not fate.is_noticed
        ],
    }  # fmt: skip


def show(fates: Sequence[Fate], at_most: int) -> None:
    """Print survivors, those that a case reaches first, and the score of each kind."""
    survivors = sorted((fate for fate in fates if not fate.is_noticed), key=lambda fate: not fate.is_touched)
    for fate in survivors[:at_most]:
        mutant = fate.mutant
        why = "" if fate.is_touched else " (no case gets there)"
        print(f"survived  {mutant.file}:{mutant.line}  {mutant.what}: {SAID[mutant.kind]}{why}")
    if len(survivors) > at_most:
        print(f"and {len(survivors) - at_most} more; --json has them all")
    scores = ", ".join(
        f"{sum(fate.is_noticed for fate in of_kind)} of {len(of_kind)} {kind}s"
        for kind in SAID
        if (of_kind := [fate for fate in fates if fate.mutant.kind == kind])
    )
    print(f"{percent(fates)} % of the mutants noticed: {scores or 'none'}")
