"""What the mapping language guide says of lists, shares, constants, tables and dates."""

# ruff: noqa: E501 (a case reads best on one line)

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from adapter.mapping.mapset import check
from adapter.mapping.moments import NotATime, zone_of
from adapter.mapping.patterns import UnknownPattern, date, date_time, from_unix, time
from tests.mapping.conftest import to

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from adapter.mapping.map import Map

HEAD = 'uses "http://hl7.org/fhir/StructureDefinition/Patient" alias Source as source\n' + to("Patient")
DOE: dict[str, Any] = {"id": "p", "name": [{"family": "Alpha"}, {"family": "Beta"}]}


def mapped(
    one: Callable[..., Map], rules: str, source: dict[str, Any], head: str = ""
) -> tuple[Any, list[str]]:
    """Run rules from Patient to Patient, both ways of running; the result and the findings."""
    found = one(f"{HEAD}{head}group Main(source src : Source, target tgt : Patient) {{\n{rules}\n}}\n")
    body = json.dumps({"resourceType": "Patient", **source}).encode()
    plain = found.run(body, media_type="application/fhir+json")
    traced = found.run(body, media_type="application/fhir+json", lineage=True)
    assert plain.resources == traced.resources
    return plain.resources[0], [issue.code for issue in plain.issues]


def filled(name: str, share: str, element: str) -> str:
    return f'src.id as v -> tgt.name as o share {share} then {{ v -> o.{element} = v "v"; }} "{name}";'


