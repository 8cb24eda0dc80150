"""The writing side of a rule: make elements, fill them, and never lose what stood there without telling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.fhirpath.tree import Literal as PathLiteral
from adapter.mapping.fml import expressions
from adapter.mapping.fml.scope import Value
from adapter.mapping.fml.transforms import (
    CAST_TYPES,
    NAMES,
    REFUSED,
    TRANSFORMS,
    cast,
    copy_of,
    fit,
    plain,
    text,
    translate,
)
from adapter.mapping.fml.tree import Expression, Invocation, Name, Written
from adapter.mapping.models import Shape, Slot, nearest
from adapter.mapping.nodes import Item, Watched, leaf_key, looked_at
from adapter.mapping.run import Made, RunFault, Write

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from adapter.mapping.fml.compiler import Compilation
    from adapter.mapping.fml.scope import Action, Frame, Scope
    from adapter.mapping.fml.tree import Parameter, Target, Transform
    from adapter.mapping.run import RuleMark, Run

TRANSLATE_OUTPUTS = frozenset({"code", "string", "Coding", "CodeableConcept", "display", "uri", "id"})
_OPEN = "\x00open"


def action(
    compilation: Compilation, scope: Scope, target: Target, mark: RuleMark, *, name: str | None = None
) -> Action:
    """Compile one target. `name` binds a variable the map does not name."""
    name = target.variable or name
    if target.context is None:
        return _bare(compilation, scope, target, name, mark)
    if target.context not in scope.vars:
        near = nearest(target.context, scope.vars)
        compilation.faults.add("MP206", scope.file, target.span, variable=target.context, near=near or "-")
        if name:
            scope.bind(name, "target")
        return _nothing
    if not target.path and target.transform is None:
        return _alias(compilation, scope, target, name)
    if target.transform is None or _is_create(target.transform):
        return _create(compilation, scope, target, name, mark)
    value = transform(compilation, scope, target, target.transform, mark)
    if value is None:
        if name:
            scope.bind(name, "target")
        return _nothing
    return put(compilation, scope, target, value, mark, name=name)


def _nothing(frame: Frame) -> None:
    """Do what a faulty target can do."""


def _is_create(value: Transform) -> bool:
    return isinstance(value, Invocation) and value.name == "create"


def _bare(compilation: Compilation, scope: Scope, target: Target, name: str | None, mark: RuleMark) -> Action:
    """Compile `(expression) as x` or `uuid() as x`: the value goes to the variable only."""
    if target.transform is None:
        return _nothing
    if _is_create(target.transform):
        shape = _created_shape(compilation, scope, target, None)
        made_in = scope.bind(name, "target", shape)

        def create_alone(frame: Frame) -> None:
            frame[made_in.slot] = _made(shape)

        return create_alone
    value = transform(compilation, scope, target, target.transform, mark)
    if value is None:
        return _nothing
    var = scope.bind(name, "value", value.shape, value.kind)
    get = _safely(value, mark, compilation.traced)

    def keep(frame: Frame) -> None:
        frame[var.slot] = get(frame)

    return keep


def _alias(compilation: Compilation, scope: Scope, target: Target, name: str | None) -> Action:
    there = scope.vars[target.context or ""]
    var = scope.bind(name, "target", there.shape, there.kind)

    def alias(frame: Frame) -> None:
        frame[var.slot] = frame[there.slot]

    return alias


# Where a target is


def slot_of(
    compilation: Compilation, scope: Scope, target: Target, mark: RuleMark
) -> tuple[Shape | None, Slot | None]:
    """Return the shape that holds the target's last element, and the element; None where nothing is known."""
    shape = scope.vars[target.context].shape if target.context in scope.vars else None
    for name in target.path[:-1]:
        if shape is None:
            return None, None
        slot = _element(compilation, scope, shape, name, target)
        if slot is None:
            return None, None
        if slot.is_list:
            compilation.faults.add("MP208", scope.file, target.span, element=name, type=shape.name)
        shape = single_shape(compilation, scope, (shape, slot))
    if shape is None or not target.path:
        return shape, None
    return shape, _element(compilation, scope, shape, target.path[-1], target)


