"""What rules do when they run."""

# ruff: noqa: E501 (a case reads best on one line)

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from adapter.errors import ConfigurationError, TooCostly, Unsupported
from adapter.fhir import json as fhir_json
from adapter.mapping.mapset import MapSet
from tests.mapping.conftest import JSON, V2, XML, to

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from adapter.mapping.mapset import Map

Load = "Callable[..., Map]"

PATIENT = JSON + to("Patient") + "group G(source src : Json, target tgt : Patient) {\n%s\n}"
OBSERVATION = JSON + to("Observation") + "group G(source src : Json, target tgt : Observation) {\n%s\n}"


def result(one: Map, source: Any, **options: Any) -> dict[str, Any]:
    """Run over JSON; the resource without its type, after a look that both builds agree."""
    body = json.dumps(source).encode()
    outcome = one.run(body, media_type="application/json", **options)
    traced = one.run(body, media_type="application/json", lineage=True, **options)
    assert outcome.resources == traced.resources
    assert outcome.issues == traced.issues
    return {key: value for key, value in outcome.resources[0].items() if key != "resourceType"}


RULES: dict[str, tuple[str, str, Any, Any]] = {
    "copy": (PATIENT, "src.sex as s -> tgt.gender = s;", {"sex": "female"}, {"gender": "female"}),
    "literal": (PATIENT, "src -> tgt.active = true;", {}, {"active": True}),
    "null in a list": (PATIENT, "src.g as g -> tgt.name as n, n.text = g;", {"g": ["a", None, "b"]}, {"name": [{"text": "a"}, {"text": "b"}]}),
    "a list in a list": (PATIENT, "src.g as g where (g = 'a') -> tgt.name as n, n.text = g;", {"g": ["a", ["b"]]}, {"name": [{"text": "a"}]}),
    "absent stays absent": (PATIENT, "src.sex as s -> tgt.gender = s;", {}, {}),
    "empty element is not written": (PATIENT, "src -> tgt.name as n then { src.f as f -> n.family = f; };", {}, {}),
    "list element": (PATIENT, "src.g as g -> tgt.name as n, n.given = g;", {"g": ["a", "b"]},
                     {"name": [{"given": ["a"]}, {"given": ["b"]}]}),
    "one name for what is read and what is made": (PATIENT, "src.n as n -> tgt.name as n then { n.f as f -> n.family = f; n -> n.text = 'x'; };",
        {"n": {"f": "F"}}, {"name": [{"text": "x", "family": "F"}]}),
    "what is made is read while it grows": (PATIENT, "src.a as a -> tgt.name as n, n.text = a then { tgt.name as m -> tgt.name as k, k.text = 'b'; };",
        {"a": "a"}, {"name": [{"text": "a"}, {"text": "b"}]}),
    "a length that is none": (PATIENT, "src.a as a -> tgt.language = truncate(a, 1), tgt.id = a;", {"a": "abc"}, {"id": "abc", "language": "a"}),
    "an empty text is not written": (PATIENT, "src.a as a -> tgt.identifier as i, i.system = '', i.value = a, i.use = a;", {"a": ["", "x"]},
        {"identifier": [{"use": "x", "value": "x"}]}),
    "an element of a leaf": (PATIENT, "src.a as a -> tgt.identifier as i then { a.value as v -> i.value = v; a.b as b -> i.system = b; };", {"a": ["x", {"b": "s"}]},
        {"identifier": [{"value": "x"}, {"system": "s"}]}),
    "an element of a value made for it": (PATIENT, "src.a as a -> tgt.identifier as i, i.value = a, i.use = append(a, 'b');", {"a": "x"},
        {"identifier": [{"use": "xb", "value": "x"}]}),
    "one element for all": (PATIENT, "src -> tgt.name as n then { src.g as g -> n.given = g; };", {"g": ["a", "b"]},
                            {"name": [{"given": ["a", "b"]}]}),
    "share": (PATIENT, "src.f as f -> tgt.name as n share x, n.family = f; src.g as g -> tgt.name as n share x, n.given = g;",
              {"f": "F", "g": "G"}, {"name": [{"family": "F", "given": ["G"]}]}),
    "where": (PATIENT, "src.n as n where (use = 'a') -> tgt.name as m, m.family = (n.f);",
              {"n": [{"use": "a", "f": "1"}, {"use": "b", "f": "2"}]}, {"name": [{"family": "1"}]}),
    "own variable in where": (PATIENT, "src.n as m where (m.exists() and m != 'x') -> tgt.name as o, o.text = m;",
                              {"n": ["x", "y"]}, {"name": [{"text": "y"}]}),
    "default": (PATIENT, "src.sex default 'unknown' as s -> tgt.gender = s;", {}, {"gender": "unknown"}),
    "first": (PATIENT, "src.g first as g -> tgt.name as n, n.text = g;", {"g": ["a", "b"]}, {"name": [{"text": "a"}]}),
    "last": (PATIENT, "src.g last as g -> tgt.name as n, n.text = g;", {"g": ["a", "b"]}, {"name": [{"text": "b"}]}),
    "not_first": (PATIENT, "src.g not_first as g -> tgt.name as n, n.text = g;", {"g": ["a", "b"]}, {"name": [{"text": "b"}]}),
    "append": (PATIENT, "src.a as a -> tgt.name as n, n.text = append(a, '-', src.b);", {"a": "1", "b": 2}, {"name": [{"text": "1-2"}]}),
    "append of nothing": (PATIENT, "src.a as a -> tgt.name as n, n.text = append('x', src.b);", {"a": "1"}, {}),
    "truncate": (PATIENT, "src.a as a -> tgt.name as n, n.text = truncate(a, 2);", {"a": "abc"}, {"name": [{"text": "ab"}]}),
    "several sources": (PATIENT, "src.a as a, src.b as b -> tgt.name as n, n.text = append(a, b);", {"a": ["1", "2"], "b": "x"},
                        {"name": [{"text": "1x"}, {"text": "2x"}]}),
    "deep target": (PATIENT, "src.a as a -> tgt.maritalStatus.text = a;", {"a": "x"}, {"maritalStatus": {"text": "x"}}),
    "deep source": (PATIENT, "src.a.b as a -> tgt.name as n, n.text = a;", {"a": [{"b": "1"}, {}, {"b": "2"}]},
                    {"name": [{"text": "1"}, {"text": "2"}]}),
    "choice by cast": (PATIENT, "src.d as d -> tgt.deceased = cast(d, 'dateTime');", {"d": "20200101"}, {"deceasedDateTime": "2020-01-01"}),
    "choice by literal": (PATIENT, "src -> tgt.deceased = false;", {}, {"deceasedBoolean": False}),
    "choice by json name": (PATIENT, "src -> tgt.deceasedBoolean = false;", {}, {"deceasedBoolean": False}),
    "text becomes boolean": (PATIENT, "src.a as a -> tgt.active = a;", {"a": "Y"}, {"active": True}),
    "standard order": (PATIENT, "src -> tgt.birthDate = '2020'; src -> tgt.gender = 'male'; src -> tgt.active = true;", {},
                       {"active": True, "gender": "male", "birthDate": "2020"}),
    "cc": (OBSERVATION, "src.a as a -> tgt.code = cc('urn:s', a, 'd');", {"a": "x"},
           {"code": {"coding": [{"system": "urn:s", "code": "x", "display": "d"}]}}),
    "cc of text": (OBSERVATION, "src.a as a -> tgt.code = cc(a);", {"a": "x"}, {"code": {"text": "x"}}),
    "c in a list": (OBSERVATION, "src.a as a -> tgt.code as k, k.coding = c('urn:s', a);", {"a": "x"}, {"code": {"coding": [{"system": "urn:s", "code": "x"}]}}),
    "qty of text": (OBSERVATION, "src.a as a -> tgt.value = qty(a);", {"a": "<5.0 mg"},
                    {"valueQuantity": {"value": "5.0", "comparator": "<", "unit": "mg"}}),
    "id": (PATIENT, "src.a as a -> tgt.identifier = id('urn:s', a);", {"a": "1"}, {"identifier": [{"system": "urn:s", "value": "1"}]}),
    "cp": (PATIENT, "src.a as a -> tgt.telecom = cp(a);", {"a": "a@b.fi"}, {"telecom": [{"system": "email", "value": "a@b.fi"}]}),
    "evaluate": (PATIENT, "src -> tgt.name as n, n.text = evaluate(src, a.substring(0, 1) & 'x');", {"a": "abc"}, {"name": [{"text": "ax"}]}),
    "a part of the type is made by the name of its base": (PATIENT, "src.a as a -> tgt.contact = create('BackboneElement') as c, c.gender = a;", {"a": "male"}, {"contact": [{"gender": "male"}]}),
    "several values of an expression": (PATIENT, "src -> tgt.name as n, n.given = (src.a);", {"a": ["1", "2"]}, {"name": [{"given": ["1", "2"]}]}),
    "bare value": (PATIENT, "src -> ('a' & 'b') as ab, tgt.name as n, n.text = ab;", {}, {"name": [{"text": "ab"}]}),
    "primitive as a node": (PATIENT, "src.d as d -> tgt.birthDate as b, b.value = d, b.extension as e, e.url = 'urn:e', e.value = 'x';",
                            {"d": "2020"}, {"birthDate": "2020", "_birthDate": {"extension": [{"url": "urn:e", "valueString": "x"}]}}),
}  # fmt: skip