SHARES: dict[str, tuple[str, list[Any]]] = {
    "by rules of one list": (filled("a", "x", "family") + filled("b", "x", "text"), [{"text": "p", "family": "p"}]),
    "not by rules of two": (
        f'src -> tgt then {{ {filled("a", "x", "family")} }} "one"; src -> tgt then {{ {filled("b", "x", "text")} }} "two"; {filled("c", "x", "given")}',
        [{"family": "p"}, {"text": "p"}, {"given": ["p"]}],
    ),
    "anew for each run of the list": (
        'src.name as n -> tgt then { n.family as f -> tgt.name as o share x then { f -> o.family = f "f"; } "a"; n.family as f -> tgt.name as o share x then { f -> o.text = f "t"; } "b"; } "names";',
        [{"text": "Alpha", "family": "Alpha"}, {"text": "Beta", "family": "Beta"}],
    ),
    "by every value of a source": (
        'src.name as n -> tgt.name as o share x then { n.family as f -> o.given = f "f"; } "names";',
        [{"given": ["Alpha", "Beta"]}],
    ),
    "by a list inside, too": (
        'src -> tgt.name as a share x then { src.id as v -> tgt.name as b share x then { v -> b.family = v "v"; } "in"; } "out";',
        [{"family": "p"}],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("rules", "names"), SHARES.values(), ids=SHARES)
def test_a_target_is_shared(one: Callable[..., Map], rules: str, names: list[Any]) -> None:
    """A shared target belongs to the list of rules that it stands in."""
    assert mapped(one, rules, DOE) == ({"resourceType": "Patient", "name": names}, [])


ALPHA, BETA, MIDDLE = {"family": "Alpha"}, {"family": "Beta"}, {"text": "p"}
AFTER = 'src.id as v -> tgt.name as o then { v -> o.text = v "v"; } "after";'
LISTS: dict[str, tuple[str, list[Any], list[str]]] = {
    "first": (f'{AFTER} src.name as n -> tgt.name = n first "n";', [ALPHA, BETA, MIDDLE], []),
    "last": (f'src.name as n -> tgt.name = n last "n"; {AFTER}', [MIDDLE, ALPHA, BETA], []),
    "made last": (f'src.name as n -> tgt.name as o last then {{ n.family as f -> o.family = f "f"; }} "n"; {AFTER}', [MIDDLE, ALPHA, BETA], []),
    "both ends": (f'src.name first as n -> tgt.name = n last "l"; {AFTER} src.name last as n -> tgt.name = n first "f";', [BETA, MIDDLE, ALPHA], []),
    "one rule an end": ('src.name first as n -> tgt.name = n last "a"; src.name last as n -> tgt.name = n last "b";', [ALPHA, BETA], ["MP316"]),
    "single": ('src.name first as n -> tgt.name = n single "n";', [ALPHA], []),
    "not single": ('src.name as n -> tgt.name = n single "n";', [ALPHA], ["MP317"]),
    "not made single": ('src.name as n -> tgt.name as o single then { n.family as f -> o.family = f "f"; } "n";', [ALPHA], ["MP317"]),
    "collate": (f'{AFTER} src.id as v -> tgt.name as o collate then {{ v -> o.family = v "v"; }} "n";', [{"text": "p", "family": "p"}], []),
}  # fmt: skip


@pytest.mark.parametrize(("rules", "names", "codes"), LISTS.values(), ids=LISTS)
def test_a_list_mode_says_where(
    one: Callable[..., Map], rules: str, names: list[Any], codes: list[str]
) -> None:
    """What a rule says of its place in the list holds, whatever other rules put there."""
    assert mapped(one, rules, DOE) == ({"resourceType": "Patient", "name": names}, codes)


def test_primitives_go_last_with_what_stands_beside_them(one: Callable[..., Map]) -> None:
    """Value and extension keep together."""
    beside = [{"extension": [{"url": "urn:x", "valueString": "one"}]}, None]
    rules = 'src.name as n -> tgt.name as o then { n.given first as a -> o.given = a last "a"; n.given last as b -> o.given = b "b"; } "n";'

    found, _ = mapped(one, rules, {"name": [{"given": ["A", "B"], "_given": beside}]})

    assert found["name"] == [{"given": ["B", "A"], "_given": beside[::-1]}]


@pytest.mark.parametrize(
    ("declared", "named"), [("sexes", "#sexes"), ("#sexes", "#sexes"), ("#sexes", "sexes")]
)
def test_a_table_of_the_map_is_named_with_its_sign_or_without(
    one: Callable[..., Map], declared: str, named: str
) -> None:
    """The guide's own examples declare `sexes` and name `#sexes`."""
    head = f'conceptmap "{declared}" {{\n  prefix s = "urn:s"\n  prefix t = "urn:t"\n  s:M == t:male\n}}\n'

    found, _ = mapped(
        one, f"src.id as v -> tgt.gender = translate(v, '{named}', 'code') \"g\";", {"id": "M"}, head
    )

    assert found["gender"] == "male"


@pytest.mark.parametrize(
    ("output", "given"),
    [
        ("code", "male"),
        ("system", "urn:t"),
        ("Coding", {"system": "urn:t", "code": "male"}),
        ("coding", {"system": "urn:t", "code": "male"}),
    ],
)
def test_a_translation_gives_what_it_is_asked_for(
    one: Callable[..., Map], output: str, given: object
) -> None:
    """R4 names code, system, display, Coding and CodeableConcept."""
    head = 'conceptmap "sexes" {\n  prefix s = "urn:s"\n  prefix t = "urn:t"\n  s:M == t:male\n}\n'
    rules = f"src.id as v -> tgt.extension as e, e.value = translate(v, '#sexes', '{output}');"

    found, _ = mapped(one, rules, {"id": "M"}, head)

    assert list(found["extension"][0].values()) == [given]


@pytest.mark.parametrize("inputs", ["source src : Source, target tgt : Patient", "source src, target tgt"])
def test_a_map_begins_with_the_structures_it_uses(one: Callable[..., Map], inputs: str) -> None:
    """A first group that names no types is about those of `uses`."""
    found = one(f'{HEAD}group Main({inputs}) {{ src.deceased -> tgt.deceased "d"; }}')

    outcome = found.run(
        b'{"resourceType": "Patient", "deceasedBoolean": true}', media_type="application/fhir+json"
    )

    assert outcome.resources == [{"resourceType": "Patient", "deceasedBoolean": True}]


def test_a_map_that_lends_its_groups_leaves_their_types_open(
    one: Callable[..., Map], faults: Callable[..., list[Any]]
) -> None:
    """The first group of an imported map is called with whatever its caller has."""
    lent = f'map "urn:test:lent" = "lent"\n{HEAD}group Line(source s, target t) {{ s.family as f -> t.family = f "f"; }}'
    text = f'{HEAD}imports "urn:test:lent"\ngroup Main(source src : Source, target tgt : Patient) {{ src.name as n -> tgt.name as t then Line(n, t) "n"; }}'

    assert faults(text, also={"lent.map": lent}) == []


def test_what_is_copied_of_any_resource_can_be_changed(one: Callable[..., Map]) -> None:
    """Which elements it has is known when it runs; the source and other copies stay as they are."""
    head = HEAD.replace("Patient", "Bundle")
    rules = "src.entry as e -> tgt.entry as t then { e.resource as r -> t.resource = copy(r) as c then { r -> c.active = true; }; }; src.entry as e -> tgt.entry = e;"
    entry = {"resource": {"resourceType": "Patient", "active": False}}
    body = json.dumps({"resourceType": "Bundle", "entry": [entry]}).encode()

    found = one(f"{head}group Main(source src : Source, target tgt : Bundle) {{ {rules} }}")
    made = found.run(body, media_type="application/fhir+json", lineage=True).resources[0]

    assert [one["resource"]["active"] for one in made["entry"]] == [True, False]


LENT = """uses "urn:test:unknown" alias Known as source
group Any() { source.flag as f -> target.id = f; }
group Own(source source : Known, target target : HumanName) extends Any <<types>> { source.a -> target.text; }
group Other(source source : UNDECLARED, target target : Period) extends Any <<types>> { source.a -> target.start; }
"""


def test_types_of_a_structure_without_a_model_are_no_fault(faults: Callable[..., list[Any]]) -> None:
    """A map of types begins with what its groups extend, and need not name every type it maps."""
    assert faults(f'map "urn:test:types" = "types"\n{LENT}') == []


def test_a_short_rule_that_writes_to_its_source_is_a_fault(faults: Callable[..., list[Any]]) -> None:
    """There is no element to look at on the other side."""
    text = f"{HEAD}group Main(source src : Source, target tgt : Patient) {{ src.meta -> src.meta; }}"

    assert [issue.code for issue in faults(text)] == ["MP226"]


def test_constants_are_made_of_constants(one: Callable[..., Map]) -> None:
    """In whatever order they stand; what a run gives goes into what is made of it."""
    found = one(
        f"{HEAD}let whole = base & '/' & part;\nlet base = 'urn';\nlet part = 'x';\ngroup G(source src : Source, target tgt : Patient) {{ src -> tgt.id = whole \"id\"; }}\n"
    )

    def whole(**given: str) -> Any:
        return found.run(
            b'{"resourceType": "Patient"}', media_type="application/fhir+json", constants=given
        ).resources[0]["id"]

    assert (whole(), whole(part="y"), whole(whole="z")) == ("urn/x", "urn/y", "z")


CONSTANTS = {
    "of itself": ("let a = a & 'x';", [("MP232", 3, {"constant": "a"})]),
    "of each other": (
        "let a = b;\nlet b = a;",
        [("MP232", 3, {"constant": "a"}), ("MP232", 4, {"constant": "b"})],
    ),
    "of nothing": (
        "let base = 'x';\nlet a = basse & 'x';",
        [("MP206", 4, {"variable": "basse", "near": "base"})],
    ),
}


@pytest.mark.parametrize(("lets", "expected"), CONSTANTS.values(), ids=CONSTANTS)
def test_a_constant_without_a_value_is_a_fault(
    folder: Callable[..., Path], lets: str, expected: list[Any]
) -> None:
    """Found before anything runs."""
    place = folder(
        {
            "a.map": f'{HEAD}{lets}\ngroup G(source src : Source, target tgt : Patient) {{ src -> tgt.id = a "a"; }}\n'
        }
    )

    found = [(issue.code, issue.line, dict(issue.params)) for issue in check(place)[1] if issue.is_error]

    assert found == expected


TRANSFORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "a day": ("tgt.birthDate = toDate(v, 'dd/MM/yyyy')", {"birthDate": "1980-03-02"}),
    "a type with its namespace": ("tgt.multipleBirth = cast('2', 'System.Integer'), tgt.language = cast(v, 'FHIR.code')", {"multipleBirthInteger": 2, "language": "02/03/1980"}),
    "a moment of milliseconds": ("tgt.deceased = unixToDateTime(1714570200250, '+10:00')", {"deceasedDateTime": "2024-05-01T23:30:00.250+10:00"}),
    "its day": ("tgt.birthDate = unixToDate(-1)", {"birthDate": "1969-12-31"}),
    "its time of day": ("tgt.language = unixToTime(-1000)", {"language": "23:59:59"}),
    "a time": ("tgt.language = toTime('0815', 'HHmm')", {"language": "08:15:00"}),
    "as HL7 writes it": ("tgt.birthDate = toDate('19800302')", {"birthDate": "1980-03-02"}),
}  # fmt: skip


