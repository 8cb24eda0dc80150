"""Groups and their rules: loops over sources around what targets, calls and nested rules do.

Groups are compiled once for each combination of argument types they are called with, so that an untyped group
is checked with the types it really meets and default groups are chosen before anything runs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from adapter.mapping.fml.compiler import sources, targets
from adapter.mapping.fml.compiler.assignment import plain_put, put
from adapter.mapping.fml.compiler.elements import single_shape, slot_of
from adapter.mapping.fml.compiler.joining import copies_its_source, rule_of
from adapter.mapping.fml.compiler.part import write_all
from adapter.mapping.fml.compiler.parts import Calling, Forgetting, Nothing
from adapter.mapping.fml.compiler.put import Copy
from adapter.mapping.fml.compiler.scope import Layout, Scope, Value, variable
from adapter.mapping.fml.compiler.script import Script
from adapter.mapping.fml.compiler.values import parameter
from adapter.mapping.fml.tree import Invocation, Name, Written, rule_name
from adapter.mapping.models import nearest
from adapter.mapping.notes import Noted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from adapter.mapping.fml.compiler.compilation import Compilation
    from adapter.mapping.fml.compiler.loops import Loop
    from adapter.mapping.fml.compiler.part import Part
    from adapter.mapping.fml.compiler.scope import Var
    from adapter.mapping.fml.tree import Group, Input, MapFile, Parameter, Rule, Target
    from adapter.mapping.models import Shape
    from adapter.mapping.nodes import Item
    from adapter.mapping.run import RuleMark, Run

MADE = "\x00made"
"""Name of what `a.b -> c.d` makes, which no map can write."""


class GroupCode:
    """A compiled group: a function that is written when it is first called; a group may call itself."""

    __slots__ = ("inputs", "is_traced", "parts", "run", "run_in_part", "size")

    def __init__(self, *, is_traced: bool) -> None:
        self.is_traced = is_traced
        self.inputs: Sequence[Var] = ()
        self.parts: Sequence[Part] = ()
        self.size = 1
        self.run: Callable[..., None] = self._first
        self.run_in_part: Callable[..., None] | None = None

    def fill(self, inputs: Sequence[Var], parts: Sequence[Part], size: int) -> None:
        """Take what the rules do, and the size of the frame that they need."""
        self.inputs, self.parts, self.size = inputs, parts, size

    def __call__(self, run: Run, arguments: Sequence[Item]) -> None:
        """Run the rules over the arguments; in a traced build each is followed by its origin."""
        self.run(run, *arguments)

    def _first(self, run: Run, *arguments: Item) -> None:
        self.run = self._written(self._in_part)
        self.run(run, *arguments)

    def _in_part(self, run: Run, *arguments: Item) -> None:
        """Run where an argument has no value, which is rare: by a function that looks at each."""
        if self.run_in_part is None:
            self.run_in_part = self._written(None)
        self.run_in_part(run, *arguments)

    def _written(self, otherwise: Callable[..., None] | None) -> Callable[..., None]:
        slots = [var.slot for var in self.inputs]
        script = Script(slots, self.size, otherwise=otherwise, is_traced=self.is_traced)
        write_all(script, self.parts)
        return script.function()


class Compiler:
    """Compiles the groups of one build."""

    def __init__(self, compilation: Compilation) -> None:
        self.compilation = compilation
        self._groups: dict[tuple[Item, ...], GroupCode] = {}
        self._reached: set[int] = set()
        self._heirs: dict[tuple[int, int], Group] = {}

    def entry(self, file: MapFile, inputs: Sequence[Input]) -> tuple[GroupCode, list[Shape | None]]:
        """Compile the first group with these inputs and all it calls; return it with its targets' shapes."""
        group = file.groups[0]
        if not inputs:
            # It is there for others to extend: there is nothing to begin with.
            code = GroupCode(is_traced=self.compilation.is_traced)
            code.fill((), (), 1)
            return code, []
        shapes = [self.compilation.input_shape(file, one) for one in inputs]
        code = self.group(file, group, shapes)
        return code, [shape for one, shape in zip(inputs, shapes, strict=True) if one.mode == "target"]

    def rest(self, file: MapFile) -> None:
        """Compile the groups that nothing has called, for their faults, whatever types they get.

        One without inputs reads those of the groups that extend it, and is compiled with them.
        """
        self.compilation.is_lenient = True
        heirs = {group.extends for _, group in self.compilation.library.all_groups()}
        for group in file.groups:
            if id(group) not in self._reached and (group.inputs or group.name not in heirs):
                self.group(file, group, [None] * len(group.inputs))

    def group(
        self, file: MapFile, group: Group, given: Sequence[Shape | None], written: Sequence[bool] = ()
    ) -> GroupCode:
        """Compile `group` for arguments of these shapes; `written`: which of them rules may write to."""
        shapes = [
            self.compilation.input_shape(file, declared) or shape
            for declared, shape in zip(group.inputs, given, strict=False)
        ]
        shapes += [None] * (len(group.inputs) - len(shapes))
        written = [*written, *[False] * (len(group.inputs) - len(written))]
        written = [one.mode != "source" or known for one, known in zip(group.inputs, written, strict=True)]
        key = (id(group), *(shape.url if shape else None for shape in shapes), *written)
        known = self._groups.get(key)
        if known is not None:
            return known
        code = GroupCode(is_traced=self.compilation.is_traced)
        self._groups[key] = code
        self._reached.add(id(group))
        scope = Scope(file, group, Layout(), constants=frozenset(c.name for c in file.constants))
        scope.is_fhir = self.compilation.library.is_fhir_source(file)
        inputs = [
            scope.bind(one.name, one.mode, shape, is_written=is_written)
            for one, shape, is_written in zip(group.inputs, shapes, written, strict=True)
        ]
        scope.focus = next((var for var in inputs if var.mode == "source"), None)
        before = scope.inner()
        pieces = [*self.inherited(scope, group, inputs, shapes), *self.rules(scope, group.rules)]
        if (stepping := self.compilation.stepping) is not None:
            pieces = stepping.group(before, group, pieces)
        code.fill(inputs, pieces, scope.layout.size)
        return code

    def inherited(
        self, scope: Scope, group: Group, inputs: list[Var], shapes: list[Shape | None]
    ) -> Iterator[Part]:
        """Compile the group that this one extends; its rules run first, over the same arguments."""
        if group.extends is None:
            return
        found = self.compilation.library.group(scope.file, group.extends)
        if found is None:
            near = nearest(group.extends, self.compilation.library.group_names(scope.file))
            self.compilation.faults.add(
                "MP202", scope.file, group.span, group=group.extends, near=near or "-"
            )
            return
        if self._extends_itself(scope.file, group):
            self.compilation.faults.add("MP227", scope.file, group.span, group=group.name)
            return
        home, parent = found
        if not parent.inputs:
            parent = self._lent(parent, group)
        code = self.group(home, parent, shapes, [var.is_written for var in inputs])
        yield self.call(code, [variable(var) for var in inputs])

    def _lent(self, parent: Group, group: Group) -> Group:
        """Return a parent without inputs as a group of the same inputs: it reads them by their names."""
        known = self._heirs.get((id(parent), id(group)))
        if known is None:
            inputs = tuple(replace(one, type=None) for one in group.inputs)
            known = self._heirs[id(parent), id(group)] = replace(parent, inputs=inputs)
            self._reached.add(id(parent))
        return known

    def _extends_itself(self, file: MapFile, group: Group) -> bool:
        seen: list[Group] = []
        found: tuple[MapFile, Group] | None = (file, group)
        while found is not None and found[1].extends is not None:
            if any(found[1] is one for one in seen):
                return True
            seen.append(found[1])
            found = self.compilation.library.group(found[0], found[1].extends)
        return False

    # Rules

    def rules(self, scope: Scope, rules: Iterable[Rule]) -> list[Part]:
        """Compile rules that follow each other."""
        return [
            self.rule(scope, one, number)
            for number, rule in enumerate(rules, 1)
            for one in self.by_types(scope, rule)
        ]

    def by_types(self, scope: Scope, rule: Rule) -> Sequence[Rule]:
        """Return `a.b -> c.d` of a choice once for each of its types, if one of these has a default group."""
        kinds = sources.choice_types(scope, rule.sources[0]) if rule.is_simple else ()
        models = self.compilation.models
        if not any(self.default_group(scope, rule.targets[0], models.named(kind), kind) for kind in kinds):
            return (rule,)
        return [replace(rule, sources=(replace(rule.sources[0], type=kind),)) for kind in kinds]

    def default_group(
        self, scope: Scope, target: Target, source: Shape | None, kind: str | None
    ) -> tuple[MapFile, Group, Shape] | None:
        """Return the default group for a type and what it makes; of a choice that is for the group to say."""
        slot = slot_of(self.compilation, scope, target)
        shape = single_shape(self.compilation, scope, slot)
        library = self.compilation.library
        if shape is not None:
            found = library.default_group(scope.file, source, kind, shape)
            return None if found is None else (*found, shape)
        if slot[0] is None or slot[1] is None or not slot[1].is_choice:
            return None
        return library.default_group_of(scope.file, source, kind, slot[1].types)

    def rules_inside(self, scope: Scope, rules: Iterable[Rule]) -> list[Part]:
        """Compile the rules inside of one: what they share among themselves is made anew each time."""
        around = scope.shares
        scope.shares = dict(around)
        pieces = self.rules(scope, rules)
        own = tuple(slot for name, slot in scope.shares.items() if name not in around)
        if not own:
            return pieces
        return [Forgetting(own), *pieces]

    def rule(self, outer: Scope, rule: Rule, number: int) -> Part:
        """Compile one rule: loops over its sources, inside of them targets, groups and nested rules."""
        scope = outer.inner()
        name = rule.name or rule_name(rule) or str(number)
        scope.trail = f"{outer.trail}/{name}" if outer.trail else name
        mark = self.compilation.mark(scope, rule)
        if rule.is_simple:
            return self.simple(outer, scope, rule, mark)
        loops = [self.loop(scope, rule, at, mark) for at in range(len(rule.sources))]
        pieces: list[Part] = [self.target(scope, rule, at, mark) for at in range(len(rule.targets))]
        pieces += [piece for one in rule.dependents if (piece := self.dependent(scope, one, mark))]
        pieces += self.rules_inside(scope, rule.rules or ())
        if copies_its_source(rule) and (copy := self.copy(scope, rule, loops[0], mark)):
            return copy
        return self.stepped(outer, rule, self.nested(scope, loops, pieces, mark))

    def nested(self, scope: Scope, loops: Sequence[Loop], pieces: Sequence[Part], mark: RuleMark) -> Part:
        """Put the loops of a rule around what it does."""
        return rule_of(loops, scope.focus, pieces, mark, is_traced=self.compilation.is_traced)

    def loop(self, scope: Scope, rule: Rule, at: int, mark: RuleMark) -> Loop:
        """Compile one source of a rule."""
        stepping = self.compilation.stepping
        if stepping is None:
            return sources.loop(self.compilation, scope, rule.sources[at], mark)
        outer = scope.inner()
        loop = sources.loop(self.compilation, scope, rule.sources[at], mark)
        return stepping.source(outer, scope, rule, at, loop)

    def target(self, scope: Scope, rule: Rule, at: int, mark: RuleMark) -> Part:
        """Compile one target of a rule."""
        part = targets.part(self.compilation, scope, rule.targets[at], mark)
        return self.stepped_target(scope, rule, at, part)

    def stepped(self, outer: Scope, rule: Rule, piece: Part) -> Part:
        """Note that a rule is entered and left, where that is asked for."""
        stepping = self.compilation.stepping
        return piece if stepping is None else stepping.rule(outer, rule, piece)

    def stepped_target(self, scope: Scope, rule: Rule, at: int, piece: Part) -> Part:
        """Note what a target did, where that is asked for."""
        stepping = self.compilation.stepping
        return piece if stepping is None else stepping.target(scope, rule, at, piece)

    def copy(self, scope: Scope, rule: Rule, loop: Loop, mark: RuleMark) -> Copy | None:
        """Compile a rule that is nothing but a copy of a primitive; None if it is more, or is traced."""
        target, var = rule.targets[0], scope.focus
        if loop.step is None or var is None or self.compilation.is_traced:
            return None
        plain = plain_put(self.compilation, scope, target, variable(var), mark)
        return None if plain is None else Copy(*loop.step, plain, Noted(mark, variable(var).reading))

    def simple(self, outer: Scope, scope: Scope, rule: Rule, mark: RuleMark) -> Part:
        """Compile `a.b -> c.d`: the default group of the two types, else a copy where types allow it."""
        target = rule.targets[0]
        if target.context not in scope.targets:
            return targets.part(self.compilation, scope, target, mark)
        loop = self.loop(scope, rule, 0, mark)
        var = scope.focus
        if var is None:
            return Nothing()
        found = self.default_group(scope, target, var.shape, var.kind)
        slot = slot_of(self.compilation, scope, target)
        shape = single_shape(self.compilation, scope, slot)
        if found is not None:
            home, group, kind = found
            if shape is None:
                named = Written(value=kind.name, kind="string", span=target.span)
                target = replace(target, transform=Invocation(name="create", parameters=(named,)))
            create = targets.part(self.compilation, scope, target, mark, name=MADE)
            create = self.stepped_target(scope, rule, 0, create)
            made = scope.targets[MADE]
            code = self.group(home, group, [var.shape, made.shape], [var.is_written, True])
            call = self.call(code, [variable(var), variable(made)])
            return self.stepped(outer, rule, self.nested(scope, [loop], [create, call], mark))
        if shape is not None and not shape.is_primitive and not self.may_copy(var.shape, shape, scope):
            self.compilation.faults.add(
                "MP203", scope.file, rule.span, source=var.shape.name if var.shape else "?", target=shape.name
            )
        piece = self.stepped_target(scope, rule, 0, put(self.compilation, scope, target, variable(var), mark))
        copy = self.copy(scope, rule, loop, mark)
        return copy or self.stepped(outer, rule, self.nested(scope, [loop], [piece], mark))

    def may_copy(self, source: Shape | None, target: Shape, scope: Scope) -> bool:
        """True if a value of the one type is as good as one of the other."""
        if source is None:
            return scope.is_fhir or self.compilation.is_lenient
        return source.name == target.name

    # Groups that are called

    def dependent(self, scope: Scope, call: Invocation, mark: RuleMark) -> Part | None:
        """Compile `then Group(a, b)`."""
        found = self.compilation.library.group(scope.file, call.name)
        if found is None:
            near = nearest(call.name, self.compilation.library.group_names(scope.file))
            self.compilation.faults.add("MP202", scope.file, call.span, group=call.name, near=near or "-")
            return None
        file, group = found
        if len(call.parameters) != len(group.inputs):
            self.compilation.faults.add(
                "MP204",
                scope.file,
                call.span,
                group=call.name,
                wanted=len(group.inputs),
                given=len(call.parameters),
            )
            return None
        arguments: list[Value] = []
        shapes: list[Shape | None] = []
        for given, declared in zip(call.parameters, group.inputs, strict=True):
            value = self.argument(scope, given, declared, mark)
            if value is None:
                return None
            if declared.mode == "target" and (value.is_constant or len(value.slots) != 1):
                self.compilation.faults.add("MP205", scope.file, given.span, input=declared.name)
            shapes.append(value.shape)
            arguments.append(value)
        written = [not scope.written.isdisjoint(value.slots) for value in arguments]
        return self.call(self.group(file, group, shapes, written), arguments)

    def argument(self, scope: Scope, given: Parameter, declared: Input, mark: RuleMark) -> Value | None:
        """Compile what is given for an input: for a target the element of that name, if there is one."""
        if declared.mode == "target" and isinstance(given, Name) and not given.path:
            there = scope.targets.get(given.name)
            if there is not None:
                return variable(there)
        return parameter(self.compilation, scope, given, mark)

    def call(self, code: GroupCode, arguments: Sequence[Value]) -> Part:
        """Make what calls a group."""
        return Calling(code, arguments)
