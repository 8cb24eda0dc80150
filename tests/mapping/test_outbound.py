"""From FHIR to the receiver's own format, end to end: the bytes that leave."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from adapter.cli import main
from adapter.errors import Malformed
from adapter.mapping.readers import hl7v2
from tests.mapping.conftest import JSON

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from adapter.mapping.mapset import Map
    from adapter.outcome import Issue

BASE = "https://silta.example/fhir/StructureDefinition"
FHIR = "uses 'http://hl7.org/fhir/StructureDefinition/Bundle' alias Bundle as source\n"
V2 = f"uses '{BASE}/v2-message' alias V2 as target\n"
CSV = f"uses '{BASE}/csv-table' alias Csv as target\n"
BUNDLE = {
    "resourceType": "Bundle", "type": "collection", "timestamp": "2026-03-01T12:00:00+02:00",
    "entry": [
        {"resource": {
            "resourceType": "Patient", "birthDate": "1990-02-17", "gender": "female",
            "identifier": [{"system": "urn:oid:1.2.246.21", "value": "170290-948C"}],
            "name": [{"family": "Mäki|lä", "given": ["Siiri", "O^"]}],
        }},
        {"resource": {"resourceType": "Observation", "status": "final", "valueString": "a\nb"}},
        {"resource": {"resourceType": "Observation", "status": "final", "valueBoolean": True}},
    ],
}  # fmt: skip
"""An invented person, whose name holds the delimiters of HL7 v2."""

TO_V2 = (
    FHIR
    + V2
    + """group Out(source bundle : Bundle, target msg : V2) {
  bundle -> msg.MSH as msh, msh.f9 as type, type.c1 = 'ORU', type.c2 = 'R01', msh.f12 = '2.5' then {
    bundle.timestamp as at -> msh.f7 = cast(at, 'TS') "sent";
  } "header";
  bundle.entry as entry then {
    entry.resource : Patient as patient -> msg.PID as pid then Person(patient, pid) "patient";
  } "people";
  bundle -> msg.OBR as obr then {
    bundle.entry as entry then {
      entry.resource : Observation as found -> obr.OBX as obx then Result(found, obx) "observation";
    } "results";
  } "order";
}
group Person(source patient : Patient, target pid) {
  patient.identifier as id -> pid.f3 as cx then {
    id.value as value -> cx.c1 = value "number";
    id.system as system -> cx.c4s2 = (system.replace('urn:oid:', '')), cx.c4s3 = 'ISO' "authority";
  } "identifier";
  patient.name as name -> pid.f5 as xpn then {
    name.family as family -> xpn.c1s1 = family "family";
    name.given first as given -> xpn.c2 = given "given";
    name.given not_first as given -> xpn.c3 = given "middle";
  } "name";
  patient.birthDate as born -> pid.f7 = cast(born, 'TS') "born";
}
group Result(source found : Observation, target obx) {
  found.value : string as value -> obx.f2 = 'ST', obx.f5 = value "text";
  found.value : boolean as value -> obx.f2 = 'ID', obx.f5 = value "truth";
}
"""
)


def sent(one: Map, source: Any = BUNDLE) -> bytes:
    """Run a map and return the document that leaves."""
    outcome = one.run(json.dumps(source).encode(), media_type="application/fhir+json")
    assert (outcome.issues, outcome.documents[0] is not None) == ([], True)
    return outcome.documents[0] or b""


def test_a_bundle_becomes_a_message_of_the_receiver(one: Callable[..., Map]) -> None:
    """Segments in their order, names with delimiters in them escaped, times as HL7 writes them."""
    assert sent(one(TO_V2)).decode() == (
        "MSH|^~\\&|||||20260301120000+0200||ORU^R01|||2.5||||||UNICODE UTF-8\r"
        "PID|||170290-948C^^^&1.2.246.21&ISO||Mäki\\F\\lä^Siiri^O\\S\\||19900217\r"
        "OBR\rOBX||ST|||a\\.br\\b\rOBX||ID|||Y\r"
    )


def test_the_message_is_read_back_without_an_issue(one: Callable[..., Map]) -> None:
    """What leaves is what our own reader takes."""
    tree = hl7v2.read(sent(one(TO_V2)))

    assert (tree.issues, tree.root["PID"]["f5"]["c1"], len(tree.root["OBR"]["OBX"])) == ([], "Mäki|lä", 2)


TO_CSV = (
    FHIR + CSV
    + """//! writes separator=; charset=windows-1252
group Out(source bundle : Bundle, target table : Csv) {
  bundle.entry as entry then {
    entry.resource : Patient as patient -> table.row as row then {
      patient.name as name -> row.family = (name.family) "family";
      patient.deceased : boolean as dead -> row.dead = dead "dead";
      patient.birthDate as born -> row.born = born "born";
    } "row";
  } "rows";
}
"""
)  # fmt: skip


def test_a_table_has_every_column_the_map_can_write(one: Callable[..., Map]) -> None:
    """The header does not hang on what one source happens to say, and the receiver's dialect is kept."""
    assert sent(one(TO_CSV)) == "family;dead;born\r\nMäki|lä;;1990-02-17\r\n".encode("cp1252")


