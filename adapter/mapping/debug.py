"""The debug trace of a run, in the form of the mapping language guide, for debuggers that replay it.

    trace = DebugTrace()
    outcome = maps["procedure-v2"].run(body, media_type="application/hl7-v2", debug=trace)
    trace.parameters(outcome)

One `trace` parameter for each event, in order: a group or rule is entered or left (`enter`, `exit`), a source
gave a value or a target was filled (`step`). Each has the map (`source`), where in its text (`startRow` to
`endColumn`, from 0, columns in UTF-16 units), the same part of the StructureMap (`expressionPosition`), its
`depth`, and a `variable` for everything it sees: what is read, by its path in the source, and what is made,
as it was at that moment. A trace holds content of the source, as the result does.
HL7 FHIR Mapping Language guide, Debug Trace; operation $transform with `debug`.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from adapter.mapping.fml.compiler.transforms import copy_of
from adapter.mapping.nodes import Watched
from adapter.mapping.run import Made

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from adapter.errors import AdapterError
    from adapter.mapping.fml.compiler.stepping import Phase, Place, Variable
    from adapter.mapping.models import Shape
    from adapter.mapping.nodes import Item
    from adapter.mapping.notes import Notes
    from adapter.mapping.run import Outcome
    from adapter.outcome import Issue

Json = dict[str, Any]
Event = tuple["Phase", "Place", int, "tuple[Item, ...]", "list[tuple[Made, Json]]", "tuple[str, ...]"]
"""Phase, place, depth, variables with their origins, what of them is made as it was then, texts of `log`."""

EVENTS_AT_MOST = 50_000
VALUE_AT_MOST = 16_384
"""Characters of one value; what is longer is told by its type and path."""
PRIMITIVES: dict[type, str] = {str: "String", bool: "Boolean", int: "Integer"}


class DebugTrace:
    """The events of one run. Give a fresh one to each."""

    def __init__(self, *, events_at_most: int = EVENTS_AT_MOST) -> None:
        self.events: list[Event] = []
        self.status: Literal["complete", "truncated", "stopped"] = "complete"
        self.count = 0
        """How many events there were, those after the last one kept included."""
        self._limit = events_at_most
        self._depth = 0
        self._parents: dict[int, Made] = {}
        self._known: dict[int, tuple[Made, Json]] = {}
        self._said: list[tuple[str, str]] = []
        self._told = 0
        self._paths: dict[int, str] = {}
        self._root = ""
        self._notes: Notes | None = None

    # While the map runs

    def begin(self, root: str, notes: Notes) -> None:
        """Note what the source is called in paths, and what the run is going to note itself."""
        self._root, self._notes, self._said = root, notes, notes.run.said

    def note(self, phase: Phase, place: Place, values: tuple[Item, ...]) -> None:
        """Keep an event, with what is made as it is now; behind the values stand their origins."""
        self.count += 1
        if phase == "exit":
            self._depth -= 1
        if self.count <= self._limit:
            messages: tuple[str, ...] = ()
            if len(self._said) != self._told:
                messages = tuple(text for _, text in self._said[self._told :])
                self._told = len(self._said)
            known, look = self._known.get, self._snapshot
            made = [known(id(value)) or look(value) for value in values if value.__class__ is Made]
            self.events.append((phase, place, self._depth, values, made, messages))
        else:
            self.status = "truncated"
        if phase == "enter":
            self._depth += 1

    def changed(self, node: Item, way: Sequence[str]) -> None:
        """Forget what a node and all around it were like; `way` leads down to what was written."""
        up = node
        while up is not None:
            self._known.pop(id(up), None)
            up = self._parents.get(id(up))
        for key in way:
            node = node.get(key) if isinstance(node, dict) else None
            node = node[-1] if isinstance(node, list) and node else node
            self._known.pop(id(node), None)

    def stop(self, error: AdapterError) -> Json:
        """End a trace that an error has ended, and give its Parameters."""
        self.status = "stopped"
        return self._parameters([], [error.issue])

    def end(self, made: Sequence[Made]) -> None:
        """Note where everything stands in the result."""
        from adapter.mapping.trace import places_of

        self._paths = places_of(made)

    def _snapshot(self, made: Made) -> tuple[Made, Json]:
        """Return a part of the target and what it holds now; the same objects again until it changes.

        A resource inside of it is told by its type: while it is made it is a variable of its own.
        """
        known, parents = self._known, self._parents
        result: Json = {}
        for key, value in made.items():
            kind = value.__class__
            if kind is str:
                if value:
                    result[key] = value
            elif kind is Made:
                if value.shape is not None and value.shape.kind == "resource":
                    result[key] = _inner(value.shape)
                    continue
                parents[id(value)] = made
                _put(result, key, value, (known.get(id(value)) or self._snapshot(value))[1])
            elif kind is list:
                parts: list[Item] = []
                for part in value:
                    if part.__class__ is Made:
                        if part.shape is not None and part.shape.kind == "resource":
                            parts.append(_inner(part.shape))
                            continue
                        parents[id(part)] = made
                        whole: Item = (known.get(id(part)) or self._snapshot(part))[1]
                        if part.shape is not None and part.shape.is_primitive:
                            whole = whole.get("value")
                        if whole:
                            parts.append(whole)
                    elif part is not None and part != "":
                        parts.append(part)
                if parts:
                    result[key] = parts
            elif value is not None:
                result[key] = value
        there = known[id(made)] = made, result
        return there

    # Afterwards

    def parameters(self, outcome: Outcome) -> Json:
        """Say it as FHIR Parameters, with the result and the issues of the run."""
        return self._parameters(list(_returned(outcome)), outcome.issues)

    def _parameters(self, returned: list[Json], issues: Sequence[Issue]) -> Json:
        from adapter.outcome import operation_outcome

        shown = _Shown(self._root, self._paths, self._notes)
        whole: list[Json] = [*returned, {"name": "traceStatus", "valueCode": self.status}]
        whole += [{"name": "trace", "part": list(shown.event(event))} for event in self.events]
        if issues:
            whole.append({"name": "outcome", "resource": operation_outcome(issues)})
        return {"resourceType": "Parameters", "parameter": whole}


def _inner(shape: Shape) -> Json:
    return {"resourceType": shape.name}


def _put(result: Json, key: str, made: Made, whole: Json) -> None:
    if made.shape is None or not made.shape.is_primitive:
        if whole:
            result[key] = whole
        return
    if "value" in whole:
        result[key] = whole["value"]
    if beside := {name: one for name, one in whole.items() if name != "value"}:
        result[f"_{key}"] = beside


def _returned(outcome: Outcome) -> Iterator[Json]:
    for resource, document in zip(outcome.resources, outcome.documents, strict=True):
        if document is not None:
            yield {"name": "return", "valueString": document.decode("utf-8", "replace")}
        elif "resourceType" in resource:
            yield {"name": "return", "resource": resource}
        elif resource:
            yield {"name": "return", "valueString": _text(resource)}


def _text(value: Item) -> str:
    from adapter.fhir import json

    return json.write(value).decode()


@cache
def _open_types() -> frozenset[str]:
    """Types that a parameter's value can have. FHIR R4 Parameters.parameter.value[x]."""
    from adapter.mapping.models import r4_shape

    shape = r4_shape("Parameters.parameter")
    return frozenset() if shape is None else frozenset(shape.slots["value"].types)


