"""The type table says what the R4 definitions say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from adapter.fhir.types import primitive_pattern, r4

TABLE = r4()
DATA = Path(__file__).parents[2] / "adapter" / "fhir" / "data" / "r4.json.gz"


def element(type_name: str, name: str):
    definition = TABLE.type(type_name)
    assert definition is not None
    return definition.elements[name]


def test_the_table_is_of_r4():
    """The table names the version and the packages it was made from."""
    assert (TABLE.fhir_version, [package.name for package in TABLE.packages]) == (
        "4.0.1",
        ["hl7.fhir.r4.core", "hl7.fhir.r4.expansions"],
    )


def test_every_type_an_element_names_is_in_the_table():
    """No element leads to a type that is not there, content references included."""
    missing = [
        (name, one.name)
        for name in TABLE.names()
        for one in TABLE.type(name).elements.values()
        if any(TABLE.type(kind) is None for kind in one.types)
    ]
    assert missing == []


def test_resources_are_all_there():
    """R4 has 146 concrete resources and two abstract ones."""
    resources = list(TABLE.names("resource"))
    assert (len(resources), sum(map(TABLE.is_resource, resources))) == (148, 146)


def test_elements_stand_in_the_order_of_the_standard():
    """Inherited elements come first, as XML wants them."""
    names = list(TABLE.type("Patient").elements)
    assert names[:9] == [
        "id",
        "meta",
        "implicitRules",
        "language",
        "text",
        "contained",
        "extension",
        "modifierExtension",
        "identifier",
    ]


@pytest.mark.parametrize(
    ("type_name", "key", "expected"),
    [
        ("Observation", "valueQuantity", ("value", "Quantity")),
        ("Observation", "valueString", ("value", "string")),
        ("Observation", "component", ("component", "Observation.component")),
        ("Bundle.entry", "link", ("link", "Bundle.link")),
        ("Extension", "valueBase64Binary", ("value", "base64Binary")),
        ("Observation", "value", None),
        ("Observation", "resourceType", None),
        ("Observation", "_status", None),
        ("Nothing", "id", None),
    ],
)
def test_a_json_key_leads_to_its_element_and_type(type_name, key, expected):
    """A choice has one key for each type, a content reference the type it refers to."""
    found = TABLE.property(type_name, key)
    assert (found and (found[0].name, found[1])) == expected


def test_the_id_of_a_resource_is_an_id():
    """Snapshots type it as a FHIRPath String; the table corrects that."""
    assert (element("Patient", "id").types, element("HumanName", "id").types) == (("id",), ("string",))


@pytest.mark.parametrize(
    ("type_name", "system_type"),
    [
        ("boolean", "System.Boolean"),
        ("integer", "System.Integer"),
        ("positiveInt", "System.Integer"),
        ("unsignedInt", "System.Integer"),
        ("decimal", "System.Decimal"),
        ("date", "System.Date"),
        ("instant", "System.DateTime"),
        ("time", "System.Time"),
        ("code", "System.String"),
        ("xhtml", "System.String"),
    ],
)
def test_a_primitive_has_a_fhirpath_type(type_name, system_type):
    """Values of primitives are values of FHIRPath's own types."""
    definition = TABLE.type(type_name)
    assert (definition.is_primitive, definition.system_type) == (True, system_type)


@pytest.mark.parametrize(
    ("name", "ancestor", "expected"),
    [
        ("Patient", "Resource", True),
        ("Patient", "DomainResource", True),
        ("Bundle", "DomainResource", False),
        ("Age", "Quantity", True),
        ("SimpleQuantity", "Quantity", True),
        ("code", "string", True),
        ("positiveInt", "integer", True),
        ("Observation.component", "BackboneElement", True),
        ("Timing.repeat", "Element", True),
        ("string", "string", True),
        ("string", "code", False),
        ("Nothing", "Nothing", False),
    ],
)
def test_types_know_their_ancestors(name, ancestor, expected):
    """A type is what it specialises, over any number of steps."""
    assert TABLE.is_a(name, ancestor) is expected


def test_an_element_carries_its_rules():
    """Cardinality, binding, flags and targets are those of the definition."""
    status = element("Observation", "status")
    subject = element("CarePlan", "subject")
    assert (status.min, status.max, status.is_modifier, status.is_summary, status.binding.strength) == (
        1,
        1,
        True,
        True,
        "required",
    )
    assert subject.targets == ("Group", "Patient")


def test_references_to_anything_have_no_targets_but_resource():
    """A Reference that may point anywhere does not list all types."""
    assert element("Provenance", "target").targets == ("Resource",)


