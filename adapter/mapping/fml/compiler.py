"""Checked tree to closures, one for each rule.

Groups are compiled once for each combination of argument types they are called with, so that an untyped group
is checked with the types it really meets and default groups are chosen before anything runs. Compiling is
checking: what is wrong is noted, and compilation goes on.

A build is plain or traced. The plain one carries no hooks; the traced one is made only when lineage,
accounting or the place of an issue is asked for, and writes down for each target leaf the rule and the source
leaves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.errors import AdapterError
from adapter.mapping.fml import sources, targets
from adapter.mapping.fml.scope import Action, Faults, Frame, Layout, Scope, Value, Var
from adapter.mapping.models import nearest
from adapter.mapping.nodes import Item, Watched, leaf_key
from adapter.mapping.run import Made, RuleMark, Run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from adapter.fhirpath.tree import Span
    from adapter.mapping.conceptmap import ConceptMaps
    from adapter.mapping.fml.resolver import Library
    from adapter.mapping.fml.tree import Group, Invocation, MapFile, Rule
    from adapter.mapping.models import Models, Shape


class GroupCode:
    """A compiled group. `actions` are filled in last, so that a group can call itself."""

    __slots__ = ("actions", "name", "size")

    def __init__(self, name: str) -> None:
        self.name = name
        self.actions: tuple[Action, ...] = ()
        self.size = 1

    def __call__(self, run: Run, arguments: Sequence[Item]) -> None:
        """Run the rules over the arguments; in a traced build each is followed by its origin."""
        run.enter()
        frame: Frame = [None] * self.size
        frame[0] = run
        frame[1 : 1 + len(arguments)] = arguments
        for action in self.actions:
            action(frame)
        run.depth -= 1


class Compilation:
    """One build of a map with everything it calls."""

    def __init__(
        self, library: Library, models: Models, concept_maps: ConceptMaps, faults: Faults, *, traced: bool
    ) -> None:
        self.library = library
        self.models = models
        self.concept_maps = concept_maps
        self.faults = faults
        self.traced = traced
        self.marks: dict[RuleMark, None] = {}
        self.is_lenient = False
        """True while groups are compiled that may be called with types not known here."""
        self._groups: dict[tuple[Item, ...], GroupCode] = {}
        self._reached: set[int] = set()

    # Groups

    def entry(self, file: MapFile) -> tuple[GroupCode, list[Shape | None]]:
        """Compile the first group and all it calls; return it with its targets' shapes."""
        group = file.groups[0]
        code = self.group(file, group, [None] * len(group.inputs))
        made = [self.input_shape(file, one) for one in group.inputs if one.mode == "target"]
        return code, made

    def rest(self, file: MapFile) -> None:
        """Compile the groups that nothing has called, for their faults, whatever types they get."""
        self.is_lenient = True
        for group in file.groups:
            if id(group) not in self._reached:
                self.group(file, group, [None] * len(group.inputs))

    def group(self, file: MapFile, group: Group, given: Sequence[Shape | None]) -> GroupCode:
        """Compile `group` for arguments of these shapes."""
        shapes = [
            self.input_shape(file, declared) or shape
            for declared, shape in zip(group.inputs, given, strict=False)
        ]
        shapes += [None] * (len(group.inputs) - len(shapes))
        key = (id(group), *(shape.url if shape else None for shape in shapes))
        known = self._groups.get(key)
        if known is not None:
            return known
        code = self._groups[key] = GroupCode(group.name)
        self._reached.add(id(group))
        scope = Scope(
            file, group, Layout(2 if self.traced else 1), constants=frozenset(c.name for c in file.constants)
        )
        scope.is_fhir = self.library.is_fhir_source(file)
        inputs = [
            scope.bind(one.name, one.mode, shape) for one, shape in zip(group.inputs, shapes, strict=True)
        ]
        scope.focus = next((var for var in inputs if var.mode == "source"), None)
        actions = list(self.inherited(scope, group, inputs, shapes))
        actions += [self.rule(scope, rule, number) for number, rule in enumerate(group.rules, 1)]
        code.actions, code.size = tuple(actions), scope.layout.size
        return code

    def input_shape(self, file: MapFile, declared: Item) -> Shape | None:
        """Return the shape an input declares; None without one, or where its structure has no model."""
        if declared.type is None:
            return None
        return self.type_named(file, declared.type, declared.span)

    def type_named(self, file: MapFile, name: str, span: Span) -> Shape | None:
        """Return what `name` means in this file: an alias of `uses`, else a type of R4."""
        for use in file.uses:
            if use.name == name:
                if not self.models.is_known(use.url, is_source=use.mode in ("source", "queried")):
                    self.library.unknown_model(self.faults, file, use)
                return self.models.by_url(use.url)
        shape = self.models.named(name.removeprefix("FHIR."))
        if shape is None:
            near = nearest(name, [*(use.name for use in file.uses), *self.models.names()])
            self.faults.add("MP201", file, span, type=name, near=near or "-")
        return shape

    def inherited(
        self, scope: Scope, group: Group, inputs: list[Var], shapes: list[Shape | None]
    ) -> Iterator[Action]:
        """Compile the group that this one extends; its rules run first, over the same arguments."""
        if group.extends is None:
            return
        found = self.library.group(scope.file, group.extends)
        if found is None:
            near = nearest(group.extends, self.library.group_names(scope.file))
            self.faults.add("MP202", scope.file, group.span, group=group.extends, near=near or "-")
            return
        code = self.group(*found, shapes)
        yield self.call(code, [(var.slot, None) for var in inputs])

    # Rules

    def rule(self, outer: Scope, rule: Rule, number: int) -> Action:
        """Compile one rule: loops over its sources, inside of them targets, groups and nested rules."""
        scope = outer.inner()
        name = rule.name or rule_name(rule) or str(number)
        scope.trail = f"{outer.trail}/{name}" if outer.trail else name
        mark = self.mark(scope, rule)
        if rule.is_simple:
            return self.simple(scope, rule, mark)
        loops = [sources.loop(self, scope, source, mark) for source in rule.sources]
        actions = self.visit(mark)
        actions += [targets.action(self, scope, target, mark) for target in rule.targets]
        actions += [action for one in rule.dependents if (action := self.dependent(scope, one, mark))]
        for at, nested in enumerate(rule.rules or (), 1):
            actions.append(self.rule(scope, nested, at))
        body = in_turn(actions)
        for bind in reversed(loops):
            body = bind(body)
        return body

    def mark(self, scope: Scope, rule: Rule) -> RuleMark:
        """Say where a rule stands."""
        line, column = scope.file.place(rule.span)
        mark = RuleMark(
            scope.file.text.file,
            line,
            column,
            scope.group.name,
            scope.trail,
            scope.file.name or scope.file.url,
        )
        self.marks[mark] = None
        return mark

    def simple(self, scope: Scope, rule: Rule, mark: RuleMark) -> Action:
        """Compile `a.b -> c.d`: the default group of the two types, else a copy where types allow it."""
        source, target = rule.sources[0], rule.targets[0]
        bind = sources.loop(self, scope, source, mark)
        var = scope.focus
        if var is None:
            return in_turn([])
        slot = targets.slot_of(self, scope, target, mark)
        shape = targets.single_shape(self, scope, slot)
        found = self.library.default_group(scope.file, var.shape, var.kind, shape, self.models)
        if found is not None and shape is not None:
            create = targets.action(self, scope, target, mark, name="\x00made")
            made = scope.vars["\x00made"]
            code = self.group(*found, [var.shape, made.shape])
            call = self.call(code, [(var.slot, None), (made.slot, None)])
            return bind(in_turn([*self.visit(mark), create, call]))
        if shape is not None and not shape.is_primitive and not self.may_copy(var.shape, shape, scope):
            self.faults.add(
                "MP203", scope.file, rule.span, source=var.shape.name if var.shape else "?", target=shape.name
            )
        value = Value(_slot_getter(var.slot), var.kind, var.shape, (var.slot,))
        return bind(in_turn([*self.visit(mark), targets.put(self, scope, target, value, mark)]))

    def visit(self, mark: RuleMark) -> list[Action]:
        """Make the action that notes that a rule ran; none in a plain build."""
        return [_visit(mark)] if self.traced else []

    def may_copy(self, source: Shape | None, target: Shape, scope: Scope) -> bool:
        """True if a value of the one type is as good as one of the other."""
        if source is None:
            return scope.is_fhir or self.is_lenient
        return source.name == target.name

    # Groups that are called

    def dependent(self, scope: Scope, call: Invocation, mark: RuleMark) -> Action | None:
        """Compile `then Group(a, b)`."""
        found = self.library.group(scope.file, call.name)
        if found is None:
            near = nearest(call.name, self.library.group_names(scope.file))
            self.faults.add("MP202", scope.file, call.span, group=call.name, near=near or "-")
            return None
        file, group = found
        if len(call.parameters) != len(group.inputs):
            self.faults.add(
                "MP204",
                scope.file,
                call.span,
                group=call.name,
                wanted=len(group.inputs),
                given=len(call.parameters),
            )
            return None
        arguments: list[tuple[int | None, Value | None]] = []
        shapes: list[Shape | None] = []
        for parameter, declared in zip(call.parameters, group.inputs, strict=True):
            value = targets.parameter(self, scope, parameter, mark)
            if value is None:
                return None
            if declared.mode == "target" and (value.is_constant or len(value.slots) != 1):
                self.faults.add("MP205", scope.file, parameter.span, input=declared.name)
            shapes.append(value.shape)
            arguments.append((value.slots[0] if _is_variable(parameter, scope) else None, value))
        return self.call(self.group(file, group, shapes), arguments)

    def call(self, code: GroupCode, arguments: Sequence[tuple[int | None, Value | None]]) -> Action:
        """Make the action that calls a group with values of the frame."""
        if self.traced:
            return _traced_call(code, arguments)
        slots = [slot for slot, _ in arguments]
        if all(slot is not None for slot in slots):
            if len(slots) == 2:
                first, second = slots

                def call_with_two(frame: Frame) -> None:
                    code(frame[0], (frame[first], frame[second]))  # type: ignore[index]

                return call_with_two

            def call_with(frame: Frame) -> None:
                code(frame[0], [frame[slot] for slot in slots])  # type: ignore[index]

            return call_with

        getters = [
            _slot_getter(slot) if slot is not None else value.get if value is not None else _nothing
            for slot, value in arguments
        ]

        def call(frame: Frame) -> None:
            code(frame[0], [getter(frame) for getter in getters])

        return call