def test_a_document_of_json_has_the_names_of_the_receiver(one: Callable[..., Map]) -> None:
    """Names and order are the map's."""
    target = f"uses '{BASE}/json-document' alias Out as target\n"
    text = FHIR + target + (
        "group G(source b : Bundle, target out : Out) {\n"
        "  b.timestamp as at -> out.sent = at, out.by as by, by.kind = 'x\"y' \"sent\";\n}\n"
    )  # fmt: skip

    assert json.loads(sent(one(text))) == {"sent": "2026-03-01T12:00:00+02:00", "by": {"kind": 'x"y'}}


def test_a_document_of_xml_has_the_root_of_the_receiver(one: Callable[..., Map]) -> None:
    """Root and namespace are said by the pragma."""
    target = f"uses '{BASE}/xml-document' alias Out as target\n//! writes root=Note namespace=urn:n\n"
    text = FHIR + target + (
        "group G(source b : Bundle, target out : Out) {\n"
        "  b.timestamp as at -> out.at as a, a.xmlText = at \"at\";\n}\n"
    )  # fmt: skip

    assert b'<Note xmlns="urn:n"><at>2026-03-01T12:00:00+02:00</at></Note>' in sent(one(text))


def test_what_the_receiver_cannot_hold_stops_the_document(one: Callable[..., Map]) -> None:
    """A letter outside of the charset is refused at its field; nothing leaves with a question mark in it."""
    text = TO_V2.replace("msh.f12 = '2.5'", "msh.f12 = '2.5', msh.f18 = 'ASCII'")

    with pytest.raises(Malformed) as refused:
        sent(one(text))

    assert [(issue.code, issue.at) for issue in refused.value.issues] == [("MP343", "PID-5.1.1")]


@pytest.mark.parametrize(("said", "code"), [("seperator=;", "MP225"), ("root=x", "MP225")])
def test_an_option_the_form_does_not_have_is_a_fault(
    faults: Callable[..., list[Issue]], said: str, code: str
) -> None:
    """A mistyped pragma is found when the map is loaded, with its line."""
    assert [(issue.code, issue.line) for issue in faults(TO_CSV.replace("separator=;", said))] == [(code, 3)]


@pytest.mark.parametrize(
    ("wrong", "right", "name"),
    [("pid.g5", "pid.f5", "g5"), ("pid.f3.x1", "pid.f3", "x1"), ("msg.PIDS", "msg.PID", "PIDS")],
)
def test_a_place_no_message_has_is_a_fault_of_the_map(
    faults: Callable[..., list[Issue]], wrong: str, right: str, name: str
) -> None:
    """A mistyped segment, field or component is found before any source is seen, at its line."""
    issues = faults(TO_V2.replace(f"{right} as", f"{wrong} as", 1))

    assert [(issue.code, issue.params["name"]) for issue in issues] == [("MP342", name)]
    assert (
        TO_V2.replace(f"{right} as", f"{wrong} as", 1).splitlines()[(issues[0].line or 0) - 1].count(wrong)
        == 1
    )


def test_the_command_prints_the_receivers_bytes(
    folder: Callable[..., Path], tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """`silta map run` prints the message as it is to be sent, not a byte more."""
    place = folder({"out.map": "/// url = 'urn:out'\n/// name = 'out'\n" + TO_V2})
    source = tmp_path / "bundle.fhir.json"
    source.write_text(json.dumps(BUNDLE))

    code = main(["map", "run", str(source), "--map", "out", "--maps", str(place)])

    out = capfdbinary.readouterr().out
    assert code == 0
    assert out.endswith(b"OBX||ID|||Y\r")


def test_a_sample_of_json_may_become_a_message(one: Callable[..., Map]) -> None:
    """Source and target may both be somebody's own format."""
    text = JSON + V2 + (
        "group G(source src : Json, target msg : V2) {\n"
        "  src -> msg.MSH as msh, msh.f12 = '2.5' \"h\";\n"
        "  src.id as id -> msg.ZZZ as z, z.f1 = id \"id\";\n}\n"
    )  # fmt: skip
    outcome = one(text).run(b'{"id": "a&b"}', media_type="application/json")

    assert outcome.documents == [b"MSH|^~\\&||||||||||2.5\rZZZ|a\\T\\b\r"]


def test_a_type_filter_in_line_knows_the_elements_of_the_type(one: Callable[..., Map]) -> None:
    """`entry.resource : Observation as found` lets `found.value` find valueString, as in a group."""
    text = FHIR + CSV + (
        "group G(source b : Bundle, target t : Csv) {\n"
        "  b.entry as entry then {\n"
        "    entry.resource : Observation as found -> t.row as row then {\n"
        "      found.value : string as value -> row.text = value \"text\";\n"
        "    } \"row\";\n  } \"rows\";\n}\n"
    )  # fmt: skip

    assert sent(one(text)) == b'text\r\n"a\nb"\r\n""\r\n'


def test_a_part_that_is_copied_goes_out_with_all_below_it(one: Callable[..., Map]) -> None:
    """A copy of a source's part is a part in the receiver's document, too, and no text."""
    target = f"uses '{BASE}/xml-document' alias Out as target\n"
    text = (
        JSON + target + 'group G(source s : Json, target out : Out) {\n  s.a as a -> out.b = a "copy";\n}\n'
    )
    outcome = one(text).run(b'{"a": {"c": {"d": "1"}, "e": ["x"]}}', media_type="application/json")

    assert b'<document><b e="x"><c d="1"/></b></document>' in (outcome.documents[0] or b"")