@pytest.mark.parametrize(("target", "expected"), TRANSFORMS.values(), ids=TRANSFORMS)
def test_transforms_of_the_guide(one: Callable[..., Map], target: str, expected: dict[str, Any]) -> None:
    """Dates by a pattern, moments by a count, types by their full name."""
    assert mapped(one, f'src.id as v -> {target} "r";', {"id": "02/03/1980"}) == (
        {"resourceType": "Patient", **expected},
        [],
    )


BAD = {
    "another form": ("tgt.birthDate = toDate(v, 'dd.MM.yyyy')", "MP321"),
    "no such day": ("tgt.birthDate = toDate('31/02/1980', 'dd/MM/yyyy')", "MP321"),
    "a code not read": ("tgt.birthDate = toDate(v, 'd MMM yyyy')", "MP322"),
    "no positive number": ("tgt.id = cast('0', 'positiveInt')", "MP321"),
    "a quantity that is none": ("tgt.extension as e, e.value = qty('some')", "MP321"),
    "a length that is none": ("tgt.language = truncate('abc', -1)", "MP321"),
    "no number of R4": ("tgt.multipleBirth = cast('4294967296', 'integer')", "MP321"),
}


@pytest.mark.parametrize(("target", "code"), BAD.values(), ids=BAD)
def test_what_cannot_be_read_is_told(one: Callable[..., Map], target: str, code: str) -> None:
    """The element stays absent."""
    found, codes = mapped(one, f'src.id as v -> {target} "r";', {"id": "02/03/1980"})

    assert (found, codes) == ({"resourceType": "Patient"}, [code])


