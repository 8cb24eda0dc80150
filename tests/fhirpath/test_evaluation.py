"""Around an evaluation: environment, services, trees of other models, rules, and what it may cost."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from adapter.errors import AdapterError, Malformed, TooCostly
from adapter.fhir.decimals import ExactDecimal
from adapter.fhirpath import (
    Budget,
    Element,
    Services,
    compile_expression,
    compile_tree,
    parse,
)
from adapter.fhirpath.explain import explain

if TYPE_CHECKING:
    from collections.abc import Iterator

# Invented people.
BUNDLE: dict[str, Any] = {
    "resourceType": "Bundle",
    "type": "message",
    "entry": [
        {"fullUrl": "urn:uuid:1", "resource": {"resourceType": "Patient", "id": "p", "active": True}},
        {
            "fullUrl": "http://x/Observation/o",
            "resource": {
                "resourceType": "Observation",
                "id": "o",
                "subject": {"reference": "urn:uuid:1"},
                "focus": [{"reference": "Patient/p"}, {"reference": "http://elsewhere/Patient/9"}],
            },
        },
    ],
}


class Segment(dict[str, Any]):
    """A tree of another model that knows its type."""

    type = "PID"


MESSAGE = Segment(PID=Segment(f5=[{"c1": "A", "c2": ["B", "C"]}], f8="F", given=["x"], _given=[{"id": "i"}]))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("PID.f5.c2", ["B", "C"]),
        ("PID.f5.where(c1 = 'A').c2.count()", [2]),
        ("PID.f8 & '!'", ["F!"]),
        ("PID.nothing.more", []),
        ("PID.f5[0].c2[1]", ["C"]),
        ("PID.given.id", ["i"]),
        ("PID is PID", [True]),
        ("PID.children().count()", [3]),
        ("PID.descendants().count()", [7]),
        ("$this.PID.f8.length()", [1]),
    ],
)
def test_a_tree_of_no_fhir_type_is_read_by_its_keys(expression: str, expected: list[Any]) -> None:
    """Dicts, subclasses of dict, lists and strings are enough to ask."""
    assert compile_expression(expression)(MESSAGE) == expected


def test_what_is_found_is_the_very_object() -> None:
    """A result is the object in the tree, so that what it carries beside its keys is not lost."""
    assert compile_expression("PID")(MESSAGE)[0] is MESSAGE["PID"]


@pytest.mark.parametrize(
    ("environment", "expression", "expected"),
    [
        ({"src": {"a": [1, 2]}}, "%src.a", [1, 2]),
        ({"src": [1, 2]}, "%src.count()", [2]),
        ({"src": None}, "%src.empty()", [True]),
        ({"src": {"valueString": "x"}}, "%src.value", ["x"]),
        ({"src": BUNDLE["entry"][0]["resource"]}, "%src is Patient", [True]),
        ({"src": Element("2012", "dateTime")}, "%src < @2013", [True]),
        ({"src": 1, "resource": {"resourceType": "Patient", "id": "r"}}, "%resource.id", ["r"]),
        ({"src": 1, "rootResource": BUNDLE}, "%rootResource.type", ["message"]),
    ],
)
def test_the_environment_gives_variables(
    environment: dict[str, Any], expression: str, expected: list[Any]
) -> None:
    """A variable is a value, a list of them, or an element that knows its type."""
    assert compile_expression(expression, ["src"])({}, environment) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("entry.resource.subject.resolve().active", [True]),
        ("entry.resource.focus.resolve().id", ["p"]),
        ("entry.resource.ofType(Observation).id", ["o"]),
        ("entry.resource.focus.resolve().ofType(Patient).count()", [1]),
    ],
)
def test_references_resolve_inside_the_bundle(expression: str, expected: list[Any]) -> None:
    """A reference by fullUrl or by type and id finds its entry; one to elsewhere finds nothing."""
    assert compile_expression(expression)(BUNDLE) == expected


def test_a_service_resolves_what_the_bundle_does_not_hold() -> None:
    """What is not in the Bundle is asked of the caller."""
    services = Services(resolve=lambda url: {"resourceType": "Patient", "id": url[-1]})

    found = compile_expression("entry.resource.focus.resolve().id")(BUNDLE, services=services)

    assert found == ["p", "9"]


def test_terminology_and_profiles_are_asked_of_the_caller() -> None:
    """memberOf, subsumes and conformsTo hand the value and the canonical over."""
    services = Services(
        member_of=lambda value, url: (value, url) == ("female", "http://vs"),
        subsumes=lambda left, right: left["code"] < right["code"],
        conforms_to=lambda value, url: value["resourceType"] in url,
    )
    patient = {
        "resourceType": "Patient",
        "gender": "female",
        "maritalStatus": {"coding": [{"code": "a"}, {"code": "b"}]},
    }
    text = (
        "gender.memberOf('http://vs') and conformsTo('http://p/Patient') and "
        "maritalStatus.coding[0].subsumes(maritalStatus.coding[1]) and "
        "maritalStatus.coding[0].subsumedBy(maritalStatus.coding[1]).not()"
    )

    assert compile_expression(text)(patient, services=services) == [True]


def test_trace_tells_the_caller_and_passes_on() -> None:
    """A trace goes to the caller's own function, never to a log."""
    told: list[Any] = []
    services = Services(trace=lambda name, values: told.append((name, values)))

    found = compile_expression("entry.trace('e', fullUrl).count()")(BUNDLE, services=services)

    assert (found, told) == ([2], [("e", ["urn:uuid:1", "http://x/Observation/o"])])


