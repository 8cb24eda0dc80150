"""Parts of rules that are plain enough to be run together with their neighbours.

Maps are full of rules that read one key and write one, make an element of a list, or give it a fixed value.
Such a part is first described and not yet an action. Copies between the same two variables become one action
with a table of rows; what is made for a list begins with its constants; and an element that is made, filled
from its own source and seen by nobody else is made in one go, in its final form.

A traced build describes nothing: every rule is run on its own there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from adapter.mapping.fml.tree import Invocation, Name
from adapter.mapping.run import Made, RunFault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from adapter.mapping.fml.compiler.scope import Action, Frame, Value
    from adapter.mapping.fml.tree import Rule
    from adapter.mapping.models import Shape
    from adapter.mapping.nodes import Item
    from adapter.mapping.run import RuleMark


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

    def __call__(self, frame: Frame, node: dict[str, Item], value: Item) -> None:
        """Put `value` into `node`, or note why not."""
        if value.__class__ is self.leaf:
            fitted = value
        else:
            try:
                fitted = self.fitted(value)
            except RunFault as fault:
                frame[0].fault(fault.code, self.mark, None, **fault.params)
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
            frame[0].fault("MP305", self.mark, None, element=key)
        node[key] = fitted

    def fitted(self, value: Item) -> Item:
        """Return what the element holds of a value: of a list each, where it may repeat. Raises RunFault."""
        if self.is_list and value.__class__ is list:
            return [one for one in map(self.fit, value) if one is not None]
        return self.fit(value)

    def each(self, frame: Frame, node: dict[str, Item], found: Item) -> None:
        """Put a value, or each value of a list."""
        if found.__class__ is not list:
            if found is not None:
                self(frame, node, found)
        elif self.is_list and self.key not in node and {self.leaf}.issuperset(map(type, found)):
            node[self.key] = found.copy()
        else:
            for one in found.copy():
                if one is not None:
                    self(frame, node, one)


@dataclass(frozen=True, slots=True)
class Copy:
    """A rule that is nothing but a copy: `a.b as x -> c.d = x`."""

    context: int
    """Slot of the variable that is read."""
    key: str
    put: Put

    def action(self) -> Action:
        """Copy on its own."""
        return _copying(self.context, self.put.holder, [self])


@dataclass(frozen=True, slots=True)
class Constant:
    """A fixed value put into an element of a variable."""

    holder: int
    key: str
    value: Item
    mark: RuleMark

    def action(self) -> Action:
        """Put it."""
        holder, key, constant, mark = self.holder, self.key, self.value, self.mark

        def put_constant(frame: Frame) -> None:
            node = frame[holder]
            if node is None:
                return
            if key in node and node[key] != constant:
                frame[0].fault("MP305", mark, None, element=key)
            node[key] = constant

        return put_constant


@dataclass(frozen=True, slots=True)
class Assignment:
    """A value put into a primitive element of a variable."""

    put: Put
    value: Value

    def action(self) -> Action:
        """Get the value and put it."""
        put, slot = self.put, self.value.slot
        holder, get = put.holder, self.value.get
        key, leaf, is_list = put.key, put.leaf, put.is_list

        def put_variable(frame: Frame) -> None:
            node, found = frame[holder], frame[slot]  # type: ignore[index]
            if node is None or found is None:
                return
            if found.__class__ is leaf and key not in node:
                node[key] = [found] if is_list else found
            else:
                put(frame, node, found)

        def put_value(frame: Frame) -> None:
            node = frame[holder]
            if node is None:
                return
            try:
                found = get(frame)
            except RunFault as fault:
                frame[0].fault(fault.code, put.mark, None, **fault.params)
                return
            if found is not None:
                put(frame, node, found)

        return put_value if slot is None else put_variable


@dataclass(frozen=True, slots=True)
class Creation:
    """One more element made for a list of a variable."""

    holder: int
    slot: int
    """Where the made element is bound."""
    key: str
    shape: Shape | None

    def action(self, constants: Sequence[Constant] = ()) -> Action:
        """Make it, beginning with `constants`."""
        holder, slot, key, shape = self.holder, self.slot, self.key, self.shape
        start = {**Made.of(shape), **{one.key: one.value for one in constants}}

        def create_in_list(frame: Frame) -> None:
            node = frame[holder]
            if node is None:
                frame[slot] = None
                return
            made = frame[slot] = Made(shape)
            if start:
                made.update(start)
            if key in node:
                node[key].append(made)
            else:
                node[key] = [made]

        return create_in_list


Part: TypeAlias = "Action | Copy | Constant | Assignment | Creation"


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


def merged(parts: Iterable[Part]) -> list[Action]:
    """Make actions of parts in their order, joined where they can be."""
    waiting = list(parts)
    actions: list[Action] = []
    at = 0
    while at < len(waiting):
        part = waiting[at]
        at += 1
        if isinstance(part, Copy):
            copies = [part]
            while at < len(waiting) and _is_beside(part, waiting[at]):
                copies.append(waiting[at])  # type: ignore[arg-type]
                at += 1
            actions.append(_copying(part.context, part.put.holder, copies))
        elif isinstance(part, Creation):
            constants: dict[str, Constant] = {}
            while at < len(waiting) and _begins(part, waiting[at], constants):
                constants[waiting[at].key] = waiting[at]  # type: ignore[union-attr, assignment]
                at += 1
            actions.append(part.action(list(constants.values())))
        else:
            actions.append(part.action() if isinstance(part, (Constant, Assignment)) else part)
    return actions


def _is_beside(copy: Copy, part: Part) -> bool:
    return isinstance(part, Copy) and (part.context, part.put.holder) == (copy.context, copy.put.holder)


def _begins(creation: Creation, part: Part, known: dict[str, Constant]) -> bool:
    return isinstance(part, Constant) and part.holder == creation.slot and part.key not in known


def _copying(context: int, holder: int, copies: Sequence[Copy]) -> Action:
    rows = tuple((copy.key, copy.put.key, copy.put.leaf, copy.put.is_list, copy.put) for copy in copies)

    def copy_from_each(frame: Frame, values: list[Item], node: dict[str, Item]) -> None:
        for key, _, _, _, put in rows:
            for value in values:
                found = value.get(key) if isinstance(value, dict) else value if key == "value" else None
                put.each(frame, node, found)

    def copy(frame: Frame) -> None:
        node, value = frame[holder], frame[context]
        if node is None:
            return
        if not isinstance(value, dict):
            copy_from_each(frame, value if value.__class__ is list else [value], node)
            return
        get = value.get
        for key, target, leaf, is_list, put in rows:
            found = get(key)
            if found is None:
                continue
            if found.__class__ is leaf and target not in node:
                node[target] = [found] if is_list else found
            else:
                put.each(frame, node, found)

    return copy


# Elements made in one go


@dataclass(frozen=True, slots=True)
class _Row:
    """One element of what is made: a constant, or a value that is read by `key` or by `get`."""

    target: str
    constant: Item = None
    put: Put | None = None
    key: str = ""
    value: Value | None = None


def element(step: tuple[int, str], source: int, parts: Sequence[Part]) -> Action | None:
    """Make one action of a rule that makes an element of a list and fills it; None if it does more.

    `step` is what the rule reads, `source` the slot of its variable, `parts` are its targets and the rules
    inside of it. The element is a plain dict in the order of the standard, with nothing empty in it.
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
    return _making(step, source, creation, in_order)