def _element(compilation: Compilation, scope: Scope, shape: Shape, name: str, target: Target) -> Slot | None:
    slot = shape.slots.get(name)
    if slot is None and name in shape.order:
        # The JSON name of a choice (`valueString`) says element and type at once.
        _, choice, kind = shape.order[name]
        return Slot(name, (kind,), choice.is_list)
    if slot is None:
        if shape.is_abstract and shape.kind == "resource":
            compilation.faults.add("MP209", scope.file, target.span, element=name, type=shape.name)
        else:
            near = shape.nearest(name)
            compilation.faults.add(
                "MP207", scope.file, target.span, element=name, type=shape.name, near=near or "-"
            )
    return slot


def single_shape(
    compilation: Compilation, scope: Scope, where: tuple[Shape | None, Slot | None]
) -> Shape | None:
    """Return the one shape an element can have; None for choices and where nothing is known."""
    shape, slot = where
    if shape is None or slot is None or len(slot.types) != 1:
        return None
    return compilation.models.of_element(shape, slot.types[0])


def _holder(scope: Scope, compilation: Compilation, target: Target) -> Callable[[Frame], Item]:
    """Return what gives the node that holds the last element, making single ones on the way."""
    var = scope.vars[target.context or ""]
    slot = var.slot
    if len(target.path) <= 1:
        return lambda frame: frame[slot]
    way: list[tuple[str, Shape | None]] = []
    shape = var.shape
    for name in target.path[:-1]:
        element = shape.slots.get(name) if shape else None
        shape = single_shape(compilation, scope, (shape, element))
        way.append((name, shape))

    def hold(frame: Frame) -> Item:
        node = frame[slot]
        for name, kind in way:
            if node is None:
                return None
            below = node.get(name)
            if below is None:
                below = node[name] = Made(kind)
            node = below
        return node

    return hold


# Making


def _made(shape: Shape | None) -> Made:
    made = Made(shape)
    if shape is not None and shape.kind == "resource":
        made["resourceType"] = shape.name
    return made


def _created_shape(
    compilation: Compilation, scope: Scope, target: Target, declared: Shape | None
) -> Shape | None:
    """Return the shape that `create('X')` names, else the declared one."""
    if not isinstance(target.transform, Invocation) or not target.transform.parameters:
        if declared is not None and declared.is_abstract:
            compilation.faults.add("MP210", scope.file, target.span, type=declared.name)
        return declared
    parameter = target.transform.parameters[0]
    if isinstance(parameter, Written):
        return compilation.type_named(scope.file, str(parameter.value), parameter.span)
    compilation.faults.add(
        "MP211", scope.file, parameter.span, transform="create", wanted="a type name in quotes"
    )
    return None


def _create(
    compilation: Compilation, scope: Scope, target: Target, name: str | None, mark: RuleMark
) -> Action:
    """Compile a target that makes an element: of the declared type, or of the one `create` names."""
    holder_shape, element = slot_of(compilation, scope, target, mark)
    declared = single_shape(compilation, scope, (holder_shape, element))
    shape = _created_shape(compilation, scope, target, declared)
    if element is not None and shape is not None and not _takes(compilation, element, shape):
        compilation.faults.add(
            "MP212", scope.file, target.span, type=shape.name, element=element.name,
            wanted=" | ".join(element.types),
        )  # fmt: skip
    if element is not None and element.is_choice and shape is None:
        compilation.faults.add(
            "MP213",
            scope.file,
            target.span,
            element=element.name,
            example=element.types[0] if element.types else "",
        )
    var = scope.bind(name, "target", shape)
    hold, slot = _holder(scope, compilation, target), var.slot
    last = target.path[-1] if target.path else _OPEN
    key = element.key(shape.name) if element is not None and shape is not None else last
    is_list = element.is_list if element is not None else False
    is_open = element is None
    place = _place_made(key, is_list, is_open, target.mode, mark)
    if compilation.traced:
        place = _noting(place, scope.focus)
    if target.share is not None:
        shared = scope.layout.share(target.share)
        return _shared(shared, slot, hold, shape, place)
    is_direct = len(target.path) == 1 and not compilation.traced
    if is_direct and is_list and target.mode != "first":
        return _create_in_list(scope.vars[target.context or ""].slot, slot, key, shape)

    def create(frame: Frame) -> None:
        node = hold(frame)
        if node is None:
            frame[slot] = None
            return
        made = _made(shape)
        frame[slot] = place(frame, node, made)

    return create


