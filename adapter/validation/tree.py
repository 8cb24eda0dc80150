"""A profile as a tree: only what it says, slices beside children, the differential merged into its base.

A core type needs no tree, since the walk of `structure` holds its rules; so the tree of a profile is sparse.
It has a node for every element its snapshot names, or, where there is only a differential, for every element
that it or one of its bases names. The merge is R4's (profiling.html, 5.1.0.7): what the differential says of
an element replaces what the base says, constraints are added, slices inherit from the unsliced element.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

from adapter.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Definition = dict[str, Any]
"""An ElementDefinition in FHIR's JSON shape."""

ADDED = ("constraint", "condition", "mapping", "alias")
"""What a differential adds to, rather than replaces."""


PROFILE_ELEMENT = "http://hl7.org/fhir/StructureDefinition/elementdefinition-profile-element"


class Node:
    """One element of a profile, or one slice of it."""

    __slots__ = ("children", "name", "rule", "slice", "slices")

    def __init__(self, name: str, rule: Definition | None = None, slice_name: str | None = None) -> None:
        self.name = name
        """The last step of the path, with `[x]` where it is a choice."""
        self.rule: Definition = rule or {}
        self.slice = slice_name
        self.children: dict[str, Node] = {}
        self.slices: dict[str, Node] = {}

    def clone(self) -> Node:
        """Return a deep copy; the definitions themselves are shared until merged."""
        other = copy(self)
        other.children = {name: child.clone() for name, child in self.children.items()}
        other.slices = {name: child.clone() for name, child in self.slices.items()}
        return other

    def walk(self) -> Iterator[Node]:
        """Yield this node, its slices and everything below, in order."""
        yield self
        for child in (*self.children.values(), *self.slices.values()):
            yield from child.walk()

    @property
    def value(self) -> tuple[str, Any] | None:
        """Return ("fixed" or "pattern", the value), or None if the element has neither."""
        for key, value in self.rule.items():
            for kind in ("fixed", "pattern"):
                if key.startswith(kind) and key[len(kind) : len(kind) + 1].isupper():
                    return kind, value
        return None

    @property
    def profiles(self) -> tuple[str, ...]:
        """The profiles its types name; the value must conform to one of them."""
        return tuple(profile for kind in self.rule.get("type", ()) for profile in profiles_of(kind))

    def find(self, element_id: str) -> Node | None:
        """Return the node that an element id (`Composition.section:codeA.title`) names, from this root."""
        at: Node | None = self
        for step in element_id.split(".")[1:]:
            name, _, slice_name = step.partition(":")
            at = at.children.get(name) if at is not None else None
            if at is not None and slice_name:
                at = at.slices.get(slice_name)
        return at


def profiles_of(kind: Definition) -> list[str]:
    """Return the profiles one ElementDefinition.type names, `url#element` where it means a part of one."""
    parts = kind.get("_profile") or ()
    found = []
    for index, url in enumerate(kind.get("profile", ())):
        beside = parts[index] if index < len(parts) else None
        stated = beside.get("extension", ()) if isinstance(beside, dict) else ()
        part = next((one.get("valueString") for one in stated if one.get("url") == PROFILE_ELEMENT), None)
        found.append(f"{url}#{part}" if part else url)
    return found


def from_snapshot(elements: Iterable[Definition]) -> Node:
    """Make the tree of a whole snapshot. `elements` are in snapshot order."""
    return _apply(None, elements)


def merged(base: Node, elements: Iterable[Definition]) -> Node:
    """Return `base` with the `elements` of a differential merged into it; `base` stays as it is."""
    return _apply(base.clone(), elements)


def _apply(root: Node | None, elements: Iterable[Definition]) -> Node:
    open_nodes: dict[str, Node] = {}
    for element in elements:
        path = element.get("path", "")
        if "." not in path:
            root = _said(root, path, element)
            open_nodes = {path: root}
            continue
        if root is None:
            root = Node(path.partition(".")[0])
        open_nodes.setdefault(root.name, root)
        root_path = path.partition(".")[0]
        open_nodes.setdefault(root_path, root)
        parent = _reach(open_nodes, path.rpartition(".")[0])
        node = _place(parent, path.rpartition(".")[2], element)
        open_nodes = {known: found for known, found in open_nodes.items() if not known.startswith(path + ".")}
        open_nodes[path] = node
    if root is None:
        raise ConfigurationError("VA217", params={"what": "element"})
    return root


def _said(root: Node | None, name: str, element: Definition) -> Node:
    if root is None:
        return Node(name, element)
    root.rule = merge_rule(root.rule, element)
    return root


def _reach(open_nodes: dict[str, Node], path: str) -> Node:
    """Return the node at `path` that was spoken of last, made if a differential left it out."""
    if path in open_nodes:
        return open_nodes[path]
    above, _, name = path.rpartition(".")
    if not above:
        raise ConfigurationError("VA217", params={"what": name or "path"})
    parent = _reach(open_nodes, above)
    node = _place(parent, name, {})
    open_nodes[path] = node
    return node


def _place(parent: Node, name: str, element: Definition) -> Node:
    """Put what `element` says at its node below `parent`, and return the node."""
    name, implied = _choice(parent, name)
    plain = parent.children.get(name)
    slice_name = element.get("sliceName") or implied
    if slice_name and plain is None and not implied and name in ("extension", "modifierExtension"):
        plain = parent.children[name] = Node(name)
    if slice_name is None or (plain is None and not implied):
        if plain is None:
            parent.children[name] = Node(name, element, slice_name)
            return parent.children[name]
        plain.rule = merge_rule(plain.rule, element)
        return plain
    if plain is None:
        plain = parent.children[name] = Node(name)
    holder = plain
    outer, _, _ = slice_name.rpartition("/")
    if outer and outer in plain.slices:
        holder = plain.slices[outer]
    known = holder.slices.get(slice_name)
    if known is None:
        holder.slices[slice_name] = Node(name, {"min": 0, **element}, slice_name)
        return holder.slices[slice_name]
    known.rule = merge_rule(known.rule, element)
    return known


def _choice(parent: Node, name: str) -> tuple[str, str | None]:
    """Read the short form `valueQuantity` as the slice of that name of `value[x]`.

    Only where the tree already has the choice; elsewhere `Profile` knows the type and asks `rename`.
    """
    if name in parent.children or name.endswith("[x]"):
        return name, None
    for known in parent.children:
        if known.endswith("[x]"):
            stem = known[:-3]
            if name.startswith(stem) and name[len(stem) : len(stem) + 1].isupper():
                return known, name
    return name, None


def merge_rule(base: Definition, said: Definition) -> Definition:
    """Return what an element is once a differential has spoken. R4 profiling.html, 5.1.0.7."""
    result = {**base, **said}
    for key in ADDED:
        if key in base and key in said:
            result[key] = [*base[key], *(one for one in said[key] if one not in base[key])]
    if "slicing" in base and "slicing" in said:
        result["slicing"] = {**base["slicing"], **said["slicing"]}
    given = next((key for key in said if _is_value(key)), None)
    if given is not None:
        for key in [key for key in base if _is_value(key) and key != given]:
            result.pop(key, None)
    return result


def _is_value(key: str) -> bool:
    return any(
        key.startswith(kind) and key[len(kind) : len(kind) + 1].isupper() for kind in ("fixed", "pattern")
    )