HELSINKI = zone_of("Europe/Helsinki")
PATTERNS = {
    ("2026-03-01 9:05", "yyyy-MM-dd H:mm"): ("2026-03-01T09:05:00+02:00", None),
    ("20260301120000+0100", "yyyyMMddHHmmssZ"): ("2026-03-01T12:00:00+01:00", None),
    ("2026-03-01T12:00:00.123Z", "yyyy-MM-ddTHH:mm:ss.SSSZ"): ("2026-03-01T12:00:00.123Z", None),
    ("1/3/26 12:30 am", "d/M/yy h:mm a"): ("2026-03-01T00:30:00+02:00", None),
    ("01.03.1999 01:30 PM", "dd.MM.yyyy hh:mm a"): ("1999-03-01T13:30:00+02:00", None),
    ("202603290330", "yyyyMMddHHmm"): ("2026-03-29T03:30:00+02:00", "MP331"),
    ("2026-05", "yyyy-MM"): ("2026-05", None),
    ("2026", "yyyy"): ("2026", None),
}


@pytest.mark.parametrize(("text", "pattern"), PATTERNS, ids=lambda one: one)
def test_a_date_is_read_by_its_pattern(text: str, pattern: str) -> None:
    """As precise as it is written, in the zone of the source where it says none."""
    assert date_time(text, pattern, HELSINKI) == PATTERNS[text, pattern]


@pytest.mark.parametrize(
    ("read", "error"),
    [
        (lambda: date_time("2026-13-01", "yyyy-MM-dd", HELSINKI), NotATime),
        (lambda: date_time("20260301 13:00 PM", "yyyyMMdd hh:mm a", HELSINKI), NotATime),
        (lambda: date_time("20260301 01:00", "yyyyMMdd hh:mm", HELSINKI), NotATime),
        (lambda: date("12:00", "HH:mm"), NotATime),
        (lambda: time("2026", "yyyy"), NotATime),
        (lambda: time("25:00", "HH:mm"), NotATime),
        (lambda: date("2026 2026", "yyyy yyyy"), UnknownPattern),
        (lambda: date("x", "EEE"), UnknownPattern),
        (lambda: from_unix(0, "Helsinki"), NotATime),
        (lambda: from_unix(10**30, None), NotATime),
    ],
)
def test_a_pattern_is_not_guessed(read: Callable[[], object], error: type[Exception]) -> None:
    """What does not fit, or is no code, is refused."""
    with pytest.raises(error):
        read()


class Package:
    """Definitions as a package gives them."""

    def __init__(self, *definitions: dict[str, Any]) -> None:
        self.definitions = definitions

    def resources(self, kind: str) -> list[dict[str, Any]]:
        return [one for one in self.definitions if one["resourceType"] == kind]


