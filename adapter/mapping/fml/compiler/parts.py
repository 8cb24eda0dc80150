"""What rules do, described part by part, each able to write itself into a script.

Maps are full of rules that read one key and write one, make an element of a list, or give it a fixed value.
Because such a part is a description and not yet an action, neighbours can be joined (`joining`). In a traced
script each part also writes what it notes of where its value comes from, and neighbours are not joined; in a
plain one a note is made only of what failed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter.mapping.fml.compiler.part import Part, held, write_all
from adapter.mapping.fml.compiler.put import Put, replaces
from adapter.mapping.fml.compiler.trail import Trail, begins, guarded
from adapter.mapping.notes import key_written
from adapter.mapping.run import Made

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from adapter.mapping.fml.compiler.elements import Holder
    from adapter.mapping.fml.compiler.loops import Loop
    from adapter.mapping.fml.compiler.scope import Value
    from adapter.mapping.fml.compiler.script import Script
    from adapter.mapping.models import Shape
    from adapter.mapping.nodes import Item
    from adapter.mapping.run import RuleMark, Run


@dataclass(frozen=True, slots=True)
class Constant:
    """A fixed value put into an element of a variable."""

    holder: int
    key: str
    value: Item
    trail: Trail

    def write(self, script: Script) -> None:
        """Write it."""
        node, key, value = f"v{self.holder}", script.name(self.key), script.name(self.value)
        with held(script, self.holder):
            with script.block(f"if {key} in {node} and {node}[{key}] != {value}:"):
                script.line(f"{script.name(replaces)}(run, {script.name(self.trail.mark)}, {key})")
            script.line(f"{node}[{key}] = {value}")
            if script.is_traced:
                self.trail.add(script, f"{node}, {key}, None, {value}, {value}")


@dataclass(frozen=True, slots=True)
class Assignment:
    """A value put into a primitive element of a variable."""

    put: Put
    value: Value
    trail: Trail

    def write(self, script: Script) -> None:
        """Write it."""
        with held(script, self.put.holder):
            row = begins(script, self.value)
            with guarded(script, self.trail):
                if self.value.slot is not None:
                    found = f"v{self.value.slot}"
                else:
                    found = script.fresh()
                    script.line(f"{found} = {self.value.write(script)}")
                self.put.write(script, found, self.trail, row)


@dataclass(frozen=True, slots=True)
class Storing:
    """A value of any kind put into an element, and into a variable if the rule names one."""

    hold: Holder
    value: Value
    prepare: Callable[[Item], Item] | None
    """Makes the value fit; raises RunFault. None for what fits as it is."""
    store: Callable[[Run, Item, Item], object]
    """Puts it; returns its index in a list."""
    key: str
    """Under which it is put; empty where only the value can tell."""
    trail: Trail
    slot: int | None

    def write(self, script: Script) -> None:
        """Write it."""
        found, made = script.fresh(), script.fresh()
        with self.hold.held(script) as node:
            script.line(f"{made} = None")
            row = begins(script, self.value)
            with guarded(script, self.trail, is_risky=self.prepare is not None or self.value.is_risky):
                script.line(f"{found} = {self.value.write(script)}")
                if self.prepare is None:
                    script.line(f"{made} = {found}")
                else:
                    with script.block(f"if {found} is not None:"):
                        script.line(f"{made} = {script.name(self.prepare)}({found})")
                if script.is_traced:
                    self._note(script, node, found, made, row)
            if self.slot is not None:
                script.line(f"v{self.slot} = {made}")
            if not script.is_traced:
                with script.block(f"if {made} is not None:"):
                    script.line(f"{script.name(self.store)}(run, {node}, {made})")

    def _note(self, script: Script, node: str, found: str, made: str, row: str) -> None:
        index, note = script.fresh(), script.fresh()
        key = script.name(self.key)
        with script.block(f"if {made} is None:"):
            script.line(f"{note} = {self.trail.note(script, f'None, None, None, {found}, None')}")
        with script.block("else:"):
            script.line(f"{index} = {script.name(self.store)}(run, {node}, {made})")
            if not self.key:
                key = f"{script.name(key_written)}({node}, {key}, {made})"
            what = f"{node}, {key}, {index}, {found}, {made}"
            script.line(f"{note} = {self.trail.note(script, what, row)}")
        script.line(f"{script.adding('notes')}({note})")
        if self.slot is not None:
            script.line(f"o{self.slot} = {note}")


@dataclass(frozen=True, slots=True)
class Keeping:
    """A value that goes to a variable only."""

    slot: int
    value: Value
    trail: Trail

    def write(self, script: Script) -> None:
        """Write it."""
        script.line(f"v{self.slot} = None")
        with guarded(script, self.trail, is_risky=self.value.is_risky):
            script.line(f"v{self.slot} = {self.value.write(script)}")


@dataclass(frozen=True, slots=True)
class Creation:
    """One more element made for a list of a variable."""

    holder: int
    slot: int
    """Where the made element is bound."""
    key: str
    shape: Shape | None
    trail: Trail
    constants: tuple[Constant, ...] = ()
    """What it begins with."""

    def write(self, script: Script) -> None:
        """Write it."""
        node, made, key = f"v{self.holder}", f"v{self.slot}", script.name(self.key)
        if not script.is_sure(self.holder):
            script.line(f"{made} = None")
        with held(script, self.holder):
            write_made(script, made, self.shape, made)
            for one in self.constants:
                script.line(f"{made}[{script.name(one.key)}] = {script.name(one.value)}")
            with script.block(f"if {key} in {node}:"):
                script.line(f"{node}[{key}].append({made})")
            with script.block("else:"):
                script.line(f"{node}[{key}] = [{made}]")
            created(script, made, self.trail)
        if script.is_sure(self.holder):
            script.make_sure(self.slot)


def created(script: Script, made: str, trail: Trail) -> None:
    """Write that a made node is noted with what the rule reads, in a traced script."""
    if script.is_traced and trail.focus is not None:
        script.line(f"{script.adding('created')}(({made}, {trail.context(script)}))")


_new = dict.__new__


def write_made(script: Script, into: str, shape: Shape | None, name: str) -> None:
    """Write what begins a value of a type, known by `name`; a resource says its type from the start."""
    script.line(f"{into} = {script.name(_new)}({script.name(Made)})")
    script.line(f"{name}.shape = {script.name(shape)}")
    if shape is not None and shape.kind == "resource":
        script.line(f"{name}[{script.name('resourceType')}] = {script.name(shape.name)}")


@dataclass(frozen=True, slots=True)
class Placing:
    """An element made and put where it belongs: one that stands once, goes first, or is of no known type."""

    hold: Holder
    slot: int
    shape: Shape | None
    place: Callable[[Run, Item, Made], Made]
    single: str | None
    """The key of an element that stands once, which mostly is not there yet."""
    trail: Trail
    share: int | None = None
    """Slot of the element that rules of the group share."""

    def write(self, script: Script) -> None:
        """Write it."""
        made = f"v{self.slot}"
        if self.share is None:
            if not self.hold.is_sure(script):
                script.line(f"{made} = None")
            self._write(script, made)
            if self.hold.is_sure(script):
                script.make_sure(self.slot)
            return
        shared = script.shared(self.share)
        with script.block(f"if {shared} is None:"):
            self._write(script, shared)
        script.line(f"{made} = {shared}")

    def _write(self, script: Script, into: str) -> None:
        with self.hold.held(script) as node:
            put_again = f"{into} = {script.name(self)}.again(run, {node})"
            if self.single is None:
                script.line(put_again)
            else:
                key = script.name(self.single)
                with script.block(f"if {key} in {node}:"):
                    script.line(put_again)
                with script.block("else:"):
                    write_made(script, f"{into} = {node}[{key}]", self.shape, into)
            created(script, into, self.trail)

    def again(self, run: Run, node: Item) -> Item:
        """Make it and put it where there may be something."""
        return self.place(run, node, Made.of(self.shape))


@dataclass(frozen=True, slots=True)
class Alone:
    """An element that is made for a variable only."""

    slot: int
    shape: Shape | None

    def write(self, script: Script) -> None:
        """Write it."""
        write_made(script, f"v{self.slot}", self.shape, f"v{self.slot}")
        script.make_sure(self.slot)


@dataclass(frozen=True, slots=True)
class Forgetting:
    """What rules of an inner list share is of no further use to the next run of the list."""

    slots: tuple[int, ...]

    def write(self, script: Script) -> None:
        """Write it."""
        for slot in self.slots:
            script.line(f"{script.shared(slot)} = None")


@dataclass(frozen=True, slots=True)
class Nothing:
    """A target that is faulty, which is noted."""

    def write(self, script: Script) -> None:
        """Write nothing."""


@dataclass(frozen=True, slots=True)
class Alias:
    """Another name for a variable."""

    slot: int
    there: int

    def write(self, script: Script) -> None:
        """Write it."""
        script.line(f"v{self.slot} = v{self.there}")
        if script.is_sure(self.there):
            script.make_sure(self.slot)


@dataclass(frozen=True, slots=True)
class Calling:
    """A group that is called."""

    code: Callable[..., None]
    arguments: Sequence[Value]

    def write(self, script: Script) -> None:
        """Write it."""
        given: list[str] = []
        for value in self.arguments:
            given.append(value.write(script))
            if script.is_traced:
                given.append("None" if value.slot is None else f"o{value.slot}")
        script.line(f"{script.name(self.code)}.run({', '.join(['run', *given])})")


@dataclass(frozen=True, slots=True)
class Nested:
    """A rule: loops over its sources around all that it does."""

    loops: Sequence[Loop]
    parts: Sequence[Part]
    mark: RuleMark

    def write(self, script: Script) -> None:
        """Write it; rules very deep inside of others become a function of their own."""
        script.nest(lambda there: self._write(there, 0))

    def _write(self, script: Script, at: int) -> None:
        if at == len(self.loops):
            if script.is_traced:
                script.line(f"run.marks[{script.name(id(self.mark))}] = {script.name(self.mark)}")
            write_all(script, self.parts)
        else:
            self.loops[at].write(script, lambda: self._write(script, at + 1))