@pytest.mark.parametrize(
    ("expression", "holds", "is_true"),
    [
        ("active", True, True),
        ("active.not()", False, False),
        ("birthDate > @2000", True, False),
        ("id", True, True),
    ],
)
def test_a_rule_is_broken_by_false_alone_and_a_condition_met_by_true(
    expression: str, holds: bool, is_true: bool
) -> None:
    """Nothing breaks no rule and meets no condition."""
    compiled = compile_expression(expression, context="Patient")
    patient = BUNDLE["entry"][0]["resource"]

    assert (compiled.holds(patient), compiled.is_true(patient)) == (holds, is_true)


@pytest.mark.parametrize(
    ("context", "value", "expression", "expected"),
    [
        ("HumanName", {"given": ["A"]}, "given", ["A"]),
        ("HumanName", Element({"given": ["A"]}, "HumanName"), "given", ["A"]),
        ("string", Element(None, "string", {"extension": [{"url": "u"}]}), "hasValue()", [False]),
        ("string", Element("a", "string", {"id": "i"}), "id", ["i"]),
        ("Narrative.div", "<div xmlns='http://www.w3.org/1999/xhtml'>a</div>", "htmlChecks()", [True]),
        ("Narrative.div", "<div><script>a</script></div>", "htmlChecks()", [False]),
        ("Narrative.div", "<div></div>", "htmlChecks()", [False]),
        ("Observation.component", {"valueString": "a"}, "value is string", [True]),
        ("Observation.value[x]", Element("a", "string"), "$this is string", [True]),
        (None, Element("2012", "date"), "$this < @2013", [True]),
        (None, Element({"value": 3, "code": "mg"}, "Quantity"), "$this = 3 'mg'", [True]),
        ("Patient", {"resourceType": "Patient", "_gender": {"id": "g"}}, "gender.exists()", [True]),
        ("Patient", {"resourceType": "Patient", "_gender": {"id": "g"}}, "gender", [{"id": "g"}]),
    ],
)
def test_any_element_can_be_the_focus(
    context: str | None, value: Any, expression: str, expected: list[Any]
) -> None:
    """An expression is asked of a resource, of an element, or of a primitive with what stands beside it."""
    assert compile_expression(expression, context=context)(value) == expected