@pytest.mark.parametrize(("frame", "rules", "source", "expected"), RULES.values(), ids=RULES)
def test_a_rule_does_what_the_language_says(
    one: Load, frame: str, rules: str, source: Any, expected: Any
) -> None:
    """Each form of rule gives its result in the order of the standard, traced or not."""
    made = result(one(frame % rules), source)

    assert json.dumps(made, default=str) == json.dumps(expected)


ISSUES: dict[str, tuple[str, str, Any, list[tuple[str, str | None]]]] = {
    "check": (
        PATIENT,
        "src.a as a check (a = '1') -> tgt.name as n, n.text = a;",
        {"a": "2"},
        [("MP304", "/a")],
    ),
    "cardinality": (PATIENT, "src.a : string 1..1 as a -> tgt.name as n, n.text = a;", {}, [("MP302", "/")]),
    "only one": (
        PATIENT,
        "src.a only_one as a -> tgt.name as n, n.text = a;",
        {"a": ["1", "2"]},
        [("MP303", "/a/1")],
    ),
    "no date": (
        PATIENT,
        "src.a as a -> tgt.birthDate = cast(a, 'date');",
        {"a": "31.2.2020"},
        [("MP321", "/a")],
    ),
    "an expression that fails": (
        PATIENT,
        "src -> tgt.name as n, n.text = (src.a.single().b);",
        {"a": [{"b": "1"}, {"b": "2"}]},
        [("FP301", "/a/1")],
    ),
    "no number": (
        OBSERVATION,
        "src.a as a -> tgt.value = cast(a, 'integer');",
        {"a": "x"},
        [("MP321", "/a")],
    ),
    "J3 an integer of 5,000 digits": (
        OBSERVATION,
        "src.a as a -> tgt.value = cast(a, 'integer');",
        {"a": "9" * 5_000},
        [("MP321", "/a")],
    ),
    **{
        f"J3 {name}": (
            OBSERVATION,
            "src.a as a -> tgt.value = create('Quantity') as q, q.value = cast(a, 'decimal');",
            {"a": number},
            [("MP321", "/a")],
        )
        for name, number in {
            "a decimal of 129 digits": "0." + "1" * 127,
            "an exponent of 401": "1e401",
            "an exponent beyond numbers": "1e" + "9" * 20,
        }.items()
    },
    "several for one": (
        PATIENT,
        "src -> tgt.birthDate = (src.a);",
        {"a": ["2020", "2021"]},
        [("MP312", "/a/1")],
    ),
    "written twice": (
        PATIENT,
        "src.a as a -> tgt.gender = a;",
        {"a": ["male", "female"]},
        [("MP305", "/a/1")],
    ),
    "parts for a leaf": (PATIENT, "src.a as a -> tgt.gender = a;", {"a": {"b": "c"}}, [("MP311", "/a")]),
    "leaf for parts": (PATIENT, "src.a as a -> tgt.maritalStatus = a;", {"a": "x"}, [("MP314", "/a")]),
}


