"""What is known while a group is compiled: its variables, the slots of its frame, the types of both.

A running group has one frame, a list: slot 0 is the run, then each variable has its own slot, however deep
the rule that binds it. Nothing is looked up by name while a map runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from adapter.mapping.notes import Reading

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.mapping.fml.compiler.script import Script
    from adapter.mapping.fml.tree import Group, MapFile
    from adapter.mapping.models import Shape
    from adapter.mapping.nodes import Item

Frame: TypeAlias = "list[Item]"
Getter: TypeAlias = "Callable[[Frame], Item]"
Writer: TypeAlias = "Callable[[Script], str]"


@dataclass(frozen=True, slots=True)
class Var:
    """A variable: its slot, which side it is of, and its type where that is known."""

    name: str
    slot: int
    mode: Literal["source", "target", "value"]
    shape: Shape | None = None
    kind: str | None = None
    """Name of the primitive or type of a value that has no shape of its own to walk into."""
    is_written: bool = False
    """True if rules may write to it, so that what it holds may change."""


@dataclass(slots=True)
class Layout:
    """The frame of one group under construction."""

    size: int = 1

    def new(self) -> int:
        """Take a slot."""
        slot = self.size
        self.size += 1
        return slot


@dataclass(slots=True)
class Scope:
    """The variables that a rule sees."""

    file: MapFile
    group: Group
    layout: Layout
    vars: dict[str, Var] = field(default_factory=dict)
    """What a name means where it is read: a source before a target of the same name."""
    targets: dict[str, Var] = field(default_factory=dict)
    """What a name means where it is written to."""
    constants: frozenset[str] = frozenset()
    focus: Var | None = None
    """The innermost source, which a path that begins with no variable is about."""
    is_fhir: bool = False
    """True if the source is FHIR, where an element may be a choice of types."""
    trail: str = ""
    """Names of the rules around, for ids and marks."""
    shares: dict[str, int] = field(default_factory=dict)
    """Slots of what the rules of this list share, and what the lists around it do, by name."""

    @property
    def written(self) -> frozenset[int]:
        """Slots of the variables that rules write to."""
        variables = (*self.vars.values(), *self.targets.values())
        return frozenset(var.slot for var in variables if var.is_written)

    def inner(self) -> Scope:
        """Return a scope for what is nested: it sees all of this one and keeps its own to itself."""
        return Scope(
            self.file, self.group, self.layout, dict(self.vars), dict(self.targets), self.constants,
            self.focus, self.is_fhir, self.trail, self.shares,
        )  # fmt: skip

    def share(self, name: str) -> int:
        """Return the slot of the target that rules of the list share under `name`."""
        slot = self.shares.get(name)
        if slot is None:
            slot = self.shares[name] = self.layout.new()
        return slot

    def bind(
        self,
        name: str | None,
        mode: Literal["source", "target", "value"],
        shape: Shape | None = None,
        kind: str | None = None,
        *,
        is_written: bool | None = None,
    ) -> Var:
        """Make a variable; without a name it has a slot only."""
        if is_written is None:
            is_written = mode != "source"
        var = Var(name or "", self.layout.new(), mode, shape, kind, is_written)
        if name and mode == "target":
            self.targets[name] = var
        is_hidden = mode == "target" and name in self.vars and self.vars[name].mode == "source"
        if name and not is_hidden:
            self.vars[name] = var
        return var


@dataclass(frozen=True, slots=True)
class Value:
    """A compiled transform: how to get its value, and what is known of it."""

    get: Getter
    """Gives it, when it is asked again what it looks at."""
    write: Writer
    """Writes what gives it; returns the text of the value."""
    kind: str | None = None
    """Type name, where known: `dateTime`, `CodeableConcept`."""
    shape: Shape | None = None
    slots: tuple[int, ...] = ()
    """Slots of the variables it reads."""
    beside: tuple[int, ...] = ()
    """Slots of what else it reads, to go on from."""
    slot: int | None = None
    """The slot it is, if it is nothing but a variable."""
    is_constant: bool = False
    is_path: bool = False
    """True if it looks into nodes, so that what it read is known when it is asked again."""
    is_list: bool = False
    """True if it may give a list."""
    constant: Item = None
    is_condition: bool = False
    """True if what it reads decides about the value and is not in it, as in `iif(x = 'a', 'b', 'c')`."""
    conditions: frozenset[str] = frozenset()
    """Names of elements that it reads in conditions only."""
    is_risky: bool = False
    """True if getting it may raise RunFault."""
    is_fresh: bool = False
    """True if it is made anew each time, so that nobody else holds it."""

    @property
    def reading(self) -> Reading | None:
        """How it is read; None for what the map itself writes."""
        if self.is_constant:
            return None
        if self.slot is not None:
            return Reading(self.slots, self.slots, None, is_variable=True)
        captured = (*self.slots, *(slot for slot in self.beside if slot not in self.slots))
        again = self.get if self.is_path else None
        return Reading(
            self.slots, captured, again, is_condition=self.is_condition, conditions=self.conditions
        )


def variable(var: Var) -> Value:
    """Return the value of a variable as it stands."""
    slot = var.slot
    return Value(lambda frame: frame[slot], lambda _: f"v{slot}", var.kind, var.shape, (slot,), slot=slot)


def fixed(constant: Item, kind: str) -> Value:
    """Return a value that the map itself writes."""
    return Value(
        lambda _: constant, lambda script: script.name(constant), kind, is_constant=True, constant=constant
    )