def _create_in_list(holder: int, slot: int, key: str, shape: Shape | None) -> Action:
    """Make one more element of a list of a variable: what entries, names and identifiers are."""
    kind = shape.name if shape is not None and shape.kind == "resource" else None

    def create_in_list(frame: Frame) -> None:
        node = frame[holder]
        if node is None:
            frame[slot] = None
            return
        made = frame[slot] = Made(shape)
        if kind is not None:
            made["resourceType"] = kind
        if key in node:
            node[key].append(made)
        else:
            node[key] = [made]

    return create_in_list


def _noting(place: Item, focus: Item) -> Item:
    """In a traced build a made node is noted with what the rule was reading."""

    def place_and_note(frame: Frame, node: Item, made: Made) -> Item:
        there = place(frame, node, made)
        context = _context(frame, focus)
        if context is not None:
            frame[0].created.append((there, context))
        return there

    return place_and_note


def _takes(compilation: Compilation, element: Slot, shape: Shape) -> bool:
    if shape.kind == "logical" or not element.types:
        return True
    return any(
        kind == shape.name or compilation.models.is_a(shape.name, kind) or kind == shape.url
        for kind in element.types
    )


def _shared(
    shared: int, slot: int, hold: Callable[[Frame], Item], shape: Shape | None, place: Item
) -> Action:
    """Make the element once for each run of the group; rules that name the same share meet in it."""

    def create_shared(frame: Frame) -> None:
        known = frame[shared]
        if known is None:
            node = hold(frame)
            if node is None:
                return
            known = frame[shared] = place(frame, node, _made(shape))
        frame[slot] = known

    return create_shared


def _place_made(key: str, is_list: bool, is_open: bool, mode: str | None, mark: RuleMark) -> Item:
    """Return what puts a made node into its holder, and gives the node to go on with."""

    def into_list(_: Frame, node: Item, made: Made) -> Made:
        there = node.get(key)
        if there is None:
            node[key] = [made]
        elif mode == "first":
            there.insert(0, made)
        else:
            there.append(made)
        return made

    def into_single(frame: Frame, node: Item, made: Made) -> Made:
        there = node.get(key)
        if there is None:
            node[key] = made
            return made
        # The element can stand once only: what a second rule makes is the same element.
        if isinstance(there, Made) and there.shape is made.shape:
            return there
        frame[0].fault("MP305", mark, None, element=key)
        node[key] = made
        return made

    def into_open(_: Frame, node: Item, made: Made) -> Made:
        add_open(node, key, made)
        return made

    return into_open if is_open else into_list if is_list else into_single


def add_open(node: Item, key: str, value: Item) -> None:
    """Put a value where no type tells whether it may repeat: the second makes a list."""
    there = dict.get(node, key)
    if there is None:
        node[key] = value
    elif isinstance(there, list):
        there.append(value)
    else:
        node[key] = [there, value]


# Values


def parameter(compilation: Compilation, scope: Scope, given: Parameter, mark: RuleMark) -> Value | None:
    """Compile a parameter of a transform or of a group."""
    if isinstance(given, Written):
        return _literal(given)
    if isinstance(given, Expression):
        return expressions.value_of(compilation, scope, given.tree, mark)
    return _named(compilation, scope, given, mark)


def _literal(given: Written) -> Value:
    value: Item = given.value
    if given.kind == "decimal":
        from adapter.fhir.decimals import ExactDecimal

        value = ExactDecimal(str(value))
    return Value(lambda _: value, given.kind, is_constant=True, constant=value)


def _named(compilation: Compilation, scope: Scope, given: Name, mark: RuleMark) -> Value | None:
    name = given.name
    var = scope.vars.get(name)
    if var is not None:
        slot = var.slot
        if not given.path:
            return Value(lambda frame: frame[slot], var.kind, var.shape, (slot,))
        down = expressions.follow(given.path)
        return Value(lambda frame: down(frame[slot]), slots=(slot,), is_path=True, is_list=True)
    if name in scope.constants:

        def constant(frame: Frame) -> Item:
            return frame[0].constants.get(name)

        return Value(constant)
    near = nearest(name, expressions.names_in_scope(scope))
    compilation.faults.add("MP206", scope.file, given.span, variable=name, near=near or "-")
    return None