@pytest.mark.parametrize(("frame", "rules", "source", "expected"), ISSUES.values(), ids=ISSUES)
def test_what_cannot_be_done_is_an_issue_at_its_place(
    one: Load, frame: str, rules: str, source: Any, expected: list[tuple[str, str | None]]
) -> None:
    """Nothing is lost or guessed silently: the issue names the sender's own field, even in a plain run."""
    outcome = one(frame % rules).run(json.dumps(source).encode(), media_type="application/json")

    assert [(issue.code, issue.source_field) for issue in outcome.issues] == expected


NOT_TOLD = {
    "nullFlavor instead of a text": (XML, '<r><a nullFlavor="UNK"/></r>', []),
    "a word of what the text would be": (XML, '<r><a qualifier="BR" use="L"/></r>', []),
    "attributes that hold the content": (XML, '<r><a code="x" codeSystem="y"/></r>', [("MP311", "/r/a")]),
    "an empty first component": (V2, "MSH|^~\\&|^x^ISO||||||ADT^A01|1|T|2.5", []),
}


@pytest.mark.parametrize(("model", "source", "expected"), NOT_TOLD.values(), ids=NOT_TOLD)
def test_what_the_sender_does_not_tell_is_absent(
    one: Load, model: str, source: str, expected: list[tuple[str, str | None]]
) -> None:
    """Only content that a map must look into is a fault of the map, not content that is not there."""
    alias, rule, media_type = (
        ("V2", "src.MSH.f3", "application/hl7-v2") if model is V2 else ("Xml", "src.a", "application/xml")
    )
    text = (
        f"{model}{to('Patient')}group G(source src : {alias}, target tgt : Patient) {{\n"
        f"  {rule} as a -> tgt.language = a;\n}}"
    )

    outcome = one(text).run(source.encode(), media_type=media_type)

    assert [(issue.code, issue.source_field) for issue in outcome.issues] == expected
    assert "language" not in outcome.resources[0]


