"""What leaves: the text of each copy, and the same facts in CDA R2 and HL7 v2 as in FHIR."""

from __future__ import annotations

import json
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from lxml import etree

from adapter.mapping import cases as map_cases
from adapter.mapping import readers
from tests.content.cases import CASES, Case
from tests.content.conftest import ZONE
from tests.content.facts import facts
from tests.content.outbound import (
    COPIES,
    DOCUMENTS,
    FOLDER,
    MEDIA_TYPES,
    SUFFIXES,
    Copy,
    copied,
    document,
    notification,
    text,
)

if TYPE_CHECKING:
    from pathlib import Path

    from adapter.mapping import MapSet

NOTIFICATIONS = [
    case
    for case in CASES
    if case.meaning in ("done", "planned", "update", "cancel")
    and case.name not in ("invalid", "procedure-before-birth")
]
SAID = [
    pytest.param(case, form, id=f"{case.name}-{form}")
    for case in NOTIFICATIONS
    for form in MEDIA_TYPES
    # Stopped and undone procedures have no place in HL7 v2: see below.
    if (case.name, form) != ("procedure-note", "v2")
]
CHANGED: dict[tuple[str, str], dict[str, Any]] = {
    # CDA says by each procedure whether it took place: none did, so the document is a plan, or says no state.
    ("future-procedure", "cda"): {"meaning": ["planned"]},
    ("clock-change-first-hour", "cda"): {"meaning": ["planned"]},
    ("undated-procedure", "cda"): {"meaning": ["update"]},
    # Where an address is protected, neither it nor a number goes out.
    ("protected-address", "cda"): {"addresses": [], "numbers": []},
    ("protected-address", "v2"): {"addresses": [], "numbers": []},
    ("cda-controller", "cda"): {"numbers": []},
    # MSH-4 holds an id that stands alone, not one of another register: there the name is left.
    ("cda-controller", "v2"): {"numbers": [], "sender": ("Havuniemen sairaala", ())},
    ("account-number", "v2"): {"sender": ("Tuulilahden keskussairaala", ())},
}
"""Facts that are not the same on the way back, and why."""


@pytest.mark.parametrize("copy", COPIES, ids=lambda copy: f"{copy.name}-{copy.level}")
def test_a_copy_reads_as_it_should(copy: Copy, maps: MapSet) -> None:
    """Word by word, the text is the golden one in the language of the recipient."""
    assert text(copied(copy, maps)) == (FOLDER / f"{copy.name}.txt").read_text("utf-8")


@pytest.mark.parametrize("copy", COPIES, ids=lambda copy: f"{copy.name}-{copy.level}")
def test_a_copy_is_read_on_one_screen(copy: Copy, maps: MapSet) -> None:
    """No more than 24 lines, however they wrap at 80 signs."""
    lines = text(copied(copy, maps)).splitlines()

    assert sum(1 + len(line) // 80 for line in lines) <= 24


@pytest.mark.parametrize(("form", "copy"), DOCUMENTS, ids=[f"{copy.name}-{form}" for form, copy in DOCUMENTS])
def test_a_copy_leaves_as_the_golden_document(form: str, copy: Copy, maps: MapSet) -> None:
    """To the byte, CDA and HL7 v2 of a copy are the golden ones."""
    golden = (FOLDER / f"{copy.name}{SUFFIXES[form]}").read_bytes()

    assert document(copied(copy, maps), form, maps) == golden


@pytest.mark.parametrize(("case", "form"), SAID)
def test_a_notification_keeps_its_facts_in_another_form(case: Case, form: str, maps: MapSet) -> None:
    """Written as CDA or HL7 v2 and read again, a notification says what it said."""
    bundle = notification(case.name, maps)
    outcome = maps[f"notification-from-{form}"].run(
        document(bundle, form, maps), media_type=MEDIA_TYPES[form], zone=ZONE
    )

    expected = facts(bundle) | CHANGED.get((case.name, form), {})
    found = facts(outcome.resources[0])
    if form == "cda":
        # A document has one time: when it was made.
        expected["sent"] = bundle["timestamp"]
    assert ([issue.code for issue in outcome.issues], found) == ([], expected)


@pytest.mark.parametrize(("case", "form"), SAID)
def test_no_leaf_of_a_notification_is_lost_on_the_way_out(case: Case, form: str, maps: MapSet) -> None:
    """Each leaf of the message is written, asked for, or left behind with a reason."""
    bundle = notification(case.name, maps)

    outcome = maps[f"notification-to-{form}"].run_tree(_tree(bundle), source_id="test", lineage=True)

    assert outcome.accounting is not None
    assert outcome.accounting.unaccounted == []


def _tree(bundle: dict[str, Any]) -> Any:
    return readers.read(json.dumps(bundle, default=str).encode(), "application/fhir+json")


@pytest.mark.parametrize(
    "case", list(map_cases.cases(FOLDER)), ids=lambda case: f"{case.name}-{case.map.rpartition('-')[2]}"
)
def test_a_message_is_written_as_expected(case: map_cases.Case, maps: MapSet) -> None:
    """Segment by segment and element by element, what is written is the expected."""
    assert map_cases.judge(case, maps).failures == ()


@pytest.fixture(scope="module")
def finnish_schema(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> etree.XMLSchema:
    """The Finnish schemas of CDA R2."""
    place = tmp_path_factory.mktemp("schemas")
    with tarfile.open(corpus / "cda-definitions" / "finnish-cda-r2-xsd.tgz") as archive:
        archive.extractall(place, filter="data")
    return etree.XMLSchema(etree.parse(place / "schemas" / "CDA_Fi.xsd"))


@pytest.mark.corpus
@pytest.mark.parametrize("copy", COPIES, ids=lambda copy: f"{copy.name}-{copy.level}")
def test_a_document_holds_to_the_finnish_schemas(
    copy: Copy, maps: MapSet, finnish_schema: etree.XMLSchema
) -> None:
    """CDA that leaves is valid by the Finnish CDA R2 schemas."""
    written = etree.fromstring(document(copied(copy, maps), "cda", maps))

    assert finnish_schema.validate(written), finnish_schema.error_log


@pytest.mark.corpus
@pytest.mark.parametrize("case", NOTIFICATIONS, ids=lambda case: case.name)
def test_a_whole_message_holds_to_the_finnish_schemas(
    case: Case, maps: MapSet, finnish_schema: etree.XMLSchema
) -> None:
    """So is CDA of everything that a hospital sends, employer and professionals among it."""
    written = etree.fromstring(document(notification(case.name, maps), "cda", maps))

    assert finnish_schema.validate(written), finnish_schema.error_log


def test_a_procedure_that_hl7_v2_cannot_say_is_an_issue(maps: MapSet) -> None:
    """PR1 knows nothing of a stopped procedure: it stays out, and the sender of the copy is told."""
    bundle = notification("back-surgery", maps)
    procedure = next(e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "Procedure")
    procedure["status"] = "stopped"

    outcome = maps["notification-to-v2"].run(
        json.dumps(bundle, default=str).encode(), media_type="application/fhir+json"
    )

    [written] = outcome.documents
    assert ([issue.code for issue in outcome.issues], b"PR1|" in (written or b"")) == (["MP304"], False)