def test_xml_forms_are_known():
    """Ids of data types and extension URLs are attributes; narrative is XHTML."""
    forms = [
        element("HumanName", "id").form,
        element("Extension", "url").form,
        element("Patient", "id").form,
        element("Narrative", "div").form,
    ]
    assert forms == ["attribute", "attribute", "element", "xhtml"]


def test_required_codes_are_known():
    """The codes of a required value set are there, with or without a version in the canonical."""
    url = "http://hl7.org/fhir/ValueSet/administrative-gender"
    assert (
        TABLE.binding_codes(f"{url}|4.0.1")
        == TABLE.binding_codes(url)
        == {"male", "female", "other", "unknown"}
    )


def test_codes_are_known_by_system():
    """A value set that draws on several systems keeps them apart."""
    codings = TABLE.binding_codings("http://hl7.org/fhir/ValueSet/all-types")
    assert "Patient" in codings["http://hl7.org/fhir/resource-types"]


def test_open_value_sets_have_no_codes():
    """What a grammar defines (UCUM, MIME types) is never taken for a list."""
    urls = ("http://hl7.org/fhir/ValueSet/ucum-units", "http://hl7.org/fhir/ValueSet/mimetypes")
    assert [TABLE.binding_codes(url) for url in urls] == [None, None]


def test_only_open_required_bindings_lack_codes():
    """Every other required binding of a base type can be checked."""
    lacking = {
        one.binding.value_set.rpartition("/")[2]
        for name in TABLE.names()
        for one in TABLE.type(name).elements.values()
        if one.binding
        and one.binding.strength == "required"
        and not TABLE.binding_codes(one.binding.value_set)
    }
    assert lacking == {"ucum-units", "mimetypes", "LL379-9"}


def test_invariants_are_all_there():
    """Every invariant of the core is listed, each with severity and expression."""
    invariants = TABLE.invariants()
    expressions = {invariant.expression for invariant in invariants}
    assert len(expressions) >= 202
    assert {invariant.severity for invariant in invariants} == {"error", "warning"}


def test_invariants_stand_where_they_are_stated():
    """A type's invariants are on the type, those of a backbone on its element too."""
    types = {invariant.key for invariant in TABLE.type("Period").constraints}
    contact = {invariant.key for invariant in element("Patient", "contact").constraints}
    assert (types, contact) == ({"ele-1", "per-1"}, {"ele-1", "pat-1"})


@pytest.mark.parametrize(
    ("type_name", "text", "expected"),
    [
        ("id", "a-1.B", True),
        ("id", "a" * 65, False),
        ("date", "2026-02", True),
        ("date", "2026-13", False),
        ("base64Binary", "QUJD RA==", True),
        ("base64Binary", "QUJ", False),
        ("code", "two words", True),
        ("code", " padded", False),
    ],
)
def test_patterns_match_whole_values(type_name, text, expected):
    """The pattern of a primitive is asked for the whole text."""
    assert bool(primitive_pattern(type_name).fullmatch(text)) is expected


def test_the_base64_pattern_is_linear():
    """White space without end does not make the pattern try every way to split it."""
    assert primitive_pattern("base64Binary").fullmatch(" " * 50_000 + "!") is None


def test_the_data_file_is_small():
    """The table stays below one megabyte as it is shipped."""
    assert DATA.stat().st_size < 1_000_000


def test_opening_the_table_builds_only_what_is_asked_for():
    """One type of a fresh table costs the building of that type, not of them all."""
    code = (
        "from adapter.fhir.types import r4; table = r4(); table.type('Observation');"
        "print(len(table._types), len(list(table.names())))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout
    built, known = map(int, said.split())

    assert built <= 3
    assert known > 600


@pytest.mark.corpus
def test_the_table_is_what_its_generator_makes(corpus, tmp_path):
    """The committed data file is exactly what the script makes of the packages it names."""
    definitions = corpus / "fhir-r4-definitions"
    script = Path(__file__).parents[2] / "tools" / "build_r4_types.py"
    packages = [definitions / "hl7.fhir.r4.core.tgz", definitions / "hl7.fhir.r4.expansions.tgz"]
    made = tmp_path / "r4.json.gz"

    subprocess.run([sys.executable, script, *packages, "--output", made], check=True, capture_output=True)

    assert made.read_bytes() == DATA.read_bytes()


@pytest.mark.parametrize("path", ["Patient.language", "Attachment.language", "Practitioner.communication"])
def test_the_binding_of_languages_is_there(path):
    """What stands first among the bindings is no less of a binding."""
    name, element = path.split(".")
    bound = r4().type(name).elements[element].binding

    assert (bound.value_set, bound.max_value_set) == (
        "http://hl7.org/fhir/ValueSet/languages",
        "http://hl7.org/fhir/ValueSet/all-languages",
    )