def test_no_issue_quotes_the_source(one: Load) -> None:
    """A value that cannot be read is not in the words about it."""
    outcome = one(PATIENT % "src.a as a -> tgt.birthDate = cast(a, 'date');").run(
        b'{"a": "010190-999R"}', media_type="application/json"
    )

    assert "999R" not in "".join(issue.text() + issue.help() for issue in outcome.issues)


BUNDLE = (
    JSON + to("Bundle") + to("Patient") + to("Observation") + "let system = {};\nlet kind = 'vital';\n"
    "group G(source src : Json, target bundle : Bundle) {\n"
    "  src.p as p -> bundle.entry as e, e.resource = create('Patient') as patient, e.fullUrl = pointer(patient) then {\n"
    "    p.id as id -> patient.identifier as i, i.value = id, i.system = system;\n"
    "    p.o as o -> bundle.entry as e2, e2.resource = create('Observation') as obs, e2.fullUrl = pointer(obs)\n"
    "      then Obs(o, obs, patient);\n"
    "  };\n}\n"
    "group Obs(source o, target obs : Observation, target patient : Patient) {\n"
    "  o -> obs.subject as r, r.reference = pointer(patient), obs.status = 'final', obs.code = cc(kind);\n}\n"
)


def test_resources_of_a_bundle_point_at_each_other(one: Load) -> None:
    """fullUrl, id and reference agree without any rule that spells an id."""
    made = result(one(BUNDLE), {"p": [{"id": "1", "o": [1, 2]}, {"id": "2", "o": [3]}]})

    urls = [entry["fullUrl"] for entry in made["entry"]]
    assert urls == [f"urn:uuid:{entry['resource']['id']}" for entry in made["entry"]]
    assert len(set(urls)) == 5
    assert [entry["resource"].get("subject", {}).get("reference") for entry in made["entry"]] == [
        None, urls[0], urls[0], None, urls[3],
    ]  # fmt: skip


def test_ids_depend_on_the_source_and_nothing_else(one: Load) -> None:
    """The same input gives the same bytes; another source id gives other ids."""
    loaded, source = one(BUNDLE), {"p": {"id": "1", "o": 1}}

    first, again = result(loaded, source, source_id="a"), result(loaded, source, source_id="a")

    assert first == again != result(loaded, source, source_id="b")


