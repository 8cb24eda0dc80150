"""What rules do, described part by part, each able to write itself into a script.

Maps are full of rules that read one key and write one, make an element of a list, or give it a fixed value.
Because such a part is a description and not yet an action, neighbours can be joined: what is made for a list
begins with its constants; and an element that is made, filled from its own source and seen by nobody else is
made in one go, in its final form.

In a traced script each part also writes what it notes of where its value comes from, and neighbours are not
joined. In a plain one a note is made only of what failed.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from adapter.mapping.fml.compiler.expressions import as_now
from adapter.mapping.fml.tree import Invocation, Name
from adapter.mapping.notes import BY_NAME, FAILED, Noted, key_written
from adapter.mapping.run import Made, RunFault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from adapter.mapping.fml.compiler.elements import Holder
    from adapter.mapping.fml.compiler.loops import Loop
    from adapter.mapping.fml.compiler.scope import Scope, Value, Var
    from adapter.mapping.fml.compiler.script import Script
    from adapter.mapping.fml.tree import Rule
    from adapter.mapping.models import Shape
    from adapter.mapping.nodes import Item
    from adapter.mapping.notes import Note
    from adapter.mapping.run import RuleMark, Run


class Part(Protocol):
    """Something that a rule does."""

    def write(self, script: Script) -> None:
        """Write it."""


def write_all(script: Script, parts: Iterable[Part]) -> None:
    """Write parts in their order."""
    for part in parts:
        part.write(script)


def held(script: Script, slot: int) -> AbstractContextManager[None]:
    """Open a block for what needs a value in a variable, unless it surely has one."""
    return nullcontext() if script.is_sure(slot) else script.block(f"if v{slot} is not None:")


@dataclass(frozen=True, slots=True, eq=False)
class Trail:
    """What a target notes of where its value comes from."""

    noted: Noted
    focus: int | None
    """Slot of what the rule reads."""
    written: frozenset[int] = frozenset()
    """Slots of variables that rules write to."""

    @classmethod
    def of(cls, scope: Scope, mark: RuleMark, value: Value | None) -> Trail:
        """Return what is noted of a value, or with None of one that the map itself writes."""
        reading = None if value is None else value.reading
        return cls(Noted(mark, reading), None if scope.focus is None else scope.focus.slot, scope.written)

    @property
    def mark(self) -> RuleMark:
        """The rule."""
        return self.noted.mark

    def context(self, script: Script) -> str:
        """Return the text of what the rule reads, and of its origin."""
        return "None, None" if self.focus is None else f"v{self.focus}, {script.origin(self.focus)}"

    def note(self, script: Script, what: str, row: str = "None") -> str:
        """Return the text of a note; `what` is node, key, index, value found and value made."""
        reading = self.noted.reading
        seen: list[str] = []
        for slot in () if reading is None else reading.captured:
            is_changing = reading is not None and reading.again is not None and slot in self.written
            now = f"{script.name(as_now)}(v{slot})" if is_changing else f"v{slot}"
            seen += (now, script.origin(slot))
        parts = [script.name(self.noted), what, row, self.context(script), *seen]
        return f"({', '.join(parts)})"

    def failure(self, script: Script) -> str:
        """Return the text of the note of a value that could not be made."""
        return self.note(script, f"None, None, {script.name(FAILED)}, None, None")

    def add(self, script: Script, what: str, row: str = "None") -> None:
        """Write that a note is made, in a traced script."""
        script.line(f"{script.adding('notes')}({self.note(script, what, row)})")


@contextmanager
def guarded(script: Script, trail: Trail, *, is_risky: bool = True) -> Iterator[None]:
    """Write what is in the block so that a transform which fails there gives an issue at its place."""
    if not is_risky:
        yield
        return
    with script.block("try:"):
        yield
    with script.block(f"except {script.name(RunFault)} as fault:"):
        script.line(f"{script.name(failed)}(run, fault, {trail.failure(script)})")


def begins(script: Script, value: Value) -> str:
    """Write what has to be before a value is read; return the text of the table's row that it then is of."""
    if not script.is_traced or value.is_constant or value.slot is not None:
        return "None"
    script.line("run.row = None")
    return "run.row"


def failed(run: Run, fault: RunFault, note: Note) -> None:
    """Note that a transform could not do what it was told."""
    run.fault(fault.code, note[0].mark, note, **fault.params)
    run.notes.append(note)


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


def copies_its_source(rule: Rule) -> bool:
    """True if what the rule writes is what it has read, and it does nothing else."""
    if rule.is_simple:
        return True
    if len(rule.sources) != 1 or len(rule.targets) != 1 or rule.dependents or rule.rules:
        return False
    given, target = rule.targets[0].transform, rule.targets[0]
    if isinstance(given, Invocation) and given.name == "copy" and len(given.parameters) == 1:
        given = given.parameters[0]
    is_source = isinstance(given, Name) and not given.path and given.name == rule.sources[0].variable
    return is_source and target.variable is None and target.context != rule.sources[0].variable


