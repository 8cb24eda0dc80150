"""Where in a list a target puts its value: the list modes of a target.

`first` goes before and `last` behind whatever other rules put into the list, before or after; `single` stands
alone, and `collate` goes on with what stands there already. FHIR R4 StructureMap, map-target-list-mode.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.mapping.nodes import Item

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from adapter.mapping.run import Made, RuleMark, Run


class Ordered(list[Item]):
    """A list with a beginning and an end that others do not get into; a plain list once the run is over."""

    __slots__ = ("firsts", "lasts", "owners")

    def __init__(self, items: Iterable[Item] = ()) -> None:
        super().__init__(items)
        self.firsts = 0
        self.lasts = 0
        self.owners: dict[str, RuleMark] = {}

    def append(self, value: Item) -> None:
        """Put a value before the last ones."""
        self.insert(len(self) - self.lasts, value)

    def extend(self, values: Iterable[Item]) -> None:
        """Put values before the last ones, in their order."""
        at = len(self) - self.lasts
        self[at:at] = values

    def __iadd__(self, values: Iterable[Item]) -> Ordered:  # type: ignore[misc]
        self.extend(values)
        return self

    def put(self, value: Item, mode: str) -> int:
        """Put a value at one of the ends; return where it stands."""
        if mode == "first":
            at = self.firsts
            self.firsts += 1
        else:
            at = len(self)
            self.lasts += 1
        self.insert(at, value)
        return at


def placing(key: str, mode: str, mark: RuleMark) -> Callable[[Run, Item, Made], Made]:
    """Return what puts a made node into the list under `key`, and gives the node to go on with."""

    def at_an_end(run: Run, node: Item, made: Made) -> Made:
        _ordered(run, node, key, mode, mark).put(made, mode)
        return made

    def alone(run: Run, node: Item, made: Made) -> Made:
        if node.get(key):
            run.fault("MP317", mark, element=key)
        else:
            node[key] = [made]
        return made

    def together(_: Run, node: Item, made: Made) -> Made:
        there = node.get(key)
        if there:
            return there[0]  # type: ignore[no-any-return]
        node[key] = [made]
        return made

    return {"single": alone, "collate": together}.get(mode, at_an_end)


def storing(key: str, mode: str, mark: RuleMark) -> Callable[[Run, Item, Item], int | None]:
    """Return what puts a value, or each of a list, into the list under `key`, and gives its index."""

    def at_an_end(run: Run, node: Item, value: Item) -> int | None:
        there = _ordered(run, node, key, mode, mark)
        at: int | None = None
        for one in value if value.__class__ is list else (value,):
            at = there.put(one, mode)
        return at

    def alone(run: Run, node: Item, value: Item) -> int | None:
        values = value if value.__class__ is list else [value]
        if node.get(key) or len(values) > 1:
            run.fault("MP317", mark, element=key)
            return None
        node[key] = values
        return 0

    return alone if mode == "single" else at_an_end


def _ordered(run: Run, node: Item, key: str, mode: str, mark: RuleMark) -> Ordered:
    there = dict.get(node, key)
    if there.__class__ is not Ordered:
        there = node[key] = Ordered(there or ())
        run.ordered.append((node, key))
    owner = there.owners.setdefault(mode, mark)
    if owner is not mark:
        run.fault("MP316", mark, element=key, mode=mode)
    return there


def settle(run: Run) -> None:
    """Make plain lists of the ordered ones, when all rules have run."""
    for node, key in run.ordered:
        node[key] = list(node[key])


MODES = frozenset({"first", "last", "single", "collate"})
"""Those that say where in a list; `share` says which element."""
