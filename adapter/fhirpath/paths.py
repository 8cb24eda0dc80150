"""Steps of a path, compiled: `.name` on items whose type is known, and on items whose type is not.

For a known type the closures read the JSON keys directly and give plain JSON on; that is what makes paths
fast. FHIRPath 2.0.0, "Path Selection"; R4 fhirpath.html for choices and primitives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter.errors import Malformed
from adapter.fhir.types import r4
from adapter.fhirpath.code import ANY, Code, Static
from adapter.fhirpath.navigate import choice_keys, choice_reader, own_type, read, read_sibling
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
    is_list = element.is_list
    if element.is_choice:
        return _choice(source, element)
    kind = own_type(element, element.types[0])
    is_primitive = r4().is_primitive(kind)
    name = element.name
    if source.is_scalar:
        # A step from the focus itself is spared a call.
        above = None if source.is_this else source.one
        static = Static((kind,), is_single=not is_list)
        if not is_list:
            one = _primitive_of_one(above, name, kind) if is_primitive else _part_of_one(above, name)
            return Code(static, one=one)
        many = _primitives_of_one(above, name, kind) if is_primitive else _parts_of_one(above, name)
        return Code(static, many=many)
    static = Static((kind,), is_ordered=source.static.is_ordered)
    if is_primitive:
        return Code(static, many=_primitives_of_many(source.many, name, kind))
    return Code(static, many=_parts_of_many(source.many, name))


def _part_of_one(source: Source, name: str) -> Any:  # noqa: ANN401
    def part(this: Item, run: Run) -> Item | None:
        parent = this if source is None else source(this, run)
        if not isinstance(parent, dict):
            return None
        found = parent.get(name)
        if found.__class__ is list:
            raise shape_error(name)
        return found

    return part


def _primitive_of_one(source: Source, name: str, kind: str) -> Any:  # noqa: ANN401
    under = f"_{name}"

    def primitive(this: Item, run: Run) -> Item | None:
        parent = this if source is None else source(this, run)
        if not isinstance(parent, dict):
            return None
        found = parent.get(name)
        if found.__class__ is list:
            raise shape_error(name)
        if under in parent:
            beside = parent[under]
            return Element(found, kind, beside if isinstance(beside, dict) else None)
        return found

    return primitive


def _parts_of_one(source: Source, name: str) -> Any:  # noqa: ANN401
    def parts(this: Item, run: Run) -> list[Item]:
        parent = this if source is None else source(this, run)
        if not isinstance(parent, dict):
            return []
        found = parent.get(name)
        if found is None:
            return []
        if found.__class__ is not list:
            raise shape_error(name)
        return found

    return parts


def _parts_of_many(source: Callable[[Item, Run], list[Item]], name: str) -> Any:  # noqa: ANN401
    def parts(this: Item, run: Run) -> list[Item]:
        parents = source(this, run)
        if not parents:
            return parents
        run.left -= len(parents)
        if run.left < 0:
            run.pay()
        out: list[Item] = []
        for parent in parents:
            if isinstance(parent, dict):
                found = parent.get(name)
                if found is None:
                    continue
                if found.__class__ is list:
                    out += found
                else:
                    out.append(found)
        return out

    return parts


def _with_siblings(values: Json, besides: Json, kind: str) -> list[Item]:
    """The items of a repeating primitive, nulls and what stands beside included."""
    values = values if isinstance(values, list) else []
    besides = besides if isinstance(besides, list) else []
    out: list[Item] = []
    for place in range(max(len(values), len(besides))):
        value = values[place] if place < len(values) else None
        beside = besides[place] if place < len(besides) else None
        if beside is not None:
            out.append(Element(value, kind, beside if isinstance(beside, dict) else None))
        elif value is not None:
            out.append(value)
    return out


def _primitives_of_one(source: Source, name: str, kind: str) -> Any:  # noqa: ANN401
    under = f"_{name}"

    def primitives(this: Item, run: Run) -> list[Item]:
        parent = this if source is None else source(this, run)
        if not isinstance(parent, dict):
            return []
        found = parent.get(name)
        if under in parent:
            return _with_siblings(found, parent[under], kind)
        if found is None:
            return []
        if found.__class__ is not list:
            raise shape_error(name)
        return [item for item in found if item is not None] if None in found else found

    return primitives


def _primitives_of_many(source: Callable[[Item, Run], list[Item]], name: str, kind: str) -> Any:  # noqa: ANN401
    under = f"_{name}"

    def primitives(this: Item, run: Run) -> list[Item]:
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
            if under in parent:
                beside = parent[under]
                if isinstance(found, list) or isinstance(beside, list):
                    out += _with_siblings(found, beside, kind)
                else:
                    out.append(Element(found, kind, beside if isinstance(beside, dict) else None))
            elif found.__class__ is list:
                out += [item for item in found if item is not None] if None in found else found
            elif found is not None:
                out.append(found)
        return out

    return primitives


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
                return Element(value, kind, parent.get(f"_{key}") if key in primitive else None)
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


def beside(source: Code, name: str, kind: str) -> Code:
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

    if static.is_single:

        def one(this: Item, run: Run) -> Item | None:
            found = many(this, run)
            return found[0] if found else None

        return Code(static, one=one)
    return Code(static, many=many)


def dynamic_member(source: Code, name: str, static: Static = ANY) -> Code:
    """Compile the step to `name` from items that tell their own type."""
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