def rule_of(
    loops: Sequence[Loop], focus: Var | None, parts: Sequence[Part], mark: RuleMark, *, is_traced: bool
) -> Part:
    """Return a rule of its loops and of what it does inside of them."""
    if is_traced:
        return Nested(loops, parts, mark)
    whole = None if focus is None else _element(focus.slot, parts)
    return Nested(loops, _joined(parts) if whole is None else [whole], mark)


def _joined(parts: Iterable[Part]) -> list[Part]:
    """Join parts that follow each other where they can be: what is made begins with its constants."""
    waiting = list(parts)
    found: list[Part] = []
    at = 0
    while at < len(waiting):
        part = waiting[at]
        at += 1
        if isinstance(part, Creation):
            constants: dict[str, Constant] = {}
            while at < len(waiting) and (one := _beginning(part, waiting[at], constants)) is not None:
                constants[one.key] = one
                at += 1
            part = replace(part, constants=tuple(constants.values()))
        found.append(part)
    return found


def _beginning(creation: Creation, part: Part, known: dict[str, Constant]) -> Constant | None:
    is_its = isinstance(part, Constant) and part.holder == creation.slot and part.key not in known
    return part if is_its and isinstance(part, Constant) else None


# Elements made in one go


@dataclass(frozen=True, slots=True)
class _Row:
    """One element of what is made: a constant, or a value that is read by `key` or by `value`."""

    target: str
    constant: Item = None
    put: Put | None = None
    key: str = ""
    value: Value | None = None
    trail: Trail | None = None
    noted: Noted | None = None


def _element(source: int, parts: Sequence[Part]) -> Part | None:
    """Return the one part that makes an element of a list and fills it, if a rule does nothing else.

    `source` is the slot of what the rule reads, `parts` are its targets and the rules inside of it. The
    element is a plain dict in the order of the standard, with nothing empty in it.
    """
    creation = parts[0] if parts else None
    if not isinstance(creation, Creation) or creation.shape is None or creation.shape.kind != "complex":
        return None
    rows: dict[str, _Row] = {}
    for part in parts[1:]:
        if isinstance(part, Constant) and part.value == "":
            continue
        row = _row(part, source, creation.slot)
        if row is None or row.target in rows:
            return None
        rows[row.target] = row
    if sum(row.value is not None and row.value.slot is None for row in rows.values()) > 1:
        return None  # the ids that uuid() gives depend on the order of its calls
    rank = creation.shape.rank
    in_order = sorted(rows.values(), key=lambda row: rank.get(row.target, len(rank)))
    return _Whole(creation, source, tuple(in_order))


def _row(part: Part, source: int, made: int) -> _Row | None:
    if isinstance(part, Constant) and part.holder == made:
        return _Row(part.key, constant=part.value)
    if isinstance(part, Copy) and (part.context, part.put.holder) == (source, made):
        return _Row(part.put.key, put=part.put, key=part.key, noted=part.noted)
    if isinstance(part, Assignment) and part.put.holder == made and made not in part.value.slots:
        return _Row(part.put.key, put=part.put, value=part.value, trail=part.trail)
    return None


@dataclass(frozen=True, slots=True)
class _Whole:
    """An element of a list in its final form."""

    creation: Creation
    source: int
    rows: tuple[_Row, ...]

    def write(self, script: Script) -> None:
        with held(script, self.creation.holder):
            node, key, made = f"v{self.creation.holder}", script.name(self.creation.key), script.fresh()
            script.line(f"{made} = {{}}")
            get = None
            if any(row.key for row in self.rows):
                get = script.fresh()
                value = f"v{self.source}"
                script.line(f"{get} = ({value} if isinstance({value}, dict) else {{'value': {value}}}).get")
            for row in self.rows:
                self._write(script, row, made, get)
            with script.block(f"if {made}:"):
                with script.block(f"if {key} in {node}:"):
                    script.line(f"{node}[{key}].append({made})")
                with script.block("else:"):
                    script.line(f"{node}[{key}] = [{made}]")

    def _write(self, script: Script, row: _Row, made: str, get: str | None) -> None:
        put, key = row.put, script.name(row.target)
        if put is None:
            script.line(f"{made}[{key}] = {script.name(row.constant)}")
            return
        found = script.fresh()
        with self._failing(script, row, found):
            if row.value is None:
                script.line(f"{found} = {get}({script.name(row.key)})")
            else:
                script.line(f"{found} = {row.value.write(script)}")
            with script.block(f"if {found}.__class__ is {script.name(put.leaf)}:"):
                leaf = f"{made}[{key}] = " + (f"[{found}]" if put.is_list else found)
                if put.leaf is str:
                    with script.block(f"if {found}:"):
                        script.line(leaf)
                else:
                    script.line(leaf)
            with script.block(f"elif {found} is not None:"):
                how = "whole_each" if row.value is None else "whole"
                script.line(f"{script.name(put)}.{how}(run, {made}, {found})")

    def _failing(self, script: Script, row: _Row, found: str) -> AbstractContextManager[None]:
        if row.trail is not None:
            return guarded(script, row.trail)
        return nullcontext() if row.noted is None else copied(script, self.source, row.key, found, row.noted)