class _Shown:
    """Writes events; what is the same at many of them is worked out once."""

    def __init__(self, root: str, paths: dict[int, str], notes: Notes | None) -> None:
        self.root = root
        self.notes = notes
        self.paths = paths
        self.heads: dict[int, list[Json]] = {}
        self.values: dict[int, list[Json]] = {}

    def event(self, event: Event) -> Iterator[Json]:
        phase, place, depth, values, made, messages = event
        head = self.heads.get(id(place))
        if head is None:
            head = self.heads[id(place)] = list(_head(place))
        yield from head
        yield {"name": "phase", "valueCode": phase}
        yield {"name": "depth", "valueInteger": depth}
        then = iter(made)
        count = len(place.variables)
        for variable, now, origin in zip(place.variables, values[:count], values[count:], strict=True):
            value = next(then) if now.__class__ is Made else now
            if value is not None:
                yield {"name": "variable", "part": self.variable(variable, value, origin)}
        for text in messages:
            yield {"name": "message", "part": [{"name": "text", "valueString": text}]}

    def variable(self, variable: Variable, value: Item, origin: Item) -> list[Json]:
        parts: list[Json] = [
            {"name": "name", "valueString": variable.name},
            {"name": "contextType", "valueString": "input" if variable.is_input else "output"},
        ]
        kind, path = variable.type, None
        if value.__class__ is tuple:
            made, whole = value
            kind = made.shape.name if made.shape is not None else kind
            path = self.paths.get(id(made))
            parts += self.made(kind, whole, is_primitive=made.shape is not None and made.shape.is_primitive)
        else:
            node = value if self.notes is None else self.notes.watched(value)
            context = None if self.notes is None else self.notes.context(value, origin)
            path = None if context is None else self.path(*context)
            if isinstance(node, Watched):
                kind = kind or node.type
            else:
                parts += _leaf(value, kind)
        if path is not None:
            parts.append({"name": "path", "valueString": path})
        if kind is not None:
            parts.append({"name": "dataType", "valueString": kind})
        return parts

    def made(self, kind: str | None, whole: Json, *, is_primitive: bool) -> list[Json]:
        if is_primitive:
            return _leaf(whole.get("value"), kind)
        known = self.values.get(id(whole))
        if known is None:
            known = self.values[id(whole)] = _node(kind, whole)
        return known

    def path(self, node: Watched, key: str | None, index: int | None) -> str:
        """Return the way in the source tree, as FHIRPath of names and indexes."""
        words = [self.root]
        for name, at in node.steps():
            words.append(name if at is None else f"{name}[{at}]")
        if key is not None:
            words.append(key if index is None else f"{key}[{index}]")
        return ".".join(words)


