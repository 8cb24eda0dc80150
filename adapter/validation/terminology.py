"""Value sets and code systems that are at hand: is this code in that set? Yes, no, or cannot be known.

A value set becomes a judge, never a list: each include and exclude is a small function, joined by
three-valued logic (R4 valueset.html, 4.9.7). What rests on a code system that is not here, or only here in
part, is unknown (None), and the caller says so.
"""

from __future__ import annotations

from threading import RLock
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from adapter.fhirpath.functions.patterns import takes_whole
from adapter.validation.code_forms import FORMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from adapter.fhir.types import TypeTable

    Judge = Callable[["str | None", str], "bool | None"]
    """(system, code) -> in the set. System None means: whatever system."""


class Shelf(Protocol):
    """Where definitions are found by canonical."""

    def find(self, canonical: str) -> dict[str, Any] | None:
        """Return the definition, or None."""


class Concept(NamedTuple):
    """One code of a code system, with the codes above it."""

    code: str
    display: str | None
    parents: tuple[str, ...]
    properties: tuple[tuple[str, Any], ...]
    displays: frozenset[str]
    """Every wording given: display and designations."""


class CodeTable:
    """A code system as a table. `whole` is False where codes beyond these exist."""

    def __init__(self, resource: dict[str, Any]) -> None:
        self.url: str = resource.get("url", "")
        self.whole = resource.get("content") == "complete"
        self.is_supplement = resource.get("content") == "supplement"
        self.case_sensitive = resource.get("caseSensitive", True) is not False
        self.concepts: dict[str, Concept] = {}
        self._take(resource.get("concept", ()), ())
        self._lower = {code.lower(): code for code in self.concepts}

    def _take(self, concepts: Iterable[dict[str, Any]], above: tuple[str, ...]) -> None:
        for concept in concepts:
            code = concept.get("code")
            if not isinstance(code, str):
                continue
            properties = tuple(_properties(concept))
            parents = above + tuple(
                value for name, value in properties if name in ("parent", "subsumedBy") and value not in above
            )
            words = [concept.get("display"), *(one.get("value") for one in concept.get("designation", ()))]
            self.concepts[code] = Concept(
                code,
                concept.get("display"),
                parents,
                properties,
                frozenset(word for word in words if isinstance(word, str)),
            )
            self._take(concept.get("concept", ()), (code,))

    def find(self, code: str) -> Concept | None:
        """Return the concept of a code, by the system's own rule of upper and lower case."""
        known = self.concepts.get(code)
        if known is None and not self.case_sensitive:
            known = self.concepts.get(self._lower.get(code.lower(), ""))
        return known

    def has(self, code: str) -> bool | None:
        """Return whether the system has the code; None if it is not there but the list is not whole."""
        if self.find(code) is not None:
            return True
        return False if self.whole else None

    def is_below(self, code: str, ancestor: str) -> bool:
        """Return True if `code` stands somewhere under `ancestor`."""
        seen: set[str] = set()
        waiting = list(self.concepts[code].parents) if code in self.concepts else []
        while waiting:
            step = waiting.pop()
            if step == ancestor:
                return True
            if step not in seen and step in self.concepts:
                seen.add(step)
                waiting.extend(self.concepts[step].parents)
        return False


