"""Elements by name: what `.name` means on items of the types that can come.

Of one known type the element is looked up here; an abstract type, or several, are read item by item. In
strict mode a name that no type has is refused; in lenient mode it is empty.
FHIRPath 2.0.0, "Path Selection"; R4 fhirpath.html for choices and primitives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.fhir.types import r4
from adapter.fhirpath.code import Code, Static, constant, first_of
from adapter.fhirpath.faults import nearest
from adapter.fhirpath.kinds import is_open
from adapter.fhirpath.operands import system_values
from adapter.fhirpath.paths import beside, dynamic_member, member
from adapter.fhirpath.typetest import of_type

if TYPE_CHECKING:
    from collections.abc import Iterable

    from adapter.fhirpath.compilation import Compilation
    from adapter.fhirpath.tree import Member


def first_name(compilation: Compilation, tree: Member, focus: Code) -> Code:
    """Compile the name an expression begins with: a type that the focus must have, or an element of it."""
    return (_root if _names_type(tree.name, focus.static) else step)(compilation, tree, focus)


def _names_type(name: str, static: Static) -> bool:
    """True if a first name is the type of the focus, not an element."""
    table = r4()
    if not name[:1].isupper() or table.type(name) is None:
        return False
    only = static.only
    definition = None if only is None else table.type(only)
    return definition is None or name not in definition.elements


def _root(compilation: Compilation, tree: Member, focus: Code) -> Code:
    only = focus.static.only
    if only is not None and r4().is_a(only, tree.name):
        return focus
    if only is None or is_open(only):
        return of_type(focus, (tree.name,))
    if compilation.strict:
        raise compilation.fault("FP203", tree, name=tree.name, type=only, nearest="-")
    return constant([], ())


def step(compilation: Compilation, tree: Member, source: Code) -> Code:
    """Compile `.name` on `source`. Raises Malformed FP203."""
    static, name = source.static, tree.name
    if static.types == ():
        return constant([], ())
    only = static.only
    if only is None or is_open(only) or only.startswith("System."):
        return _open_step(compilation, tree, source)
    definition = r4().type(only)
    if definition is None:
        return dynamic_member(source, name)
    if definition.is_primitive:
        return _primitive_step(compilation, tree, source, only)
    element = definition.elements.get(name)
    if element is None:
        return _unknown(compilation, tree, only, definition.elements)
    return member(source, element)


def _open_step(compilation: Compilation, tree: Member, source: Code) -> Code:
    """Compile `.name` where the type shows only at run time."""
    static, name = source.static, tree.name
    kinds = static.types
    if kinds is None or any(_may_have(kind, name) for kind in kinds):
        return dynamic_member(source, name)
    known = [definition.elements for kind in kinds if (definition := r4().type(kind)) is not None]
    found = [elements[name] for elements in known if name in elements]
    if not found:
        every = [name for elements in known for name in elements]
        return _unknown(compilation, tree, " | ".join(kinds[:4]), every)
    code = dynamic_member(source, name)
    return first_of(code) if static.is_single and not any(element.is_list for element in found) else code


def _may_have(kind: str, name: str) -> bool:
    """True if items of a type may have an element of which the type itself does not tell."""
    definition = r4().type(kind)
    if definition is None or definition.abstract or kind in ("System.Quantity", "System.TypeInfo"):
        return True
    return definition.is_primitive and name in ("id", "extension", "value")


def _primitive_step(compilation: Compilation, tree: Member, source: Code, only: str) -> Code:
    if tree.name in ("id", "extension"):
        return beside(source, tree.name)
    if tree.name == "value":
        return system_values(source)
    return _unknown(compilation, tree, only, ("id", "extension"))


def _unknown(compilation: Compilation, tree: Member, type_name: str, known: Iterable[str]) -> Code:
    if compilation.strict:
        near = nearest(tree.name, known)
        raise compilation.fault("FP203", tree, name=tree.name, type=type_name, nearest=near)
    return constant([], ())
