"""What the rules of a plain build do, described part by part, each able to write itself into a script.

Maps are full of rules that read one key and write one, make an element of a list, or give it a fixed value.
Because such a part is a description and not yet an action, neighbours can be joined: what is made for a list
begins with its constants; and an element that is made, filled from its own source and seen by nobody else is
made in one go, in its final form.

A traced build describes nothing: every rule is a closure of its own there.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, TypeAlias

from adapter.mapping.fml.tree import Invocation, Name
from adapter.mapping.run import Made, RunFault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import AbstractContextManager

    from adapter.mapping.fml.compiler.elements import Holder
    from adapter.mapping.fml.compiler.loops import Loop
    from adapter.mapping.fml.compiler.scope import Action, Value, Var
    from adapter.mapping.fml.compiler.script import Script
    from adapter.mapping.fml.tree import Rule
    from adapter.mapping.models import Shape
    from adapter.mapping.nodes import Item
    from adapter.mapping.run import RuleMark, Run


class Part(Protocol):
    """Something that a rule does."""

    def write(self, script: Script) -> None:
        """Write it."""


Piece: TypeAlias = "Action | Part"
"""What a rule does: an action in a traced build, a part in a plain one."""


def write_all(script: Script, parts: Iterable[Part]) -> None:
    """Write parts in their order."""
    for part in parts:
        part.write(script)


def held(script: Script, slot: int) -> AbstractContextManager[None]:
    """Open a block for what needs a value in a variable, unless it surely has one."""
    return nullcontext() if script.is_sure(slot) else script.block(f"if v{slot} is not None:")


def safely(script: Script, value: Value, mark: RuleMark, into: str) -> None:
    """Write what gets a value, or nothing with the issue that says why there is none."""
    if not value.is_risky:
        script.line(f"{into} = {value.write(script)}")
        return
    with script.block("try:"):
        script.line(f"{into} = {value.write(script)}")
    with script.block(f"except {script.name(RunFault)} as fault:"):
        script.line(f"{script.name(failed)}(run, {script.name(mark)}, fault)")
        script.line(f"{into} = None")


def failed(run: Run, mark: RuleMark, fault: RunFault) -> None:
    """Note that a transform could not do what it was told."""
    run.fault(fault.code, mark, None, **fault.params)


def replaces(run: Run, mark: RuleMark, element: str) -> None:
    """Note that a single element is written twice."""
    run.fault("MP305", mark, None, element=element)


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

    def write(self, script: Script, found: str, *, is_each: bool) -> None:
        """Write what puts the value of a local variable; what fits as it is and comes first goes straight."""
        node, key = f"v{self.holder}", script.name(self.key)
        with script.block(f"if {found}.__class__ is {script.name(self.leaf)} and {key} not in {node}:"):
            script.line(f"{node}[{key}] = [{found}]" if self.is_list else f"{node}[{key}] = {found}")
        with script.block(f"elif {found} is not None:"):
            script.line(f"{script.name(self)}.{'each' if is_each else 'put'}(run, {node}, {found})")

    def put(self, run: Run, node: dict[str, Item], value: Item) -> None:
        """Put `value` into `node`, or note why not."""
        if value.__class__ is self.leaf:
            fitted = value
        else:
            try:
                fitted = self.fitted(value)
            except RunFault as fault:
                failed(run, self.mark, fault)
                return
            if fitted is None:
                return
        key = self.key
        there = node.get(key)
        if self.is_list:
            if there is None:
                there = node[key] = []
            if fitted.__class__ is list:
                there += fitted
            else:
                there.append(fitted)
            return
        if there is not None and there != fitted:
            replaces(run, self.mark, key)
        node[key] = fitted

    def fitted(self, value: Item) -> Item:
        """Return what the element holds of a value: of a list each, where it may repeat. Raises RunFault."""
        if self.is_list and value.__class__ is list:
            return [one for one in map(self.fit, value) if one is not None]
        return self.fit(value)

    def each(self, run: Run, node: dict[str, Item], found: Item) -> None:
        """Put a value, or each value of a list."""
        if found.__class__ is not list:
            if found is not None:
                self.put(run, node, found)
        elif self.is_list and self.key not in node and {self.leaf}.issuperset(map(type, found)):
            node[self.key] = found.copy()
        else:
            for one in found.copy():
                if one is not None:
                    self.put(run, node, one)

    def whole(self, run: Run, node: dict[str, Item], value: Item) -> None:
        """Put a value into what is made in one go, which has nothing empty in it."""
        self.put(run, node, value)
        if node.get(self.key) == "":
            del node[self.key]

    def whole_each(self, run: Run, node: dict[str, Item], found: Item) -> None:
        """Put a value, or each value of a list, into what is made in one go."""
        self.each(run, node, found)
        if node.get(self.key) == "":
            del node[self.key]


@dataclass(frozen=True, slots=True)
class Copy:
    """A rule that is nothing but a copy: `a.b as x -> c.d = x`."""

    context: int
    """Slot of the variable that is read."""
    key: str
    put: Put

    def write(self, script: Script) -> None:
        """Write it: what has no parts, or is several, is not met often."""
        context, found = f"v{self.context}", script.fresh()
        with held(script, self.put.holder):
            read = f"{context}.get({script.name(self.key)})"
            beside = f"{script.name(self.from_other)}(run, v{self.put.holder}, {context})"
            script.line(f"{found} = {read} if isinstance({context}, dict) else {beside}")
            self.put.write(script, found, is_each=True)

    def from_other(self, run: Run, node: dict[str, Item], value: Item) -> None:
        """Copy from a leaf, or from each of several."""
        for one in value if value.__class__ is list else (value,):
            found = one.get(self.key) if isinstance(one, dict) else one if self.key == "value" else None
            self.put.each(run, node, found)


@dataclass(frozen=True, slots=True)
class Constant:
    """A fixed value put into an element of a variable."""

    holder: int
    key: str
    value: Item
    mark: RuleMark

    def write(self, script: Script) -> None:
        """Write it."""
        node, key, value = f"v{self.holder}", script.name(self.key), script.name(self.value)
        with held(script, self.holder):
            with script.block(f"if {key} in {node} and {node}[{key}] != {value}:"):
                script.line(f"{script.name(replaces)}(run, {script.name(self.mark)}, {key})")
            script.line(f"{node}[{key}] = {value}")


@dataclass(frozen=True, slots=True)
class Assignment:
    """A value put into a primitive element of a variable."""

    put: Put
    value: Value

    def write(self, script: Script) -> None:
        """Write it."""
        with held(script, self.put.holder):
            if self.value.slot is not None:
                self.put.write(script, f"v{self.value.slot}", is_each=False)
                return
            found = script.fresh()
            safely(script, self.value, self.put.mark, found)
            self.put.write(script, found, is_each=False)


@dataclass(frozen=True, slots=True)
class Storing:
    """A value of any kind put into an element, and into a variable if the rule names one."""

    hold: Holder
    value: Value
    prepare: Callable[[Item], Item] | None
    """Makes the value fit; raises RunFault. None for what fits as it is."""
    store: Callable[[Run, Item, Item], object]
    mark: RuleMark
    slot: int | None

    def write(self, script: Script) -> None:
        """Write it."""
        found = script.fresh()
        with self.hold.held(script) as node:
            self._get(script, found)
            if self.slot is not None:
                script.line(f"v{self.slot} = {found}")
            with script.block(f"if {found} is not None:"):
                script.line(f"{script.name(self.store)}(run, {node}, {found})")

    def _get(self, script: Script, found: str) -> None:
        if self.prepare is None:
            safely(script, self.value, self.mark, found)
            return
        with script.block("try:"):
            script.line(f"{found} = {self.value.write(script)}")
            with script.block(f"if {found} is not None:"):
                script.line(f"{found} = {script.name(self.prepare)}({found})")
        with script.block(f"except {script.name(RunFault)} as fault:"):
            script.line(f"{script.name(failed)}(run, {script.name(self.mark)}, fault)")
            script.line(f"{found} = None")


@dataclass(frozen=True, slots=True)
class Keeping:
    """A value that goes to a variable only."""

    slot: int
    value: Value
    mark: RuleMark

    def write(self, script: Script) -> None:
        """Write it."""
        safely(script, self.value, self.mark, f"v{self.slot}")


@dataclass(frozen=True, slots=True)
class Creation:
    """One more element made for a list of a variable."""

    holder: int
    slot: int
    """Where the made element is bound."""
    key: str
    shape: Shape | None
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
        if script.is_sure(self.holder):
            script.make_sure(self.slot)


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
                return
            key = script.name(self.single)
            with script.block(f"if {key} in {node}:"):
                script.line(put_again)
            with script.block("else:"):
                write_made(script, f"{into} = {node}[{key}]", self.shape, into)

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
        given = [value.write(script) for value in self.arguments]
        script.line(f"{script.name(self.code)}.run({', '.join(['run', *given])})")


@dataclass(frozen=True, slots=True)
class Nested:
    """A rule: loops over its sources around all that it does."""

    loops: Sequence[Loop]
    parts: Sequence[Part]

    def write(self, script: Script) -> None:
        """Write it; rules very deep inside of others become a function of their own."""
        script.nest(lambda there: self._write(there, 0))

    def _write(self, script: Script, at: int) -> None:
        if at == len(self.loops):
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


def rule_of(loops: Sequence[Loop], focus: Var | None, parts: Sequence[Part]) -> Part:
    """Return a rule of its loops and of what it does inside of them."""
    whole = None if focus is None else _element(focus.slot, parts)
    return Nested(loops, _joined(parts) if whole is None else [whole])


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
        return _Row(part.put.key, put=part.put, key=part.key)
    if isinstance(part, Assignment) and part.put.holder == made and made not in part.value.slots:
        return _Row(part.put.key, put=part.put, value=part.value)
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
        if row.value is None:
            script.line(f"{found} = {get}({script.name(row.key)})")
        else:
            safely(script, row.value, put.mark, found)
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
