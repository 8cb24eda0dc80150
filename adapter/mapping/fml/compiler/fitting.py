"""What makes a value fit its element: the type it goes under, and the form that type wants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.mapping.fml.compiler.transforms import copy_of, fit, fit_with_beside, plain
from adapter.mapping.models import r4_shape
from adapter.mapping.nodes import Item, Node, Primitive, leaf_key
from adapter.mapping.run import Made, RunFault

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from adapter.mapping.fml.compiler.compilation import Compilation
    from adapter.mapping.fml.compiler.scope import Scope, Value
    from adapter.mapping.fml.tree import Target
    from adapter.mapping.models import Models, Shape, Slot


def value_kind(
    compilation: Compilation, scope: Scope, target: Target, element: Slot | None, value: Value
) -> str | None:
    """Decide the type under which a value goes into its element; None if only the value itself can tell."""
    if element is None:
        return None
    if len(element.types) == 1:
        kind = element.types[0]
        if value.kind and clashes(compilation, kind, value):
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


def clashes(compilation: Compilation, kind: str, value: Value) -> bool:
    """True if a value of a known complex type is put where another type stands, or the other way round."""
    models = compilation.models
    wanted, given = models.named(kind), models.named(value.kind or "")
    if wanted is None or given is None:
        return False
    if wanted.is_primitive or given.is_primitive:
        return wanted.is_primitive != given.is_primitive
    return not (models.is_a(given.name, wanted.name) or wanted.is_abstract)


def preparing(
    compilation: Compilation,
    scope: Scope,
    shape: Shape | None,
    element: Slot | None,
    kind: str | None,
    value: Value,
) -> Callable[[Item], Item]:
    """Return what turns a found value into what the element holds."""
    if kind is None or shape is None:
        return _any_of(element)
    made = shape_for(compilation, shape, kind)
    if made is not None and made.kind == "logical":
        return lambda found: _typed(whole(found), made, compilation.models)
    if made is None or not made.is_primitive:
        return whole
    is_fit = value.is_constant and _is_kind(value, made.name)
    one = _identity if is_fit else primitive_fit(scope, made)
    if element is not None and element.is_list:
        return lambda found: (
            [fitted for item in found if (fitted := one(item)) is not None]
            if isinstance(found, list)
            else one(found)
        )
    return one


def shape_for(compilation: Compilation, holder: Shape, kind: str) -> Shape | None:
    """Return the type a value is fitted to; the value of a primitive is what that primitive is.

    R4 says of some, such as unsignedInt, that their values are texts.
    """
    is_value = holder.is_primitive and kind.startswith("System.")
    return holder if is_value else compilation.models.of_element(holder, kind)


def _is_kind(value: Value, kind: str) -> bool:
    if value.kind == kind:
        return True
    return value.kind in ("string", "code", "uuid", "uri", "id") and fit(kind) is fit("string")


def primitive_fit(scope: Scope, shape: Shape) -> Callable[[Item], Item]:
    """Return what makes a leaf fit a primitive element; from FHIR it comes with what stands beside it."""
    return fit_with_beside(shape) if scope.is_fhir else fit(shape.name)


def _identity(value: Item) -> Item:
    return value


def whole(value: Item) -> Item:
    """Make a value with parts fit: a copy of it. Raises RunFault MP314 for a leaf."""
    if isinstance(value, list):
        return [whole(one) for one in value]
    if not isinstance(value, dict):
        raise RunFault("MP314")
    return copy_of(value)


def _typed(value: Item, shape: Shape, models: Models) -> Item:
    """Say of what was copied from the source which types its parts have, for whoever writes them."""
    if isinstance(value, list):
        return [_typed(one, shape, models) for one in value]
    if not isinstance(value, dict) or isinstance(value, Made):
        return value
    made = Made(shape)
    for key, part in value.items():
        slot = shape.order[key][1] if key in shape.order else None
        below = models.of_element(shape, slot.types[0]) if slot is not None and len(slot.types) == 1 else None
        made[key] = part if below is None or below.is_primitive else _typed(part, below, models)
    return made


def _any_of(element: Slot | None) -> Callable[[Item], Item]:
    """Prepare a value for a choice, or for a place no type is known of: leaves as they are."""

    def prepare(value: Item) -> Item:
        if element is None:
            return copy_of(value)
        shape = r4_shape(value.type) if isinstance(value, Node) and value.type is not None else None
        if shape is not None and shape.name in element.types:
            return _of_choice(value, shape)
        if shape is not None and shape.kind == "complex":
            raise RunFault("MP315", element=element.name)
        return plain(value) if _is_for_leaf(value, element) else copy_of(value)

    return prepare


def _of_choice(value: Node, shape: Shape) -> Made:
    """Copy what stood in a choice element of the source, and says of itself which type it is."""
    made = Made(shape)
    made.update((key, copy_of(one)) for key, one in dict.items(value))
    return made


def _is_for_leaf(value: Item, element: Slot) -> bool:
    """True for a node that says no type of its own and stands for its leaf: a v2 field, an element's text.

    A JSON object with a `value`, which alone has no line, may be a Quantity as well.
    """
    if not isinstance(value, dict) or getattr(value, "type", None) is not None:
        return False
    key = leaf_key(value)
    if key == "value" and getattr(value, "line", None) is None:
        return isinstance(value, Primitive) or type_of_value(value, element.types) is None
    return key is not None


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
