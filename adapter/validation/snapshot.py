"""The snapshot of a profile: every element of its type, with what the chain of differentials says of it.

Made as the standard's own generator makes it (R4 profiling.html, 5.1.0.7), from the snapshot of the base, or
the type table where the base is a type of R4, and so without the standard's prose: an element that is spoken
of is laid over the base's; a new slice begins as the base's unsliced element; a data type is written out
where the profile speaks of its inside, by the profile of the type if it names one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from adapter.errors import ConfigurationError
from adapter.validation import core_elements
from adapter.validation.tree import merge_rule, profiles_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from adapter.fhir.types import TypeTable
    from adapter.validation.profiles import Profiles
    from adapter.validation.tree import Definition

EXTENSIONS = {"discriminator": [{"type": "value", "path": "url"}], "ordered": False, "rules": "open"}
TYPES = {"discriminator": [{"type": "type", "path": "$this"}], "ordered": False, "rules": "open"}
PLACE = ("id", "path", "base")
"""What an element has by where it stands, whatever a differential says."""

NOT_INHERITED = ("slicing", "sliceName", "sliceIsConstraining", "mustSupport")
"""What a new slice does not take from the unsliced element."""


BINDABLE = ("code", "Coding", "CodeableConcept", "Quantity", "string", "uri", "Duration")
"""Types that a binding speaks of. R4 ElementDefinition, invariant eld-11."""


@dataclass(slots=True)
class Part:
    """One element, or one slice of it, while the snapshot is put together."""

    rule: Definition
    children: dict[str, Part] | None = None
    """By last step of the path; None while the inside is not written out."""
    slices: dict[str, Part] = field(default_factory=dict)
    like: Part | None = None
    """Of a new slice, the unsliced element: what is said of its inside goes for the slice's."""
    is_opened: bool = False
    """True if the inside was written out only because a differential went there."""
    is_spoken_of: bool = False
    """True if the differential has a line for this very element."""

    def copy(self) -> Part:
        """Return a deep copy; definitions are replaced when changed, so they are shared."""
        children = self.children
        return Part(
            self.rule,
            None if children is None else {name: child.copy() for name, child in children.items()},
            {name: child.copy() for name, child in self.slices.items()},
        )


def snapshot(definition: Definition, profiles: Profiles) -> list[Definition]:
    """Return StructureDefinition.snapshot.element of a profile or logical model.

    What the definition carries itself is returned as it is. Raises ConfigurationError if a base is not at
    hand, or the differential speaks of an element that the base does not have.
    """
    stated = definition.get("snapshot", {}).get("element")
    if stated:
        return list(stated)
    return Snapshots(profiles).of(definition)


