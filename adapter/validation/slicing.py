"""Slices: which slice an item belongs to, and whether each slice has as many as it may.

An item belongs to the first slice all of whose tests hold (`discriminators`). R4 profiling.html, 5.1.0.13.

Not content with: a slice whose discriminator finds nothing to compare with cannot be told apart; that is
said by VA307 and the slice left out, where a stricter engine might refuse the profile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter.validation.found import Found, both, climb

if TYPE_CHECKING:
    from adapter.outcome import Param
    from adapter.validation.discriminators import Test
    from adapter.validation.found import ItemCheck, Verdict
    from adapter.validation.items import Item
    from adapter.validation.visit import Visit


@dataclass(slots=True)
class Slice:
    """One slice, ready to judge."""

    name: str
    tests: list[tuple[str, Test]]
    """Path of the discriminator, and whether an item meets it."""
    least: int
    most: int | None
    checks: list[ItemCheck]
    inner: Slicing | None
    is_decided: bool = True
    """False where no discriminator tells the slice apart: only an empty list is known to lack it."""

    def lacks(self, item: Item, visit: Visit) -> list[str]:
        """Return the discriminators the item does not meet."""
        return [path for path, test in self.tests if not test(item, visit)]

    def has(self, item: Item, visit: Visit) -> bool:
        """Return True if the item belongs here."""
        return self.is_decided and all(test(item, visit) for _, test in self.tests)


@dataclass(slots=True)
class Slicing:
    """All slices of one element."""

    profile: str
    slices: list[Slice]
    rules: str
    ordered: bool
    element: str

    def __call__(self, items: list[Item], visit: Visit) -> Verdict:
        """Sort the items into slices and judge each slice."""
        members: list[list[Item]] = [[] for _ in self.slices]
        found: Verdict = None
        last, stray_seen = -1, False
        for item in items:
            place = next((at for at, one in enumerate(self.slices) if one.has(item, visit)), None)
            if place is None:
                stray_seen = True
                found = both(found, self._stray(item, visit))
                continue
            if (self.ordered and place < last) or (self.rules == "openAtEnd" and stray_seen):
                found = both(
                    found,
                    [
                        Found(
                            "VA304",
                            {"slice": self.slices[place].name, "profile": self.profile},
                            step=item.step,
                        )
                    ],
                )
            last = max(last, place)
            members[place].append(item)
        for one, its in zip(self.slices, members, strict=True):
            if one.is_decided or not items:
                found = both(found, self._judge(one, its, visit))
        return found

    def _judge(self, one: Slice, its: list[Item], visit: Visit) -> Verdict:
        found: Verdict = None
        params: dict[str, Param]
        if len(its) < one.least:
            by = ", ".join(path for path, _ in one.tests) or "-"
            params = {
                "slice": one.name,
                "min": one.least,
                "found": len(its),
                "by": by,
                "profile": self.profile,
            }
            found = [Found("VA302", params, step=self.element)]
        if one.most is not None and len(its) > one.most:
            params = {"slice": one.name, "max": one.most, "found": len(its), "profile": self.profile}
            found = both(found, [Found("VA303", params, step=its[-1].step)])
        for item in its:
            for check in one.checks:
                verdict = check(item, visit)
                if verdict is not None:
                    found = both(found, climb(verdict, item.step))
        if one.inner is not None:
            found = both(found, one.inner(its, visit))
        return found

    def _stray(self, item: Item, visit: Visit) -> Verdict:
        """Say of an item in no slice of a closed list which slice was nearest, and what it lacked."""
        if self.rules != "closed" or not all(one.is_decided for one in self.slices):
            return None
        nearest = min(self.slices, key=lambda one: len(one.lacks(item, visit)), default=None)
        params = {
            "slice": nearest.name if nearest else "-",
            "lacks": ", ".join(nearest.lacks(item, visit)) if nearest else "-",
            "profile": self.profile,
        }
        return [Found("VA301", params, step=item.step)]
