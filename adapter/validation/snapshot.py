"""The snapshot of a profile: every element of its type, with what the chain of differentials says of it.

Made from the tree and the type table, so it has all that validation needs and none of the standard's prose.
Backbones are written out; a data type is where the profile speaks of its inside. R4 profiling.html, 5.1.0.7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter.validation.profiles import CORE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter.fhir.types import ElementDef, TypeTable
    from adapter.validation.profiles import Profile
    from adapter.validation.tree import Definition, Node


def snapshot(profile: Profile, types: TypeTable) -> list[Definition]:
    """Return the elements of StructureDefinition.snapshot, in the order of the standard."""
    root = {"definition": f"{profile.type} of FHIR R4.", "min": 0, "max": "*"}
    base = {"base": {"path": profile.type, "min": 0, "max": "*"}}
    elements = [{**root, **profile.tree.rule, **base, "id": profile.type, "path": profile.type}]
    elements.extend(_children(profile.tree, profile.type, profile.type, profile.type, types))
    return elements


def _children(
    node: Node | None, type_name: str, path: str, element_id: str, types: TypeTable
) -> Iterator[Definition]:
    definition = types.type(type_name)
    for element in definition.elements.values() if definition is not None else ():
        name = element.name + ("[x]" if element.is_choice else "")
        told = _told(node, element, name)
        yield from _element(told, element, f"{path}.{name}", f"{element_id}.{name}", types)


def _told(node: Node | None, element: ElementDef, name: str) -> list[Node]:
    """Return the nodes that speak of an element, its short forms (`valueQuantity`) last."""
    if node is None:
        return []
    names = (name, *(element.json_key(kind) for kind in element.types if element.is_choice))
    return [node.children[one] for one in names if one in node.children]


def _element(
    told: list[Node], element: ElementDef, path: str, element_id: str, types: TypeTable
) -> Iterator[Definition]:
    plain = next((node for node in told if path.endswith("." + node.name)), None)
    short = [node for node in told if node is not plain]
    sliced = list(plain.slices.items()) if plain is not None else []
    stated = _stated(element, path, element_id, plain)
    if (sliced or short) and "slicing" not in stated:
        kind = "type" if element.is_choice else "value"
        at = "$this" if element.is_choice else "url"
        stated["slicing"] = {"discriminator": [{"type": kind, "path": at}], "rules": "open"}
    yield stated
    yield from _inside(plain, element, path, element_id, types)
    for name, node in [*sliced, *((node.name, node) for node in short)]:
        yield from _slice(node, name, element, path, element_id, types)


def _slice(
    node: Node, name: str, element: ElementDef, path: str, element_id: str, types: TypeTable
) -> Iterator[Definition]:
    kinds = [kind for kind in element.types if element.json_key(kind) == name]
    rule = {"sliceName": name, "min": 0, **node.rule}
    if element.is_choice and kinds and "type" not in node.rule:
        rule["type"] = [{"code": kind} for kind in kinds]
    slice_id = f"{element_id}:{name}"
    yield {**_stated(element, path, slice_id, None), **rule, "id": slice_id, "path": path}
    yield from _inside(node, element, path, slice_id, types)
    for inner_name, inner in node.slices.items():
        yield from _slice(inner, inner_name, element, path, element_id, types)


def _inside(
    node: Node | None, element: ElementDef, path: str, element_id: str, types: TypeTable
) -> Iterator[Definition]:
    """Yield what is below an element: of a backbone always, of a data type where the profile speaks of it."""
    is_backbone = "." in element.types[0] and not element.is_content_reference
    if not is_backbone and (node is None or not node.children):
        return
    kinds = [kind.get("code") for kind in node.rule.get("type", ())] if node is not None else []
    name = next((kind for kind in kinds if kind and types.type(kind)), element.types[0])
    type_name = element.types[0] if is_backbone else name
    yield from _children(node, type_name, path, element_id, types)


def _stated(element: ElementDef, path: str, element_id: str, node: Node | None) -> Definition:
    """Return the definition of an element: the core's, with the profile's over it."""
    least, most = element.min, "*" if element.max is None else str(element.max)
    stated: dict[str, Any] = {
        "id": element_id,
        "path": path,
        "definition": f"{element.path} of FHIR R4.",
        "min": least,
        "max": most,
        "base": {"path": element.path, "min": least, "max": most},
    }
    if element.is_content_reference:
        stated["contentReference"] = f"#{element.types[0]}"
    else:
        stated["type"] = [_kind(element, kind) for kind in element.types]
    if element.binding is not None:
        stated["binding"] = {"strength": element.binding.strength, "valueSet": element.binding.value_set}
    if node is not None:
        stated.update({key: value for key, value in node.rule.items() if key not in ("id", "path", "base")})
    return stated


def _kind(element: ElementDef, kind: str) -> Definition:
    code = "BackboneElement" if "." in kind else kind
    stated: dict[str, Any] = {"code": code}
    if kind == "Reference" and element.targets:
        stated["targetProfile"] = [CORE + target for target in element.targets]
    return stated