def _row(part: Part, source: int, made: int) -> _Row | None:
    if isinstance(part, Constant) and part.holder == made:
        return _Row(part.key, constant=part.value)
    if isinstance(part, Copy) and (part.context, part.put.holder) == (source, made):
        return _Row(part.put.key, put=part.put, key=part.key)
    if isinstance(part, Assignment) and part.put.holder == made and made not in part.value.slots:
        return _Row(part.put.key, put=part.put, value=part.value)
    return None


def _making(step: tuple[int, str], source: int, creation: Creation, described: Sequence[_Row]) -> Action:
    context, read = step
    rows = tuple(
        (row.target, row.constant, row.put, row.key, None if row.value is None else row.value.get)
        for row in described
    )
    holder, written = creation.holder, creation.key

    def make(frame: Frame, value: Item, node: dict[str, Item]) -> None:
        frame[source] = value
        made: dict[str, Item] = {}
        get = value.get if isinstance(value, dict) else {"value": value}.get
        for target, constant, put, key, getter in rows:
            if put is None:
                made[target] = constant
                continue
            if getter is None:
                found = get(key)
            else:
                try:
                    found = getter(frame)
                except RunFault as fault:
                    frame[0].fault(fault.code, put.mark, None, **fault.params)
                    continue
            if found is None:
                continue
            if found.__class__ is put.leaf:
                if found != "":
                    made[target] = [found] if put.is_list else found
                continue
            if getter is None:
                put.each(frame, made, found)
            else:
                put(frame, made, found)
            if made.get(target) == "":
                del made[target]
        if made:
            if written in node:
                node[written].append(made)
            else:
                node[written] = [made]

    def make_each(frame: Frame) -> None:
        node, value = frame[holder], frame[context]
        if node is None or value is None:
            return
        for one in value.copy() if value.__class__ is list else (value,):
            found = one.get(read) if isinstance(one, dict) else one if read == "value" else None
            for item in found.copy() if found.__class__ is list else (found,):
                if item is not None:
                    make(frame, item, node)

    return make_each
