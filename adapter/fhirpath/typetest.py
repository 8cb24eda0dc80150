"""Tests of type: `is`, `as` and `ofType`, as operators and as functions.

What a type is known to be is decided here; only the rest is asked of each item.
FHIRPath 2.0.0, "Types", ofType(); R4 fhirpath.html.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.fhir.types import r4
from adapter.fhirpath.code import BOOLEAN, Code, Static, constant, mapped
from adapter.fhirpath.faults import nearest
from adapter.fhirpath.kinds import QUANTITIES, SYSTEM_NAMES, is_leaf, is_of, is_open, is_self_telling
from adapter.fhirpath.operands import at_most_one
from adapter.fhirpath.plain import type_of
from adapter.fhirpath.tree import Tree, TypeTest
from adapter.fhirpath.values import Element

if TYPE_CHECKING:
    from adapter.fhirpath.compilation import Compilation
    from adapter.fhirpath.run import Run
    from adapter.fhirpath.values import Item


def type_test(compilation: Compilation, tree: Tree, source: Code, name: str, operator: str) -> Code:
    """Compile `is`, `as` or `ofType`, given the name of the type. Raises Malformed FP204, FP212."""
    types = _meant(compilation, tree, source, name)
    if operator == "is":
        return _is(at_most_one(compilation, tree, source, "is"), types)
    if operator == "ofType":
        return of_type(source, types, exact=True)
    if compilation.strict and isinstance(tree, TypeTest) and not _can_be(source.static, types):
        raise compilation.fault("FP212", tree, found=str(source.static.one), type=name)
    # `descendants().as(uri)` stands in R4's own dom-3, so items without order are filtered.
    if source.static.is_single or not source.static.is_ordered:
        return of_type(source, types, exact=True)
    return of_type(at_most_one(compilation, tree, source, operator), types, exact=True)


def _meant(compilation: Compilation, tree: Tree, source: Code, name: str) -> tuple[str, ...]:
    """The types a specifier means; several, if it may mean FHIR's and the System's."""
    table = r4()
    if compilation.is_foreign and source.static.types is None:
        # A tree of another model may have types of its own.
        last = name.rpartition(".")[2]
        if table.type(last) is None and last not in SYSTEM_NAMES:
            return (name,)
    bare = name.removeprefix("System.").removeprefix("FHIR.")
    is_fhir, is_system = table.type(bare) is not None, bare in SYSTEM_NAMES
    types: tuple[str, ...]
    if name.startswith("System."):
        types = (name,) if is_system or is_fhir else ()
    else:
        types = (bare,) if is_fhir or bare in QUANTITIES else ()
        if is_system and not name.startswith("FHIR."):
            types += (f"System.{bare}",)
    if not types:
        known = [*table.names(), *SYSTEM_NAMES]
        raise compilation.fault("FP204", tree, name=name, nearest=nearest(name, known))
    return types


def _can_be(static: Static, types: tuple[str, ...]) -> bool:
    if not static.types:
        return True
    is_a = r4().is_a
    pairs = ((kind, wanted) for kind in static.types for wanted in types)
    return any(kind == wanted or is_a(kind, wanted) or is_a(wanted, kind) for kind, wanted in pairs)


def _is(source: Code, types: tuple[str, ...]) -> Code:
    inner, only = source.one, source.static.only
    if only is not None and not is_open(only):
        answer = is_of(only, types)

        def known(this: Item, run: Run) -> bool | None:
            return None if inner(this, run) is None else answer

        return Code(BOOLEAN, one=known)

    def one(this: Item, run: Run) -> bool | None:
        item = inner(this, run)
        return None if item is None else is_of(type_of(item), types)

    return Code(BOOLEAN, one=one)


def of_type(source: Code, types: tuple[str, ...], *, exact: bool = False) -> Code:
    """Keep the items of one of `types`; with `exact`, primitives of that very type alone."""
    static = source.static
    only = static.only
    if only is not None and not is_open(only):
        return source if is_of(only, types, exact=exact) else constant([], ())
    if static.types == ():
        return source
    narrowed = _narrowed(static, types, exact=exact)
    known = None if narrowed is None or len(narrowed) > 1 else narrowed
    bare = known[0] if known and not is_self_telling(known[0]) else None
    is_primitive = bare is not None and r4().is_primitive(bare)

    def kept(item: Item) -> Item | None:
        if not is_of(type_of(item), types, exact=exact):
            return None
        if bare is None or item.__class__ is not Element:
            return item
        # A primitive with something beside it, or nothing but that, stays an Element.
        return item if is_primitive and (item.sibling is not None or item.value is None) else item.value

    return mapped(source, Static(known, is_single=static.is_single, is_ordered=static.is_ordered), kept)


def _narrowed(static: Static, types: tuple[str, ...], *, exact: bool) -> tuple[str, ...] | None:
    """The types that items can have after a filter; None if that is not known."""
    if static.types is not None and not any(is_open(kind) for kind in static.types):
        return tuple(kind for kind in static.types if is_of(kind, types, exact=exact))
    if len(types) != 1 or is_open(types[0]):
        return None
    kind = types[0]
    return (kind,) if is_leaf(kind) or (exact and r4().is_primitive(kind)) else None