def _properties(concept: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for stated in concept.get("property", ()):
        value = next((value for key, value in stated.items() if key.startswith("value")), None)
        if isinstance(value, dict):
            value = value.get("code")
        yield stated.get("code", ""), value


class Terminology:
    """The value sets and code systems of the packages in use, and those the type table knows.

    Read when first asked for, and seen by other threads only when they are whole.
    """

    def __init__(self, shelf: Shelf, types: TypeTable) -> None:
        self._shelf = shelf
        self._types = types
        self._judges: dict[str, Judge | None] = {}
        self._tables: dict[str, CodeTable | None] = {}
        self._open: set[str] = set()
        self._reading = RLock()

    def code_system(self, url: str) -> CodeTable | None:
        """Return the code system at `url`, or None if it is not at hand."""
        if url not in self._tables:
            found = self._shelf.find(url)
            is_one = found is not None and found.get("resourceType") == "CodeSystem"
            self._tables[url] = CodeTable(found) if is_one and found is not None else None
        return self._tables[url]

    def value_set(self, canonical: str) -> Judge | None:
        """Return the judge of a value set, or None if it is not at hand."""
        if canonical in self._judges:
            return self._judges[canonical]
        with self._reading:
            if canonical in self._judges:
                return self._judges[canonical]
            if canonical in self._open:  # a set that includes itself ends here
                return _unknown
            self._open.add(canonical)
            try:
                self._judges[canonical] = judge = self._judge(canonical)
            finally:
                self._open.discard(canonical)
            return judge

    def codes(self, canonical: str) -> frozenset[str]:
        """Return the codes of a value set that lists them one by one; empty for any other."""
        known = self._types.binding_codes(canonical)
        if known is not None:
            return known
        parts = (self._shelf.find(canonical) or {}).get("compose", {}).get("include", ())
        if any("filter" in part or "valueSet" in part for part in parts):
            return frozenset()
        codes: set[str] = set()
        for part in parts:
            table = self.code_system(part.get("system", "")) if "concept" not in part else None
            if "concept" not in part and (table is None or not table.whole):
                return frozenset()
            codes.update(one.get("code", "") for one in part.get("concept", ()))
            codes.update(table.concepts if table is not None else ())
        return frozenset(codes)

    def _judge(self, canonical: str) -> Judge | None:
        found = self._shelf.find(canonical)
        known = self._types.binding_codings(canonical)
        if known is not None and (found is None or "compose" not in found):
            return _listed({system: frozenset(codes) for system, codes in known.items()})
        judge = None if found is None else self.judge_of(found)
        if judge is None or known is None:
            return judge
        return _or_listed(judge, _listed(dict(known)))

    def judge_of(self, found: dict[str, Any]) -> Judge | None:
        """Return the judge of a value set in the hand; None for anything else, or one that says nothing."""
        if found.get("resourceType") != "ValueSet":
            return None
        compose = found.get("compose")
        if compose is None:
            expansion = found.get("expansion")
            return None if expansion is None else _listed(_expanded(expansion.get("contains", ())))
        included = [self._part(part) for part in compose.get("include", ())]
        excluded = [self._part(part) for part in compose.get("exclude", ())]
        judge = _any(included)
        return _without(judge, excluded) if excluded else judge

    def _part(self, part: dict[str, Any]) -> Judge:
        """Make the judge of one include or exclude: all it says must hold."""
        judges: list[Judge] = []
        system = part.get("system")
        if system is not None:
            judges.append(self._of_system(system, part))
        judges += [self.value_set(url) or _unknown for url in part.get("valueSet", ())]
        return judges[0] if len(judges) == 1 else _every(judges)

    def _of_system(self, system: str, part: dict[str, Any]) -> Judge:
        concepts, filters = part.get("concept"), part.get("filter")
        if concepts is not None:
            return _listed({system: frozenset(one["code"] for one in concepts if "code" in one)})
        table = self.code_system(system)
        if filters is None:
            return _whole(system, table)
        if table is None:
            return _if_system(system, _absent(system))
        return _if_system(system, _every([_filter(table, stated) for stated in filters]))


def _unknown(system: str | None, code: str) -> bool | None:
    return None


def _listed(codes: dict[str, frozenset[str]]) -> Judge:
    def judge(system: str | None, code: str) -> bool | None:
        if system is None:
            return any(code in known for known in codes.values())
        return code in codes.get(system, ())

    return judge


def _expanded(contains: Iterable[dict[str, Any]]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    waiting = list(contains)
    while waiting:
        one = waiting.pop()
        if not one.get("abstract") and "code" in one:
            found.setdefault(one.get("system", ""), set()).add(one["code"])
        waiting.extend(one.get("contains", ()))
    return {system: frozenset(codes) for system, codes in found.items()}


def _whole(system: str, table: CodeTable | None) -> Judge:
    return _if_system(system, _absent(system) if table is None else lambda _, code: table.has(code))


def _absent(system: str) -> Judge:
    """Make the judge of a code system that is not at hand: only what has not its form is known to be out."""
    form = FORMS.get(system)
    return _unknown if form is None else lambda _, code: None if form(code) else False


def _if_system(wanted: str, judge: Judge) -> Judge:
    def guarded(system: str | None, code: str) -> bool | None:
        return judge(system, code) if system is None or system == wanted else False

    return guarded


def _any(judges: list[Judge]) -> Judge:
    def judge(system: str | None, code: str) -> bool | None:
        answer: bool | None = False
        for one in judges:
            said = one(system, code)
            if said:
                return True
            if said is None:
                answer = None
        return answer

    return judges[0] if len(judges) == 1 else judge


def _every(judges: list[Judge]) -> Judge:
    def judge(system: str | None, code: str) -> bool | None:
        answer: bool | None = True
        for one in judges:
            said = one(system, code)
            if said is False:
                return False
            if said is None:
                answer = None
        return answer

    return judge


def _or_listed(judge: Judge, listed: Judge) -> Judge:
    """Let the standard's own expansion decide what the definition alone leaves open."""

    def both(system: str | None, code: str) -> bool | None:
        said = judge(system, code)
        return listed(system, code) if said is None else said

    return both


def _without(judge: Judge, excluded: list[Judge]) -> Judge:
    out = _any(excluded)

    def left(system: str | None, code: str) -> bool | None:
        said = judge(system, code)
        if said is False:
            return False
        gone = out(system, code)
        if gone:
            return False
        return None if gone is None else said

    return left


def _filter(table: CodeTable, stated: dict[str, Any]) -> Judge:
    """Make the judge of one filter over a code system at hand. R4 filter-operator."""
    name, operator, value = stated.get("property", ""), stated.get("op"), stated.get("value", "")
    test = _TESTS.get(operator or "")
    if test is None:
        return _unknown

    def judge(system: str | None, code: str) -> bool | None:
        concept = table.find(code)
        if concept is None:
            return False if table.whole else None
        return test(table, concept, name, value)

    return judge


def _stated(concept: Concept, name: str) -> list[str]:
    """Return what a concept says of one of its properties, as text."""
    if name in ("code", "concept"):
        return [concept.code]
    if name == "display":
        return [concept.display or ""]
    if name == "parent":
        return list(concept.parents)
    return [
        str(value).lower() if isinstance(value, bool) else str(value)
        for known, value in concept.properties
        if known == name
    ]


def _matches(pattern: str, text: str) -> bool:
    return takes_whole(pattern, text) is True


_TESTS: dict[str, Callable[[CodeTable, Concept, str, str], bool | None]] = {
    "=": lambda table, concept, name, value: value in _stated(concept, name),
    "is-a": lambda table, concept, name, value: concept.code == value or table.is_below(concept.code, value),
    "descendent-of": lambda table, concept, name, value: table.is_below(concept.code, value),
    "is-not-a": lambda table, concept, name, value: (
        concept.code != value and not table.is_below(concept.code, value)
    ),
    "generalizes": lambda table, concept, name, value: (
        concept.code == value or table.is_below(value, concept.code)
    ),
    "regex": lambda table, concept, name, value: any(
        _matches(value, text) for text in _stated(concept, name)
    ),
    "in": lambda table, concept, name, value: any(
        text in [one.strip() for one in value.split(",")] for text in _stated(concept, name)
    ),
    "not-in": lambda table, concept, name, value: (
        not any(text in [one.strip() for one in value.split(",")] for text in _stated(concept, name))
    ),
    "exists": lambda table, concept, name, value: bool(_stated(concept, name)) == (value == "true"),
}