def transform(
    compilation: Compilation, scope: Scope, target: Target, given: Transform, mark: RuleMark
) -> Value | None:
    """Compile what stands right of `=`."""
    if not isinstance(given, Invocation):
        return parameter(compilation, scope, given, mark)
    if given.name in REFUSED:
        compilation.faults.add("MP214", scope.file, given.span, transform=given.name)
        return None
    if given.name not in NAMES:
        near = nearest(given.name, NAMES)
        compilation.faults.add("MP215", scope.file, given.span, transform=given.name, near=near or "-")
        return None
    special = _SPECIAL.get(given.name)
    if special is not None:
        return special(compilation, scope, given, mark)
    return _function(compilation, scope, given, mark)


def _counted(compilation: Compilation, scope: Scope, given: Invocation, least: int, most: int | None) -> bool:
    count = len(given.parameters)
    if count < least or (most is not None and count > most):
        wanted = str(least) if most == least else f"{least}..{'*' if most is None else most}"
        compilation.faults.add(
            "MP216", scope.file, given.span, transform=given.name, wanted=wanted, given=count
        )
        return False
    return True


def _function(compilation: Compilation, scope: Scope, given: Invocation, mark: RuleMark) -> Value | None:
    row = TRANSFORMS[given.name]
    if not _counted(compilation, scope, given, row.least, row.most):
        return None
    values = [parameter(compilation, scope, one, mark) for one in given.parameters]
    if any(value is None for value in values):
        return None
    known = [value for value in values if value is not None]
    getters, function = [value.get for value in known], row.run

    def get(frame: Frame) -> Item:
        return function(frame[0], mark, *[getter(frame) for getter in getters])

    return Value(
        get, row.kind, slots=tuple(slot for value in known for slot in value.slots),
        is_path=any(value.is_path for value in known),
        conditions=frozenset().union(*(value.conditions for value in known)),
    )  # fmt: skip


def _copy(compilation: Compilation, scope: Scope, given: Invocation, mark: RuleMark) -> Value | None:
    if not _counted(compilation, scope, given, 1, 1):
        return None
    return parameter(compilation, scope, given.parameters[0], mark)


def _cast(compilation: Compilation, scope: Scope, given: Invocation, mark: RuleMark) -> Value | None:
    if not _counted(compilation, scope, given, 1, 2):
        return None
    value = parameter(compilation, scope, given.parameters[0], mark)
    kind = "string"
    if len(given.parameters) == 2:
        named = given.parameters[1]
        kind = (
            str(named.value) if isinstance(named, Written) else named.name if isinstance(named, Name) else ""
        )
    if kind not in CAST_TYPES:
        near = nearest(kind, CAST_TYPES)
        compilation.faults.add("MP217", scope.file, given.span, type=kind, near=near or "-")
        return None
    if value is None:
        return None
    source = value.get

    def get(frame: Frame) -> Item:
        return cast(frame[0], mark, source(frame), kind)

    return Value(get, kind, slots=value.slots, is_path=value.is_path, conditions=value.conditions)


def _translate(compilation: Compilation, scope: Scope, given: Invocation, mark: RuleMark) -> Value | None:
    if not _counted(compilation, scope, given, 2, 3):
        return None
    value = parameter(compilation, scope, given.parameters[0], mark)
    named = given.parameters[1]
    output = given.parameters[2] if len(given.parameters) == 3 else Written(value="code", kind="string")
    if not isinstance(named, Written) or not isinstance(output, Written):
        compilation.faults.add(
            "MP211",
            scope.file,
            given.span,
            transform="translate",
            wanted="a ConceptMap url and a type in quotes",
        )
        return None
    if output.value not in TRANSLATE_OUTPUTS:
        near = nearest(str(output.value), TRANSLATE_OUTPUTS)
        compilation.faults.add("MP217", scope.file, output.span, type=str(output.value), near=near or "-")
        return None
    table = compilation.library.concept_map(scope.file, str(named.value))
    if table is None:
        near = nearest(str(named.value), compilation.library.concept_map_urls(scope.file))
        compilation.faults.add("MP218", scope.file, named.span, table=str(named.value), near=near or "-")
        return None
    if value is None:
        return None
    source, kind = value.get, str(output.value)

    def get(frame: Frame) -> Item:
        return translate(frame[0], mark, source(frame), table, kind)

    return Value(get, "string" if kind == "display" else kind, slots=value.slots, is_path=value.is_path)


