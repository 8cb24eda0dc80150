"""Values put where they belong: fitted to the element, copied from elsewhere, in place of another."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter.mapping.fml.compiler.part import held
from adapter.mapping.fml.compiler.trail import Trail, failed
from adapter.mapping.notes import BY_NAME, FAILED, Noted
from adapter.mapping.run import RunFault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from adapter.mapping.fml.compiler.script import Script
    from adapter.mapping.nodes import Item
    from adapter.mapping.run import RuleMark, Run


def replaces(run: Run, mark: RuleMark, element: str) -> None:
    """Note that a single element is written twice."""
    run.fault("MP305", mark, element=element)


@dataclass(frozen=True, slots=True)
class Put:
    """How a value goes into a primitive element of a variable."""

    holder: int
    """Slot of the variable."""
    key: str
    is_list: bool
    fit: Callable[[Item], Item]
    """Makes the value fit the element; raises RunFault."""
    leaf: type
    """What fits as it is."""
    mark: RuleMark

    def write(self, script: Script, found: str, trail: Trail, row: str = "None") -> None:
        """Write what puts the value of a local variable; what fits as it is and comes first goes straight."""
        node, key = f"v{self.holder}", script.name(self.key)
        with script.block(f"if {found}.__class__ is {script.name(self.leaf)} and {key} not in {node}:"):
            script.line(f"{node}[{key}] = [{found}]" if self.is_list else f"{node}[{key}] = {found}")
            if script.is_traced:
                trail.add(script, f"{node}, {key}, {0 if self.is_list else None}, {found}, {found}", row)
        with script.block(f"elif {found} is not None:"):
            put = f"{script.name(self)}.put(run, {node}, {found})"
            if script.is_traced:
                trail.add(script, f"{node}, {key}, *{put}", row)
            else:
                script.line(put)
        if script.is_traced and trail.noted.reading is not None and not trail.noted.reading.is_variable:
            with script.block("else:"):
                trail.add(script, "None, None, None, None, None")

    def put(self, run: Run, node: dict[str, Item], value: Item) -> tuple[int | None, Item, Item]:
        """Put `value` into `node`; return its index in a list, itself, what it became. Raises RunFault."""
        fitted = value if value.__class__ is self.leaf else self.fitted(value)
        key = self.key
        if fitted is None:
            return None, value, None
        there = node.get(key)
        if self.is_list:
            if there is None:
                there = node[key] = []
            if fitted.__class__ is list:
                there += fitted
            else:
                there.append(fitted)
            return len(there) - 1, value, fitted
        if there is not None and there != fitted:
            replaces(run, self.mark, key)
        node[key] = fitted
        return None, value, fitted

    def fitted(self, value: Item) -> Item:
        """Return what the element holds of a value: of a list each, where it may repeat. Raises RunFault."""
        if self.is_list and value.__class__ is list:
            return [one for one in map(self.fit, value) if one is not None]
        return self.fit(value)

    def each(self, run: Run, node: dict[str, Item], found: Item) -> None:
        """Put a value, or each value of a list. Raises RunFault, for a list when all the others are put."""
        if found.__class__ is not list:
            if found is not None:
                self.put(run, node, found)
        elif self.is_list and self.key not in node and {self.leaf}.issuperset(map(type, found)):
            node[self.key] = found.copy()
        else:
            for one in found.copy():
                if one is not None:
                    self._try(run, node, one)

    def _try(self, run: Run, node: dict[str, Item], value: Item) -> None:
        """Put one of several values; which of them failed, a plain build does not know."""
        try:
            self.put(run, node, value)
        except RunFault as fault:
            run.fault(fault.code, self.mark, None, **fault.params)

    def whole(self, run: Run, node: dict[str, Item], value: Item) -> None:
        """Put a value into what is made in one go, which has nothing empty in it. Raises RunFault."""
        self.put(run, node, value)
        if node.get(self.key) == "":
            del node[self.key]

    def whole_each(self, run: Run, node: dict[str, Item], found: Item) -> None:
        """Put a value, or each value of a list, into what is made in one go. Raises RunFault."""
        self.each(run, node, found)
        if node.get(self.key) == "":
            del node[self.key]


@dataclass(frozen=True, slots=True)
class Copy:
    """A rule that is nothing but a copy: `a.b as x -> c.d = x`; in a plain build only."""

    context: int
    """Slot of the variable that is read."""
    key: str
    put: Put
    noted: Noted

    def write(self, script: Script) -> None:
        """Write it: what has no parts, or is several, is not met often."""
        context, found = f"v{self.context}", script.fresh()
        put, node, key = self.put, f"v{self.put.holder}", script.name(self.put.key)
        with held(script, put.holder):
            read = f"{context}.get({script.name(self.key)})"
            beside = f"{script.name(self.from_other)}(run, {node}, {context})"
            script.line(f"{found} = {read} if isinstance({context}, dict) else {beside}")
            with script.block(f"if {found}.__class__ is {script.name(put.leaf)} and {key} not in {node}:"):
                script.line(f"{node}[{key}] = [{found}]" if put.is_list else f"{node}[{key}] = {found}")
            failing = copied(script, self.context, self.key, found, self.noted)
            with script.block(f"elif {found} is not None:"), failing:
                script.line(f"{script.name(put)}.each(run, {node}, {found})")

    def from_other(self, run: Run, node: dict[str, Item], value: Item) -> None:
        """Copy from a leaf, or from each of several."""
        for one in value if value.__class__ is list else (value,):
            found = one.get(self.key) if isinstance(one, dict) else one if self.key == "value" else None
            for each in found if found.__class__ is list else (found,):
                if each is not None:
                    self.put._try(run, node, each)


@contextmanager
def copied(script: Script, context: int, key: str, found: str, noted: Noted) -> Iterator[None]:
    """Write the putting of what stands under a key of a variable, so that a failure gives an issue."""
    with script.block("try:"):
        yield
    with script.block(f"except {script.name(RunFault)} as fault:"):
        origin = f"(v{context}, {script.name(key)}, None, {script.name(BY_NAME)})"
        what = f"{script.name(noted)}, None, None, {script.name(FAILED)}, None, None, None"
        script.line(f"{script.name(failed)}(run, fault, ({what}, {found}, {origin}, {found}, {origin}))")