class Snapshots:
    """Makes snapshots, each base once."""

    def __init__(self, profiles: Profiles) -> None:
        self._profiles = profiles
        self._types: TypeTable = profiles.types
        self._known: dict[str, Part] = {}
        self._open: list[str] = []

    def of(self, definition: Definition) -> list[Definition]:
        """Return the elements of a definition that has only a differential, in the order of the standard."""
        name = _name(definition)
        order = {key: at for at, key in enumerate(self._keys())}
        return [
            dict(sorted(made.items(), key=lambda item: order.get(item[0], len(order))))
            for made in _written(self._part(definition), name, name)
        ]

    def _keys(self) -> Iterator[str]:
        definition = self._types.type("ElementDefinition")
        return iter(definition.properties if definition is not None else ())

    def _part(self, definition: Definition) -> Part:
        url = str(definition.get("url", ""))
        if url in self._known:
            return self._known[url]
        elements = definition.get("snapshot", {}).get("element")
        made = _read(elements) if elements else self._made(definition, url)
        self._known[url] = made
        return made

    def _made(self, definition: Definition, url: str) -> Part:
        base_url = str(definition.get("baseDefinition", ""))
        if url in self._open:
            raise ConfigurationError("VA205", at=url, params={"base": base_url})
        self._open.append(url)
        try:
            base = self._base(definition, base_url, url)
            return self._laid(base, definition)
        finally:
            self._open.pop()

    def _base(self, definition: Definition, base_url: str, url: str) -> Part:
        core = self._profiles.core_type(base_url)
        if core is not None:
            return self._core(core)
        found = self._profiles.library.structure(base_url)
        if found is None:
            raise ConfigurationError("VA204", at=url, params={"base": base_url})
        return self._part(found)

    def _core(self, type_name: str) -> Part:
        part = Part(core_elements.root(type_name, self._types))
        part.children = self._inside(type_name)
        return part

    def _inside(self, type_name: str) -> dict[str, Part]:
        """Return the elements of a type of R4; backbones are written out."""
        definition = self._types.type(type_name)
        made = {}
        for stated in definition.elements.values() if definition is not None else ():
            part = Part(core_elements.element(type_name, stated, self._types))
            if "." in stated.types[0] and not stated.is_content_reference and stated.form == "element":
                inner = stated.types[0]
                part.children = None if inner.startswith("System.") else self._inside(inner)
            if stated.name == "extension" and self._is_data_type(type_name):
                part.rule["slicing"] = {**EXTENSIONS}
            made[stated.name + ("[x]" if stated.is_choice else "")] = part
        return made

    def _is_data_type(self, type_name: str) -> bool:
        """Return True for complex types and their parts, whose `extension` is sliced from the first."""
        definition = self._types.type(type_name.partition(".")[0])
        return definition is not None and definition.kind == "complex-type"

    def _laid(self, base: Part, definition: Definition) -> Part:
        """Lay a differential over a base."""
        made, base = base.copy(), base.copy()
        is_new = definition.get("derivation") == "specialization"
        for element_id, stated in _with_ids(definition.get("differential", {}).get("element", ())):
            steps = element_id.split(".")[1:]
            part, origin = made, base
            for step in steps:
                part, origin = self._step(part, origin, step, stated, is_new=is_new)
            part.rule = _over(part.rule, stated)
            part.is_spoken_of = True
        _settle(made)
        return made

    def _step(
        self, part: Part, origin: Part, step: str, stated: Definition, *, is_new: bool
    ) -> tuple[Part, Part]:
        """Return the child that one step of an element id names, and what it was in the base."""
        name, _, slice_name = step.partition(":")
        children, before = self._open_part(part), self._open_part(origin)
        name, slice_name = _choice(children, name, slice_name)
        if name not in children:
            if not is_new:
                raise ConfigurationError("VA217", params={"what": str(stated.get("path", step))})
            place = {"min": stated.get("min", 0), "max": stated.get("max", "1")}
            path = str(stated.get("path"))
            rule = {"definition": str(stated.get("short", path)), "base": {"path": path, **place}}
            if any(kind.get("code") == "BackboneElement" for kind in stated.get("type", ())):
                rule["constraint"] = core_elements.root("BackboneElement", self._types)["constraint"]
            fresh = Part(rule)
            children[name], before[name] = fresh, fresh.copy()
        child = children[name]
        known = before.setdefault(name, child.copy())
        if not slice_name:
            return child, known
        if slice_name not in child.slices:
            child.slices[slice_name] = _sliced(known, slice_name, child)
        return child.slices[slice_name], known.slices.setdefault(slice_name, child.slices[slice_name].copy())

    def _open_part(self, part: Part) -> dict[str, Part]:
        """Return what is inside an element, written out if it was not."""
        if part.children is None:
            part.children, part.is_opened = self._expanded(part), True
        return part.children

    def _expanded(self, part: Part) -> dict[str, Part]:
        if part.like is not None and part.like.children is not None:
            return part.like.copy().children or {}
        reference = part.rule.get("contentReference")
        if reference:
            path = str(reference).rpartition("#")[2]
            part.rule = {key: value for key, value in part.rule.items() if key != "contentReference"}
            part.rule["type"] = [{"code": "BackboneElement"}]
            return self._inside(path)
        kinds = part.rule.get("type", ())
        named = [profile for kind in kinds for profile in profiles_of(kind)]
        if len(named) == 1:
            found = self._profiles.library.structure(named[0].partition("#")[0])
            if found is not None and found.get("url") not in self._open and "#" not in named[0]:
                return self._part(found).copy().children or {}
        codes = [str(kind.get("code", "")) for kind in kinds]
        return self._inside(codes[0] if len(set(codes)) == 1 else "Element")


def _name(definition: Definition) -> str:
    """Return the root of a definition's paths: the type, of a model the last part of its URL."""
    return str(definition.get("type", "")).rpartition("/")[2]


def _with_ids(elements: Iterable[Definition]) -> Iterator[tuple[str, Definition]]:
    """Yield the elements of a differential by id; one without an id gets it from path and slices above."""
    opened: dict[str, str] = {}
    for stated in elements:
        path = str(stated.get("path", ""))
        if not path:
            raise ConfigurationError("VA217", params={"what": "path"})
        element_id = stated.get("id") or _id(path, stated.get("sliceName"), opened)
        opened = {known: one for known, one in opened.items() if not known.startswith(path + ".")}
        opened[path] = element_id
        yield element_id, stated