def test_constants_are_the_run_s_or_the_map_s(one: Load) -> None:
    """A run's value wins over the map's; names the map does not know are passed over."""
    made = result(
        one(BUNDLE), {"p": {"id": "1", "o": 1}}, constants={"system": "urn:s", "kind": "lab", "x": "y"}
    )

    assert made["entry"][0]["resource"]["identifier"] == [{"system": "urn:s", "value": "1"}]
    assert made["entry"][1]["resource"]["code"] == {"text": "lab"}


def test_a_copy_is_deep(one: Load) -> None:
    """Two copies of one source part are two things."""
    text = (
        'uses "http://hl7.org/fhir/StructureDefinition/Patient" alias P as source\n'
        + to("Patient")
        + "group G(source src : P, target tgt : Patient) { src.name -> tgt.name; src.name -> tgt.name; }"
    )
    outcome = one(text).run(
        b'{"resourceType":"Patient","name":[{"family":"F"}]}', media_type="application/fhir+json"
    )

    names = outcome.resources[0]["name"]
    assert names == [{"family": "F"}] * 2
    assert names[0] is not names[1]


def test_decimals_keep_their_digits(one: Load) -> None:
    """1.50 is 1.50 on its way through a map."""
    outcome = one(OBSERVATION % "src.a as a -> tgt.value = create('Quantity') as q, q.value = a;").run(
        b'{"a": 1.50}', media_type="application/json"
    )

    assert b'"value":1.50' in fhir_json.write(outcome.resources[0])


DEFAULTS = (
    'uses "http://hl7.org/fhir/StructureDefinition/Patient" alias P as source\n'
    + to("Person")
    + "group G(source src : P, target tgt : Person) { src.name -> tgt.name; src.contact as c then { c.name -> tgt.name; }; }\n"
    "group Name(source s : HumanName, target t : HumanName) extends Parts <<type+>> { s.family as f -> t.family = (f.upper()); }\n"
    "group Parts(source s, target t) { s.use -> t.use; }\n"
)


def test_default_groups_are_chosen_by_type(one: Load) -> None:
    """A short rule calls the group that is marked for its types, with what that one extends first."""
    outcome = one(DEFAULTS).run(
        b'{"resourceType":"Patient","name":[{"use":"usual","family":"a"}],"contact":[{"name":{"family":"b"}}]}',
        media_type="application/fhir+json",
    )

    assert outcome.resources[0]["name"] == [{"use": "usual", "family": "A"}, {"family": "B"}]


def test_a_choice_of_a_fhir_source_is_read_by_stem_and_type(one: Load) -> None:
    """`src.value : Quantity` finds valueQuantity; another type is passed over."""
    text = (
        'uses "http://hl7.org/fhir/StructureDefinition/Observation" alias O as source\n'
        + to("Observation")
        + "group G(source src : O, target tgt : Observation) {\n"
        "  src.value : Quantity as q -> tgt.value = q;\n  src.value : string as s -> tgt.code = cc(s);\n"
        "  src where value.is(Quantity) -> tgt.status = 'final';\n}"
    )
    outcome = one(text).run(
        b'{"resourceType":"Observation","valueQuantity":{"value":1}}', media_type="application/fhir+json"
    )

    assert outcome.resources == [
        {"resourceType": "Observation", "status": "final", "valueQuantity": {"value": 1}}
    ]


def test_a_map_in_circles_is_stopped(one: Load) -> None:
    """A group that calls itself without going down ends with our own error."""
    with pytest.raises(TooCostly):
        one(PATIENT % "src then G(src, tgt);").run(b"{}", media_type="application/json")


def test_a_field_of_v2_stands_for_its_first_component(one: Load) -> None:
    """PID-8 needs no further word in a transform, and names itself without one in an issue."""
    text = (
        V2
        + to("Patient")
        + (
            "group G(source msg : V2, target tgt : Patient) { msg.PID as pid then {\n"
            "  pid.f8 as s -> tgt.gender = s; pid.f7 as d -> tgt.birthDate = cast(d, 'date'); }; }"
        )
    )
    outcome = one(text).run(
        b"MSH|^~\\&|A||||||ADT^A01|1|T|2.5\rPID|||||||nope|F", media_type="application/hl7-v2"
    )

    assert outcome.resources[0]["gender"] == "F"
    assert [(issue.code, issue.source_field) for issue in outcome.issues] == [("MP321", "PID-7")]


