"""Variables, compiled: `%name`, `$this`, `$index`, `$total`.

FHIRPath 2.0.0, "Environment variables"; R4 fhirpath.html, "Variables".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter.fhirpath.code import ANY, ANY_ONE, INTEGER, Code, constant
from adapter.fhirpath.faults import nearest

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.fhirpath.compilation import Compilation
    from adapter.fhirpath.run import Run
    from adapter.fhirpath.scope import Scope
    from adapter.fhirpath.tree import Special, Variable
    from adapter.fhirpath.values import Item

URLS = {
    "ucum": "http://unitsofmeasure.org",
    "sct": "http://snomed.info/sct",
    "loinc": "http://loinc.org",
}
"""Variables that stand for a code system. R4 fhirpath.html."""
_TEXTS = {**URLS, "us-zip": "[0-9]{5}(-[0-9]{4}){0,1}"}
_PREFIXED = {
    "vs-": "http://hl7.org/fhir/ValueSet/",
    "ext-": "http://hl7.org/fhir/StructureDefinition/",
    "cs-": "http://hl7.org/fhir/CodeSystem/",
}
_CONTEXTS: dict[str, Callable[[Item, Run], Item]] = {
    "resource": lambda _this, run: run.resource,
    "context": lambda _this, run: run.context,
    "rootResource": lambda _this, run: run.root,
}
"""Variables that stand for where the expression is asked."""
CONTEXTS = frozenset(_CONTEXTS)


def variable(compilation: Compilation, tree: Variable, scope: Scope) -> Code:
    """Compile `%name`. Raises Malformed FP205 for a name that nobody gives."""
    name = tree.name
    if name in scope.variables:
        slot, static = scope.variables[name]
        return Code(static.several, many=lambda _this, run: run.variables[slot])
    if name in compilation.environment_names:
        return _environment(name)
    if name in _CONTEXTS:
        return Code(ANY_ONE, one=_CONTEXTS[name])
    text = _text(name)
    if text is not None:
        return constant([text], ("System.String",))
    known = [*scope.variables, *compilation.environment_names, *URLS, *_CONTEXTS]
    raise compilation.fault("FP205", tree, name=name, nearest=nearest(name, known))


def _text(name: str) -> str | None:
    """What a variable that is always the same text stands for."""
    for prefix, base in _PREFIXED.items():
        if name.startswith(prefix):
            return base + name[len(prefix) :]
    return _TEXTS.get(name)


def _environment(name: str) -> Code:
    """Compile a variable the caller gives: one item, or a list of them."""

    def many(_this: Item, run: Run) -> list[Item]:
        value: Any = run.environment.get(name)
        if value is None:
            return []
        return value if isinstance(value, list) else [value]

    return Code(ANY, many=many)


def this(scope: Scope) -> Code:
    """Compile `$this`."""
    if scope.this_is_list:
        return Code(scope.this.several, many=lambda this, _run: [] if this is None else this)
    code = Code(scope.this.one, one=lambda this, _run: this)
    code.is_this = True
    return code


def special(compilation: Compilation, tree: Special, scope: Scope) -> Code:
    """Compile `$this`, `$index` or `$total`. Raises Malformed FP211 where there is no such thing."""
    if tree.name == "this":
        return this(scope)
    if tree.name == "index" and scope.has_index:
        compilation.uses_index = True
        return Code(INTEGER, one=lambda _this, run: run.index)
    if tree.name == "total" and scope.total is not None:
        return Code(scope.total, many=lambda _this, run: run.total)
    raise compilation.fault("FP211", tree, name=f"${tree.name}")