def _evaluate(compilation: Compilation, scope: Scope, given: Invocation, mark: RuleMark) -> Value | None:
    if not _counted(compilation, scope, given, 1, 2):
        return None
    focus = None
    if len(given.parameters) == 2:
        focus = parameter(compilation, scope, given.parameters[0], mark)
        if focus is None:
            return None
    last = given.parameters[-1]
    tree = _tree_of(compilation, scope, last)
    evaluate = None if tree is None else expressions.expression(compilation, scope, tree, mark)
    if evaluate is None or tree is None:
        return None
    about = focus.get if focus is not None else None
    around = scope.focus

    def get(frame: Frame) -> Item:
        value = about(frame) if about else frame[around.slot] if around else None
        found = evaluate(frame, value)
        return found[0] if len(found) == 1 else found or None

    slots = focus.slots if focus is not None else ()
    return Value(
        get, expressions.kind_of(tree), slots=slots, is_path=True, is_list=True,
        is_condition=not expressions.gives_source(tree), conditions=expressions.condition_names(tree),
    )  # fmt: skip


def _tree_of(compilation: Compilation, scope: Scope, given: Parameter) -> Item:
    """Return the expression that `evaluate` is given: itself, or the one inside of a text, as R4 maps do."""
    if isinstance(given, Expression):
        return given.tree
    if isinstance(given, Name):
        from adapter.fhirpath.tree import Member

        return Member(target=None, name=given.name, span=given.span)
    from adapter.errors import AdapterError
    from adapter.fhirpath.parser import parse

    if given.kind != "string":
        return PathLiteral(kind=given.kind, text=str(given.value), span=given.span)
    try:
        return parse(str(given.value))
    except AdapterError as error:
        compilation.faults.add(error.code, scope.file, given.span, **error.issue.params)
        return None


_SPECIAL: dict[str, Callable[[Compilation, Scope, Invocation, Item], Value | None]] = {
    "copy": _copy,
    "cast": _cast,
    "translate": _translate,
    "evaluate": _evaluate,
}


# Putting values


def put(
    compilation: Compilation,
    scope: Scope,
    target: Target,
    value: Value,
    mark: RuleMark,
    *,
    name: str | None = None,
) -> Action:
    """Compile the assignment of a value to the target."""
    holder_shape, element = slot_of(compilation, scope, target, mark)
    var = scope.bind(name, "target", value.shape, value.kind) if name else None
    if not target.path:
        return _put_itself(compilation, scope, target, value, mark, var.slot if var else None)
    kind = _value_kind(compilation, scope, target, element, value)
    prepare = _preparing(compilation, holder_shape, element, kind, value)
    hold = _holder(scope, compilation, target)
    key = target.path[-1]
    if element is not None and element.is_choice:
        key = element.key(kind) if kind else ""
    store = _store(key, element, kind, mark)
    slot = var.slot if var else None
    if value.is_constant and not compilation.traced and slot is None and element is not None:
        try:
            constant = prepare(value.constant)
        except RunFault as fault:
            if not (kind and _clashes(compilation, kind, value)):  # which is a fault by itself
                compilation.faults.add(fault.code, scope.file, target.span, rule=mark.rule, **fault.params)
            return _nothing

        if len(target.path) == 1 and not element.is_list and key:
            return _put_constant(scope.vars[target.context or ""].slot, key, constant, mark)

        def put_constant(frame: Frame) -> None:
            node = hold(frame)
            if node is not None:
                store(frame, node, constant)

        return put_constant
    if compilation.traced:
        return _traced_put(scope, hold, value, prepare, store, key, slot, mark)
    get = value.get
    is_direct = slot is None and len(target.path) == 1 and not value.is_list
    if is_direct and element is not None and _takes_text(compilation, holder_shape, element, kind):
        return _put_text(scope.vars[target.context or ""].slot, key, value, element.is_list, mark)

    def put_value(frame: Frame) -> None:
        node = hold(frame)
        if node is None:
            return
        try:
            found = get(frame)
            if found is not None:
                found = prepare(found)
        except RunFault as fault:
            frame[0].fault(fault.code, mark, None, **fault.params)
            return
        if slot is not None:
            frame[slot] = found
        if found is not None:
            store(frame, node, found)

    return put_value


def _takes_text(compilation: Compilation, holder: Shape | None, element: Slot, kind: str | None) -> bool:
    """True if the element's one type is a primitive that is text."""
    if holder is None or kind is None or element.is_choice or fit(kind) is not text:
        return False
    shape = compilation.models.of_element(holder, kind)
    return shape is not None and shape.is_primitive