@pytest.mark.parametrize(
    "shape", [{"name": {"given": "A"}}, {"name": "x"}, {"active": [True]}, {"gender": ["a"]}]
)
def test_a_resource_of_the_wrong_shape_is_a_named_fault(shape: dict[str, Any]) -> None:
    """A list for a value, or a value for a list, is said and not guessed around."""
    expression = compile_expression("name.given.exists() or active or gender = 'a'")

    with pytest.raises(Malformed) as fault:
        expression({"resourceType": "Patient", **shape})

    assert fault.value.code == "FP307"


ODDITIES: list[Any] = [None, "x", 1, True, [], [1], [[1]], ["x"], [None], {"a": 1}, [{"a": 1}]]
ODDITIES += [{"extension": "x"}, {"extension": [1]}, {"extension": {"url": 1}}, [{"id": [1]}]]


def _broken() -> Iterator[dict[str, Any]]:
    """An invented person with one element after the other put in every wrong shape."""
    names = ["resourceType", "id", "active", "_active", "name", "_name", "birthDate", "_birthDate", "gender"]
    names += ["deceasedBoolean", "_deceasedBoolean", "extension", "modifierExtension", "contained", "text"]
    for oddity in ODDITIES:
        for name in names:
            yield {**PERSON, name: oddity}
        for name in ("given", "_given", "family", "period"):
            yield {**PERSON, "name": [{**PERSON["name"][0], name: oddity}]}
        yield {**PERSON, "text": {"div": oddity}}


PERSON: dict[str, Any] = {
    "resourceType": "Patient",
    "name": [{"given": ["A"], "family": "B", "period": {"start": "2012"}}],
    "deceasedBoolean": True,
    "birthDate": "2012-01-01",
    "gender": "male",
}


@pytest.mark.parametrize(
    "expression",
    [
        "descendants().count()",
        "descendants().ofType(string).extension",
        "deceased.children() | birthDate.extension('u').value",
        "repeat(children()).hasValue()",
        "gender in ('a' | 'b') or name.given = 'A' or name.exists(family ~ 'b')",
        "(name.given | gender).distinct().join(',')",
        "name.period.start > @2012 or birthDate + 1 day > @2012",
        "checkModifiers('a').contained.resolve().getResourceKey()",
        "name.sort(family).select(given & '!').matches('a')",
        "text.`div`.htmlChecks()",
    ],
)
def test_a_resource_broken_anywhere_gives_a_result_or_our_own_error(expression: str) -> None:
    """Whatever stands where an element should, nothing but a result or one of our errors comes out."""
    compiled = compile_expression(expression)

    for resource in _broken():
        with suppress(AdapterError):
            assert isinstance(compiled(resource), list)


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ("(1|2|3|4|5|6|7|8|9|10).aggregate($total & $this.toString() & $total, 'x').length()", None),
        ("repeatAll($this)", "FP401"),
        ("repeatAll($this | $this)", "FP401"),
        ("%s.aggregate($total & $total, 'xxxxxxxx')", "FP403"),
        ("%s.aggregate($total.combine($total), 1)", "FP403"),
        ("%s.select(%s.select(%s.select(%s.select(%s))))", "FP403"),
        ("%s.all(%s.all(%s.all(%s.all(%s.all(%s.all($this >= 0))))))", "FP401"),
        (
            "%s.all(%s.all(%s.all(%s.all('aaaaaaaaaaaaaaaa'.matches('(a*)*' & $this.toString()).not()))))",
            "FP401",
        ),
        ("'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!'.matches('^(a+)+$')", None),
        ("10.power(10).power(10).power(10).power(10)", None),
        ("(2.5.power(4000)).power(4000)", None),
    ],
)
def test_no_expression_can_hang_a_server(expression: str, code: str | None) -> None:
    """What multiplies without end is stopped by a limit; what only looks dangerous just answers."""
    many = "(" + " | ".join(str(number) for number in range(40)) + ")"
    compiled = compile_expression(expression.replace("%s", many))

    if code is None:
        assert isinstance(compiled({"a": 1}), list)
        return
    # The clock stands, so that steps and sizes decide on a slow machine too.
    budget = Budget(steps=2_000_000, output=100_000, text=1_000_000, clock=lambda: 0.0)
    with pytest.raises(TooCostly) as fault:
        compiled({"a": 1}, budget=budget)

    assert fault.value.code == code