def _id(path: str, slice_name: object, opened: dict[str, str]) -> str:
    above, _, name = path.rpartition(".")
    if not above:
        return path
    stem = opened.get(above) or _id(above, None, opened)
    return f"{stem}.{name}:{slice_name}" if slice_name else f"{stem}.{name}"


def _choice(children: dict[str, Part], name: str, slice_name: str) -> tuple[str, str]:
    """Read the short form `valueQuantity` as the slice of that name of `value[x]`."""
    if name in children:
        return name, slice_name
    for known in children:
        stem = known.removesuffix("[x]")
        if stem != known and name.startswith(stem) and name[len(stem) : len(stem) + 1].isupper():
            return known, slice_name or name
    return name, slice_name


def _sliced(origin: Part, slice_name: str, unsliced: Part) -> Part:
    """Return a new slice, as the base's unsliced element; the unsliced one gets a slicing if it has none."""
    if "slicing" not in unsliced.rule:
        slicing = TYPES if _path(unsliced).endswith("[x]") else EXTENSIONS
        unsliced.rule = {**unsliced.rule, "slicing": slicing}
    outer = slice_name.rpartition("/")[0]
    begun = origin.slices.get(outer, origin)
    rule = {key: value for key, value in begun.rule.items() if key not in NOT_INHERITED}
    if _path(origin).endswith("[x]"):
        kinds = [one for one in rule.get("type", ()) if _short(origin, one) == slice_name]
        rule["type"] = kinds or rule.get("type", ())
        if not any(kind.get("code") in BINDABLE for kind in rule["type"]):
            rule.pop("binding", None)
    part = Part({**rule, "min": 0, "sliceName": slice_name}, like=unsliced)
    if begun.children is not None and not begun.is_opened:
        part.children = {name: child.copy() for name, child in begun.children.items()}
    return part


def _settle(part: Part) -> None:
    """Say of each sliced element what its slices leave: the least number, of a choice the one type."""
    for child in (part.children or {}).values():
        required = [one for one in child.slices.values() if int(one.rule.get("min", 0)) > 0]
        if required and child.rule.get("max") != "0":
            is_choice = _path(child).endswith("[x]")
            if is_choice or not child.is_spoken_of:
                least = sum(int(one.rule["min"]) for one in required if "/" not in one.rule["sliceName"])
                child.rule = {**child.rule, "min": max(least, int(child.rule.get("min", 0)))}
            if is_choice and len(required) == 1 and required[0].rule.get("type"):
                slicing = {**child.rule.get("slicing", TYPES), "rules": "closed"}
                child.rule = {**child.rule, "type": required[0].rule["type"], "slicing": slicing}
        for one in (child, *child.slices.values()):
            _settle(one)


def _path(part: Part) -> str:
    return str(part.rule.get("base", {}).get("path", ""))


def _short(part: Part, kind: Definition) -> str:
    code = str(kind.get("code", ""))
    return _path(part).rpartition(".")[2].removesuffix("[x]") + code[:1].upper() + code[1:]


def _over(rule: Definition, said: Definition) -> Definition:
    made = merge_rule(rule, {key: value for key, value in said.items() if key not in PLACE})
    if "contentReference" in made and "type" in said:
        made.pop("contentReference")
    return made


def _read(elements: Iterable[Definition]) -> Part:
    """Return the tree of a snapshot that somebody published."""
    root: Part | None = None
    for element_id, stated in _with_ids(elements):
        rule = {key: value for key, value in stated.items() if key not in ("id", "path")}
        steps = element_id.split(".")[1:]
        if root is None or not steps:
            root = Part(rule)
            continue
        part = root
        for step in steps[:-1]:
            part = _at(part, step)
        name, _, slice_name = steps[-1].partition(":")
        if part.children is None:
            part.children = {}
        if slice_name and name in part.children:
            part.children[name].slices[slice_name] = Part(rule)
        else:
            part.children[name] = Part(rule)
    if root is None:
        raise ConfigurationError("VA217", params={"what": "element"})
    return root


def _at(part: Part, step: str) -> Part:
    name, _, slice_name = step.partition(":")
    child = (part.children or {}).get(name)
    found = child.slices.get(slice_name, child) if child is not None and slice_name else child
    if found is None:
        raise ConfigurationError("VA217", params={"what": step})
    return found


def _written(part: Part, path: str, element_id: str) -> Iterator[dict[str, Any]]:
    yield {"id": element_id, "path": path, **part.rule}
    for name, child in (part.children or {}).items():
        at, here = f"{path}.{name}", f"{element_id}.{name}"
        yield from _written(child, at, here)
        for slice_name, slice_part in child.slices.items():
            yield from _written(slice_part, at, f"{here}:{slice_name}")