def _put_constant(holder: int, key: str, constant: Item, mark: RuleMark) -> Action:
    def put_constant(frame: Frame) -> None:
        node = frame[holder]
        if node is None:
            return
        if key in node and node[key] != constant:
            frame[0].fault("MP305", mark, None, element=key)
        node[key] = constant

    return put_constant


def _put_text(holder: int, key: str, value: Value, is_list: bool, mark: RuleMark) -> Action:
    """Put a text into an element of a variable: the rule that maps are full of."""
    get = value.get

    def put_text(frame: Frame) -> None:
        node = frame[holder]
        if node is None:
            return
        try:
            found = get(frame)
            if found.__class__ is not str:
                found = text(found)
        except RunFault as fault:
            frame[0].fault(fault.code, mark, None, **fault.params)
            return
        if found is None:
            return
        there = node.get(key)
        if is_list:
            if there is None:
                node[key] = [found]
            else:
                there.append(found)
            return
        if there is not None and there != found:
            frame[0].fault("MP305", mark, None, element=key)
        node[key] = found

    return put_text


def _put_itself(
    compilation: Compilation, scope: Scope, target: Target, value: Value, mark: RuleMark, slot: int | None
) -> Action:
    """Compile `tgt = value`, where `tgt` is a primitive that somebody made: its value is set."""
    there = scope.vars[target.context or ""]
    shape = there.shape
    if shape is not None and not shape.is_primitive and not value.is_list and value.shape is not shape:
        compilation.faults.add("MP219", scope.file, target.span, variable=target.context, type=shape.name)
    prepare = fit(shape.name) if shape is not None and shape.is_primitive else copy_of

    def store(_: Frame, node: Item, found: Item) -> int | None:
        if isinstance(found, dict):
            node.update(found)
        else:
            node["value"] = found
        return None

    at = there.slot

    def hold(frame: Frame) -> Item:
        return frame[at]

    if compilation.traced:
        return _traced_put(scope, hold, value, prepare, store, "value", slot, mark)
    get = _safely(value, mark, False)

    def put_value(frame: Frame) -> None:
        node, found = hold(frame), get(frame)
        if node is not None and found is not None:
            try:
                store(frame, node, prepare(found))
            except RunFault as fault:
                frame[0].fault(fault.code, mark, None, **fault.params)
        if slot is not None:
            frame[slot] = found

    return put_value


def _value_kind(
    compilation: Compilation, scope: Scope, target: Target, element: Slot | None, value: Value
) -> str | None:
    """Decide the type under which a value goes into its element; None if only the value itself can tell."""
    if element is None:
        return None
    if len(element.types) == 1:
        kind = element.types[0]
        if value.kind and _clashes(compilation, kind, value):
            compilation.faults.add(
                "MP212", scope.file, target.span, type=value.kind, element=element.name, wanted=kind
            )
        return kind
    known = value.shape.name if value.shape is not None else value.kind
    if known is None:
        return None
    if known in element.types:
        return known
    if known == "string" and not {"string"} & set(element.types):
        return None
    if compilation.models.named(known) is not None and not value.is_list:
        compilation.faults.add(
            "MP212",
            scope.file,
            target.span,
            type=known,
            element=element.name,
            wanted=" | ".join(element.types[:6]),
        )
    return None


def _clashes(compilation: Compilation, kind: str, value: Value) -> bool:
    """True if a value of a known complex type is put where another type stands, or the other way round."""
    models = compilation.models
    wanted, given = models.named(kind), models.named(value.kind or "")
    if wanted is None or given is None:
        return False
    if wanted.is_primitive or given.is_primitive:
        return wanted.is_primitive != given.is_primitive
    return not (models.is_a(given.name, wanted.name) or wanted.is_abstract)


def _preparing(
    compilation: Compilation, shape: Shape | None, element: Slot | None, kind: str | None, value: Value
) -> Callable[[Item], Item]:
    """Return what turns a found value into what the element holds."""
    if kind is None or shape is None:
        return _any_of(element)
    made = compilation.models.of_element(shape, kind)
    if made is None or not made.is_primitive:
        return _complex
    if value.kind == kind or (
        value.kind in ("string", "code", "uuid", "uri", "id") and fit(kind) is fit("string")
    ):
        one = _identity if value.is_constant else fit(kind)
    else:
        one = fit(kind)
    if element is not None and element.is_list:
        return lambda found: [one(item) for item in found] if isinstance(found, list) else one(found)
    return one


def _identity(value: Item) -> Item:
    return value