def _is_variable(parameter: Item, scope: Scope) -> bool:
    return getattr(parameter, "name", None) in scope.vars and not getattr(parameter, "path", ())


def _traced_call(code: GroupCode, arguments: Sequence[tuple[int | None, Value | None]]) -> Action:
    def call(frame: Frame) -> None:
        given: list[Item] = []
        for slot, value in arguments:
            if slot is not None:
                given += (frame[slot], frame[slot + 1])
            elif value is not None:
                given += (value.get(frame), None)
        code(frame[0], given)

    return call


def _slot_getter(slot: int) -> Item:
    return lambda frame: frame[slot]


def _nothing(_: Frame) -> None:
    """Give nothing."""


def _visit(mark: RuleMark) -> Action:
    def visit(frame: Frame) -> None:
        frame[0].marks.add(mark)

    return visit


def in_turn(actions: Sequence[Action]) -> Action:
    """Join actions into one."""
    if len(actions) == 1:
        return actions[0]
    if len(actions) == 2:
        first, second = actions

        def two(frame: Frame) -> None:
            first(frame)
            second(frame)

        return two
    every = tuple(actions)

    def all_in_turn(frame: Frame) -> None:
        for action in every:
            action(frame)

    return all_in_turn


def rule_name(rule: Rule) -> str | None:
    """Name a rule that has no name by what it reads and writes; the reference engine does so, too."""
    source = rule.sources[0]
    words = ".".join((source.context, *source.path))
    if rule.targets and rule.targets[0].context:
        target = rule.targets[0]
        words += "-" + ".".join((target.context or "", *target.path))
    return words


def origin_of(value: Item, origin: Item) -> Item:
    """Return where a value comes from: of a node that stands for a leaf, that leaf."""
    if isinstance(value, Watched):
        key = leaf_key(value)
        return (value, key, None)
    return origin


__all__ = ["AdapterError", "Compilation", "GroupCode", "Made", "in_turn", "origin_of", "rule_name"]