def test_time_is_a_limit_by_the_callers_clock() -> None:
    """The clock is an argument: when it has run out, the evaluation ends."""
    ticks = iter(range(0, 10_000, 5))
    budget = Budget(seconds=7, clock=lambda: float(next(ticks)))
    many = "(" + " | ".join(str(number) for number in range(60)) + ")"
    compiled = compile_expression(f"{many}.all({many}.all({many}.all({many}.exists($this > 0))))")

    with pytest.raises(TooCostly) as fault:
        compiled({}, budget=budget)

    assert fault.value.code == "FP402"


def test_a_tree_compiles_by_itself() -> None:
    """What the parser gave out of another text can be compiled without that text."""
    assert compile_tree(parse("name.given.first()"))({"name": {"given": ["A"]}}) == ["A"]


def test_an_explanation_names_the_type_of_every_part() -> None:
    """Each part stands with the type it gives, `*` for several."""
    lines = explain(compile_expression("name.given.first() = 'a'", context="Patient"))

    assert [(line.label, line.type) for line in lines] == [
        ("=", "System.Boolean"),
        (".first()", "string"),
        (".given", "string*"),
        ("name", "HumanName*"),
        ("'a'", "System.String"),
    ]


EDGES: dict[str, Any] = {
    "huge": ExactDecimal("1e400"),
    "tiny": ExactDecimal("-1e-400"),
    "whole": 10**120,
    "long": ExactDecimal("1." + "123456789" * 12),
    "zero": 0,
    "text": "9" * 200,
}


@pytest.mark.parametrize("name", EDGES)
@pytest.mark.parametrize(
    "question",
    [
        "ceiling() | %v.floor() | %v.truncate() | %v.round(2) | %v.abs()",
        "exp() | %v.ln() | %v.sqrt() | %v.log(2) | %v.power(2) | %v.power(%v)",
        "toString().length() | %v.toInteger() | %v.toDecimal() | %v.precision()",
        "lowBoundary() | %v.highBoundary(2) | %v.toQuantity('g') | %v.toQuantity()",
        "select($this + 1 | $this * $this | $this / 3 | $this div 3 | $this mod 3)",
        "select($this = 1.5 or $this ~ 1.5 or $this < 1.5)",
        "select(@2012-01-01 + ($this.toString() & ' days').toQuantity())",
        "select(@T10 + ($this.toString() & ' hours').toQuantity())",
    ],
)
def test_numbers_at_the_edge_of_what_json_can_say_break_nothing(name: str, question: str) -> None:
    """A number of any size gives a result, or our own error."""
    for part in question.replace("select(", "%v.select(").split(" | %v."):
        text = part if part.startswith("%v") else f"%v.{part}"
        with suppress(AdapterError):
            assert isinstance(compile_expression(text, ["v"])({}, {"v": EDGES[name]}), list)


TWO_SERVERS = {
    "resourceType": "Bundle",
    "entry": [
        {
            "fullUrl": f"https://{name}.example/fhir/{kind}/1",
            "resource": {"resourceType": kind, "id": "1"} | more,
        }
        for name in ("a", "b")
        for kind, more in (
            ("Patient", {"active": name == "a"}),
            ("Task", {"for": {"reference": "Patient/1"}}),
        )
    ],
}


def test_a_relative_reference_goes_to_its_own_server_or_nowhere() -> None:
    """From an entry it leads to the entry of the same server; from the Bundle as a whole it is ambiguous."""
    task = TWO_SERVERS["entry"][3]["resource"]
    own = compile_expression("%resource.for.resolve().active", ())

    assert own(task, {"resource": task, "rootResource": TWO_SERVERS}) == [False]
    assert compile_expression("entry.resource.ofType(Task).for.resolve().active", ())(TWO_SERVERS, {}) == []