def _complex(value: Item) -> Item:
    if isinstance(value, list):
        return [_complex(one) for one in value]
    if not isinstance(value, dict):
        raise RunFault("MP314")
    return copy_of(value)


def _any_of(element: Slot | None) -> Callable[[Item], Item]:
    """Prepare a value for a choice, or for a place no type is known of: leaves as they are."""

    def prepare(value: Item) -> Item:
        if (
            element is not None
            and isinstance(value, dict)
            and leaf_key(value)
            and getattr(value, "type", 0) is None
        ):
            return plain(value)
        return copy_of(value)

    return prepare


def type_of_value(value: Item, types: Sequence[str]) -> str | None:
    """Choose among the types of a choice element by what the value is."""
    if isinstance(value, Made) and value.shape is not None:
        return value.shape.name
    candidates: tuple[str, ...]
    if isinstance(value, bool):
        candidates = ("boolean",)
    elif isinstance(value, int):
        candidates = ("integer", "positiveInt", "unsignedInt", "decimal")
    elif isinstance(value, str):
        candidates = ("string", "code", "uri", "id", "markdown", "dateTime", "date")
    elif isinstance(value, dict):
        candidates = _dict_types(value)
    else:
        candidates = ("decimal",)
    return next((kind for kind in candidates if kind in types), None)


def _dict_types(value: dict[str, Item]) -> tuple[str, ...]:
    if "coding" in value or set(value) == {"text"}:
        return ("CodeableConcept",)
    if "reference" in value:
        return ("Reference",)
    if "code" in value and not {"value", "unit"} & set(value):
        return ("Coding", "Quantity")
    if {"start", "end"} & set(value):
        return ("Period",)
    return ("Quantity", "Identifier") if "value" in value else ()


def _store(key: str, element: Slot | None, kind: str | None, mark: RuleMark) -> Item:
    """Return what puts a prepared value under its key; it gives the index, where the element is a list."""

    def into_list(_: Frame, node: Item, value: Item) -> int | None:
        there = node.get(key)
        if there is None:
            there = node[key] = []
        if value.__class__ is list:
            there.extend(value)
        else:
            there.append(value)
        return len(there) - 1

    def into_single(frame: Frame, node: Item, value: Item) -> int | None:
        if value.__class__ is list:
            frame[0].fault("MP312", mark, None, count=len(value))
            return None
        if key in node and node[key] != value:
            frame[0].fault("MP305", mark, None, element=key)
        node[key] = value
        return None

    def into_choice(frame: Frame, node: Item, value: Item) -> int | None:
        chosen = type_of_value(value, element.types if element else ())
        if chosen is None or element is None:
            frame[0].fault("MP315", mark, None, element=element.name if element else key)
            return None
        node[element.key(chosen)] = value
        return None

    def into_open(_: Frame, node: Item, value: Item) -> int | None:
        if value.__class__ is list:
            for one in value:
                add_open(node, key, one)
        else:
            add_open(node, key, value)
        there = dict.get(node, key)
        return len(there) - 1 if isinstance(there, list) else None

    if element is None:
        return into_open
    if element.is_choice and kind is None:
        return into_choice
    return into_list if element.is_list else into_single


def _safely(value: Value, mark: RuleMark, traced: bool) -> Callable[[Frame], Item]:
    get = value.get

    def safely(frame: Frame) -> Item:
        try:
            return get(frame)
        except RunFault as fault:
            frame[0].fault(
                fault.code,
                mark,
                _first_place(frame[0], origins(frame, value)) if traced else None,
                **fault.params,
            )
            return None

    return safely


# The traced build


def origins(frame: Frame, value: Value) -> tuple[Item, ...]:
    """Return the source leaves that a value was made of, after it was made."""
    run: Run = frame[0]
    found: list[Item] = []
    for slot in value.slots:
        there, origin = frame[slot], frame[slot + 1]
        if origin is not None:
            found.append(origin)
        elif isinstance(there, Watched) and not value.is_path:
            key = leaf_key(there)
            found.append((there, key, None))
    if value.is_path:
        found.extend(one for one in run.log if one[1] is not None)
    return _distinct(found)


def _distinct(found: list[Item]) -> tuple[Item, ...]:
    known: dict[tuple[int, Item, Item], Item] = {}
    for node, key, index in found:
        known.setdefault((id(node), key, index), (node, key, index))
    return tuple(known.values())