def model(name: str, kind: str, element: str, type_name: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "StructureDefinition", "url": f"urn:{name}", "kind": kind, "type": name, **more,
        "differential": {"element": [{"path": name}, {"path": f"{name}.{element}", "max": "*", "type": [{"code": type_name}]}]},
    }  # fmt: skip


SUPPRESSED = {
    "extension": [
        {
            "url": "http://hl7.org/fhir/tools/StructureDefinition/json-suppress-resourcetype",
            "valueBoolean": True,
        }
    ]
}


@pytest.mark.parametrize(
    ("more", "named"), [({}, {"resourceType": "Right"}), (SUPPRESSED, {})], ids=["named", "suppressed"]
)
def test_a_result_of_a_logical_model_says_its_type(
    folder: Callable[..., Path], more: Any, named: Any
) -> None:
    """As other engines write it; types of its own may be complex types, chosen as default groups are."""
    package = Package(
        model("Left", "logical", "part", "Inner"), model("Right", "logical", "part", "Outer", **more),
        model("Inner", "complex-type", "said", "string"), model("Outer", "complex-type", "told", "string"),
    )  # fmt: skip
    text = (
        'uses "urn:Left" alias Left as source\nuses "urn:Inner" alias Inner as source\n'
        'uses "urn:Right" alias Right as target\nuses "urn:Outer" alias Outer as target\n'
        "group G(source src : Left, target tgt : Right) { src.part -> tgt.part; }\n"
        'group P(source src : Inner, target tgt : Outer) <<types>> { src.said as s -> tgt.told = s "s"; }\n'
    )
    maps, issues = check(folder({"a.map": text}), [package])

    found = maps[0].run(b'{"part": [{"said": "yes"}]}', media_type="application/json")

    assert [issue.code for issue in issues if issue.is_error] == []
    assert found.resources == [{**named, "part": [{"told": ["yes"]}]}]


XML_MODELS = (
    model(
        "Left", "logical", "count", "integer", extension=[{"url": "urn:xml-namespace", "valueUri": "urn:n"}]
    ),
    model(
        "Right", "logical", "told", "integer", extension=[{"url": "urn:xml-namespace", "valueUri": "urn:n"}]
    ),
)
"""Models whose leaves are FHIR's own primitives."""


def element(path: str, *types: str) -> dict[str, Any]:
    return {"path": path, "max": "*", "type": [{"code": one} for one in types]}


def test_primitives_of_a_model_are_values_in_xml_as_in_fhir(folder: Callable[..., Path]) -> None:
    """Read as what they are, so that conditions can count; written as an attribute `value`."""
    left, right = XML_MODELS
    left["differential"]["element"] += [
        element("Left.part", "BackboneElement"),
        element("Left.part.said", "string"),
    ]
    right["differential"]["element"] += [element("Right.part", "Said"), element("Right.inside", "Resource")]
    text = (
        'uses "urn:Left" alias Left as source\nuses "urn:Right" alias Right as target\n'
        'uses "http://hl7.org/fhir/StructureDefinition/Basic" alias Basic as target\n'
        "group G(source src : Left, target tgt : Right) {\n"
        '  src.count as c where (c > 2) -> tgt.told = c "told";\n  src.part as p -> tgt.part = p "part";\n'
        "  src.count first as c -> tgt.inside = create('Basic') as b, b.id = 'b',"
        " b.extension as e, e.url = 'urn:e', e.value = cast(c, 'integer') \"inside\";\n}\n"
    )
    maps, issues = check(
        folder({"a.map": text}), [Package(left, right, model("Said", "logical", "said", "string"))]
    )
    source = b'<Left xmlns="urn:n"><count value="1"/><count value="3"/><part><said value="x"/></part></Left>'

    found = maps[0].run(source, media_type="application/xml", lineage=True)

    assert [issue.code for issue in issues if issue.is_error] == []
    assert found.documents[0] == (
        b"<?xml version='1.0' encoding='UTF-8'?>\n"
        b'<Right xmlns="urn:n"><told value="3"/><part><said value="x"/></part>'
        b'<inside><Basic xmlns="http://hl7.org/fhir"><id value="b"/><extension url="urn:e">'
        b'<valueInteger value="1"/></extension></Basic></inside></Right>'
    )
    assert found.accounting is not None
    assert (found.accounting.counts["mapped"], found.accounting.unaccounted) == (3, [])
