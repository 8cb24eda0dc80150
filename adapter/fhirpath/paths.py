"""Steps of a path, compiled: `.name` on items whose type is known, and on items whose type is not.

For a known type the closures read the JSON keys directly and give plain JSON on; that is what makes paths
fast. FHIRPath 2.0.0, "Path Selection"; R4 fhirpath.html for choices and primitives.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from adapter.errors import Malformed
from adapter.fhir.types import r4
from adapter.fhirpath.code import Code, Static, first_of
from adapter.fhirpath.kinds import own_type
from adapter.fhirpath.navigate import choice_keys, choice_reader, read, read_sibling
from adapter.fhirpath.values import Element

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.fhir.types import ElementDef
    from adapter.fhirpath.run import Run
    from adapter.fhirpath.values import Item, Json

    Source = Callable[[Item, Run], Item | None] | None


def shape_error(name: str) -> Malformed:
    """Make the error for a resource whose JSON is not of the shape its type demands."""
    return Malformed("FP307", params={"name": name})


def member(source: Code, element: ElementDef) -> Code:
    """Compile the step to `element` from items of its one, known type."""
    if element.is_choice:
        return _choice(source, element)
    kind, name, is_list = own_type(element, element.types[0]), element.name, element.is_list
    primitive = kind if r4().is_primitive(kind) else None
    if not source.is_scalar:
        static = Static((kind,), is_ordered=source.static.is_ordered)
        return Code(static, many=_all_of_many(source.many, name, primitive))
    # A step from the focus itself is spared a call.
    above = None if source.is_this else source.one
    static = Static((kind,), is_single=not is_list)
    if is_list:
        return Code(static, many=_all_of_one(above, name, primitive))
    return Code(static, one=_one_of_one(above, name, primitive))


# In the three below, `primitive` is the type of a primitive, which may have an `_name` beside it; or None.


def _one_of_one(source: Source, name: str, primitive: str | None) -> Any:  # noqa: ANN401
    under = None if primitive is None else f"_{name}"

    def one(this: Item, run: Run) -> Item | None:
        parent = this if source is None else source(this, run)
        if not isinstance(parent, dict):
            return None
        found = parent.get(name)
        if found.__class__ is list:
            raise shape_error(name)
        if under is not None and under in parent:
            beside = parent[under]
            return Element(found, primitive, beside if isinstance(beside, dict) else None)
        return found

    return one


def _all_of_one(source: Source, name: str, primitive: str | None) -> Any:  # noqa: ANN401
    under = None if primitive is None else f"_{name}"

    def all_(this: Item, run: Run) -> list[Item]:
        parent = this if source is None else source(this, run)
        if not isinstance(parent, dict):
            return []
        found = parent.get(name)
        if under is not None and under in parent:
            return _with_siblings(found, parent[under], primitive)
        if found is None:
            return []
        if found.__class__ is not list:
            raise shape_error(name)
        return found if under is None or None not in found else list(filter(_is_there, found))

    return all_


def _all_of_many(
    source: Callable[[Item, Run], list[Item]], name: str, primitive: str | None
) -> Callable[[Item, Run], list[Item]]:
    under = None if primitive is None else f"_{name}"

    def all_(this: Item, run: Run) -> list[Item]:
        parents = source(this, run)
        if not parents:
            return parents
        run.left -= len(parents)
        if run.left < 0:
            run.pay()
        out: list[Item] = []
        for parent in parents:
            if not isinstance(parent, dict):
                continue
            found = parent.get(name)
            if under is not None and under in parent:
                out += _with_siblings(found, parent[under], primitive)
            elif found.__class__ is list:
                out += found if under is None or None not in found else filter(_is_there, found)
            elif found is not None:
                out.append(found)
        return out

    return all_


def _is_there(item: Item) -> bool:
    return item is not None


def _with_siblings(value: Json, beside: Json, kind: str | None) -> list[Item]:
    """The items of a primitive with what stands beside it, nulls included where that has something."""
    if not (isinstance(value, list) or isinstance(beside, list)):
        return [Element(value, kind, beside if isinstance(beside, dict) else None)]
    values = value if isinstance(value, list) else []
    besides = beside if isinstance(beside, list) else []
    out: list[Item] = []
    for one, other in zip_longest(values, besides):
        if other is not None:
            out.append(Element(one, kind, other if isinstance(other, dict) else None))
        elif one is not None:
            out.append(one)
    return out


_FEW = 3
"""Up to so many keys it is quicker to ask for each than to look through the object."""


def _choice(source: Code, element: ElementDef) -> Code:
    keys = choice_keys(element)
    types = tuple(dict.fromkeys(keys.values()))
    reader = choice_reader(element)
    name = element.name
    if source.is_scalar and not element.is_list:
        inner = source.one
        primitive = {key for key, kind in keys.items() if r4().is_primitive(kind)}
        listed = tuple(keys)

        def one(this: Item, run: Run) -> Item | None:
            parent = inner(this, run)
            if not isinstance(parent, dict):
                return None
            for key in listed if len(listed) <= _FEW else parent:
                kind = keys.get(key)
                if kind is None:
                    continue
                value = parent.get(key)
                if value is None:
                    continue
                if value.__class__ is list:
                    raise shape_error(name)
                beside = parent.get(f"_{key}") if key in primitive else None
                return Element(value, kind, beside if isinstance(beside, dict) else None)
            out: list[Item] = []
            for key in parent:
                if key[:1] == "_" and key[1:] in primitive:
                    reader(parent, out)
                    break
            return out[0] if out else None

        return Code(Static(types, is_single=True), one=one)
    several = source.many

    def many(this: Item, run: Run) -> list[Item]:
        out: list[Item] = []
        parents = several(this, run)
        run.charge(len(parents))
        for parent in parents:
            if isinstance(parent, dict):
                reader(parent, out)
        return out

    return Code(Static(types, is_ordered=source.static.is_ordered), many=many)


def beside(source: Code, name: str) -> Code:
    """Compile `.id` or `.extension` of primitives."""
    is_list = name == "extension"
    static = Static(
        ("Extension" if is_list else "string",),
        is_single=source.static.is_single and not is_list,
        is_ordered=source.static.is_ordered,
    )
    several = source.many

    def many(this: Item, run: Run) -> list[Item]:
        found: list[Item] = []
        for item in several(this, run):
            if item.__class__ is Element and item.sibling is not None:
                read_sibling(item.sibling, name, found)
        return [one.value for one in found] if is_list else found

    code = Code(static, many=many)
    return first_of(code) if static.is_single else code


def dynamic_member(source: Code, name: str) -> Code:
    """Compile the step to `name` from items that tell their own type."""
    static = Static(None, is_ordered=source.static.is_ordered)
    if source.is_scalar:
        inner = source.one

        def from_one(this: Item, run: Run) -> list[Item]:
            parent = inner(this, run)
            out: list[Item] = []
            if parent is not None:
                read(parent, name, out)
            run.left -= len(out)
            if run.left < 0:
                run.pay()
            return out

        return Code(static, many=from_one)
    several = source.many

    def from_many(this: Item, run: Run) -> list[Item]:
        parents = several(this, run)
        out: list[Item] = []
        for parent in parents:
            if parent is not None:
                read(parent, name, out)
        run.left -= len(parents) + len(out)
        if run.left < 0:
            run.pay()
        return out

    return Code(static, many=from_many)