def _in_value(run: Run, value: Value, found: tuple[Item, ...]) -> tuple[Item, ...]:
    """Keep the leaves that are in the value; those that only decided about it were tested."""
    if value.is_condition:
        run.met.extend(looked_at(run.log))
        return ()
    if not value.conditions:
        return found
    run.met.extend(one for one in found if one[1] in value.conditions)
    return tuple(one for one in found if one[1] not in value.conditions)


def _chosen(run: Run, found: tuple[Item, ...], value: Item) -> tuple[Item, ...]:
    """Of the leaves that were looked at, keep those that are the very value; else all of them."""
    if len(found) < 2:
        return found
    same = tuple(one for one in found if one[1] is not None and _leaf(one) is value)
    if not same:
        return found
    run.met.extend(one for one in found if one not in same)
    return same[-1:]


def _leaf(origin: Item) -> Item:
    node, key, index = origin
    value = dict.get(node, key)
    return value[index] if index is not None and isinstance(value, list) else value


def _first_place(run: Run, found: tuple[Item, ...]) -> str | None:
    return run.place_of(found[-1], None) if found else None


def _traced_put(
    scope: Scope,
    hold: Callable[[Frame], Item],
    value: Value,
    prepare: Callable[[Item], Item],
    store: Item,
    key: str,
    slot: int | None,
    mark: RuleMark,
) -> Action:
    focus = scope.focus

    def put_traced(frame: Frame) -> None:
        run: Run = frame[0]
        node = hold(frame)
        if node is None:
            return
        run.log.clear()
        run.row = None
        noted = len(run.issues)
        context = _context(frame, focus)
        try:
            found = value.get(frame)
            log = list(run.log)
            made = None if found is None else prepare(found)
            run.log[:] = log
        except RunFault as fault:
            where = origins(frame, value)
            run.met.extend(where)
            run.fault(
                fault.code, mark, _first_place(run, where) or run.place_of(context, None), **fault.params
            )
            return
        where = _chosen(run, _in_value(run, value, origins(frame, value)), found)
        if slot is not None:
            frame[slot], frame[slot + 1] = made, where[0] if len(where) == 1 else None
        if made is None:
            run.met.extend(where)
            run.place_issues(noted, where, context)
            return
        index = store(frame, node, made)
        run.place_issues(noted, where, context)
        _write(run, node, _key_written(node, key, made), index, found, made, where, mark, context)

    return put_traced


def _key_written(node: dict[str, Item], key: str, made: Item) -> str:
    """Return the key a value went to; of a choice it is known only now."""
    if key in node:
        return key
    for name, there in dict.items(node):
        if there is made:
            return name
    return key


def _context(frame: Frame, focus: Item) -> Item:
    if focus is None:
        return None
    value, origin = frame[focus.slot], frame[focus.slot + 1]
    if origin is not None:
        return origin
    return (value, None, None) if isinstance(value, Watched) else None


def _write(
    run: Run, node: Item, key: str, index: int | None, found: Item, made: Item, where: tuple[Item, ...],
    mark: RuleMark, context: Item,
) -> None:  # fmt: skip
    """Note which target leaf came from which source leaves; a copied part is noted leaf by leaf."""
    writes = run.writes
    if writes is None:
        return
    if isinstance(made, list) and index is not None:
        first = index - len(made) + 1
        for at, one in enumerate(made):
            source = found[at] if isinstance(found, list) and at < len(found) else found
            _write(run, node, key, first + at, source, one, _chosen_item(where, source), mark, context)
        return
    if isinstance(found, Watched) and isinstance(made, dict):
        for below, origin in _leaves_below(found, ()):
            writes.append(Write(node, key, index, (origin,), mark, context, None, below))
        return
    writes.append(Write(node, key, index, where, mark, context, run.row))


def _chosen_item(where: tuple[Item, ...], value: Item) -> tuple[Item, ...]:
    same = tuple(one for one in where if one[1] is not None and _leaf(one) is value)
    return same[:1] or where


def _leaves_below(node: Item, way: tuple[str | int, ...]) -> Item:
    for key, value in dict.items(node):
        if isinstance(value, list):
            for at, one in enumerate(value):
                if isinstance(one, dict):
                    yield from _leaves_below(one, (*way, key, at))
                else:
                    yield (*way, key, at), (node, key, at)
        elif isinstance(value, dict):
            yield from _leaves_below(value, (*way, key))
        else:
            yield (*way, key), (node, key, None)