def _head(place: Place) -> Iterator[Json]:
    file = place.file
    yield {"name": "source", "valueString": file.url or file.text.file}
    if not file.text.file.endswith(".json"):  # the text of a StructureMap is of our own making
        for name, offset in (("start", place.span.start), ("end", place.span.end)):
            line, column = file.text.place(offset)
            start = offset - column + 1
            units = len(file.text.content[start:offset].encode("utf-16-le")) // 2
            yield {"name": f"{name}Row", "valueInteger": line - 1}
            yield {"name": f"{name}Column", "valueInteger": units}
    yield {"name": "expressionPosition", "valueString": place.path}


def _leaf(value: Item, kind: str | None) -> list[Json]:
    if value is None:
        return []
    if isinstance(value, (dict, list)):
        return _node(None, copy_of(value))  # what is written must have been read
    if isinstance(value, str) and len(value) > VALUE_AT_MOST:
        return []
    if kind in _open_types() and kind[:1].islower() and (value.__class__ in PRIMITIVES or kind == "decimal"):
        return [{"name": "value", f"value{kind[0].upper()}{kind[1:]}": value}]
    return [{"name": "value", f"value{PRIMITIVES.get(type(value), 'Decimal')}": value}]


def _node(kind: str | None, whole: Item) -> list[Json]:
    if not whole:
        return []
    text = _text(whole)
    if len(text) > VALUE_AT_MOST:
        return []
    if isinstance(whole, dict) and "resourceType" in whole:
        return [{"name": "resource", "resource": whole}]
    if kind is not None and kind in _open_types():
        return [{"name": "value", f"value{kind}": whole}]
    return [{"name": "jsonValue", "valueString": text}]