def test_local_times_take_the_zone_of_the_run(one: Load) -> None:
    """The zone is the run's; a time that exists twice is an issue at its field."""
    loaded = one(OBSERVATION % "src.t as t -> tgt.effective = cast(t, 'dateTime');")

    assert result(loaded, {"t": "202601011200"}, zone="Europe/Helsinki") == {
        "effectiveDateTime": "2026-01-01T12:00:00+02:00"
    }
    outcome = loaded.run(b'{"t": "202610250330"}', media_type="application/json", zone="Europe/Helsinki")
    assert [(issue.code, issue.source_field) for issue in outcome.issues] == [("MP332", "/t")]


def test_an_unknown_zone_is_a_fault_of_the_deployment(one: Load) -> None:
    """Zones are checked before anything runs."""
    with pytest.raises(ConfigurationError):
        one(PATIENT % "").run(b"{}", media_type="application/json", zone="Europe/Nowhere")


def test_the_map_that_accepts_a_source_is_chosen(folder: Callable[..., Path]) -> None:
    """`auto` finds the one map whose accepts line is true, and says so when there is none or several."""
    maps = MapSet.load(
        folder(
            {
                f"{name}.map": f"/// url = 'urn:{name}'\n/// name = '{name}'\n//! accepts kind = '{kind}'\n"
                + PATIENT % f"src -> tgt.name as n, n.text = '{name}';"
                for name, kind in {"a": "x", "b": "y", "c": "y"}.items()
            }
        )
    )

    assert maps.run(b'{"kind": "x"}', media_type="application/json").resources[0]["name"][0]["text"] == "a"
    with pytest.raises(Unsupported):
        maps.run(b'{"kind": "z"}', media_type="application/json")
    with pytest.raises(ConfigurationError):
        maps.run(b'{"kind": "y"}', media_type="application/json")


def test_a_log_is_handed_to_the_caller_and_is_no_issue(one: Load) -> None:
    """What `log` says is content, so it goes to the caller alone."""
    outcome = one(PATIENT % 'src.a as a log (a) -> tgt.gender = a "rule";').run(
        b'{"a": "b"}', media_type="application/json"
    )

    assert (outcome.said, outcome.issues) == ([("rule", "b")], [])


def test_ids_are_the_same_whether_traced_or_not(one: Load) -> None:
    """The ids of one rule are given in the order it asks for them, in whatever order it writes."""
    made = one(PATIENT % "src.a as a -> tgt.identifier as i, i.value = uuid(), i.system = uuid();")
    plain, traced = (
        made.run(b'{"a": ["x", "y"]}', media_type="application/json", lineage=lineage).resources
        for lineage in (False, True)
    )

    assert plain == traced
    assert len({one["value"] for one in plain[0]["identifier"]}) == 2


LONG = 1_000_000
TEXTS = {
    "E1 a quantity behind spaces": ("qty", " " * LONG + "x"),
    "E1 a quantity of digits": ("qty", "1" * LONG + "\nx"),
    "E1 a unit with spaces": ("qty", "1 a" + " " * LONG + "\nx"),
    "E1 an address of points": ("cp", "a@" + "." * LONG + " "),
    "E1 an address of words": ("cp", "a@" + "a." * LONG + "@"),
}


@pytest.mark.parametrize(("transform", "text"), TEXTS.values(), ids=TEXTS)
def test_a_long_text_is_read_in_one_pass(one: Load, transform: str, text: str) -> None:
    """E1: what asked for a second look at each character would not end within this test's time."""
    into = {"qty": (OBSERVATION, "value"), "cp": (PATIENT, "telecom")}
    head, target = into[transform]

    loaded = one(head % f"src.a as a -> tgt.{target} = {transform}(a);")
    outcome = loaded.run(json.dumps({"a": text}).encode(), media_type="application/json")

    assert [issue.code for issue in outcome.issues if issue.is_error] in ([], ["MP321"])
