"""The form of a copy: the same facts as FHIR, HL7 v2 and CDA R2, or a plain word that it cannot be."""

from __future__ import annotations

import pytest

from adapter.errors import ConfigurationError, Unsupported
from adapter.fhir import json as fhir_json
from adapter.relay import form
from adapter.relay.message import Level
from tests.relay.notes import bundle, resource
from tests.relay.test_disclosure import copy
from tests.shipped import maps


def test_fhir_is_the_copy_itself() -> None:
    """Nothing is changed for a recipient that reads FHIR."""
    made = copy(bundle())

    body, media_type = form.written(made, "fhir", maps())

    assert (fhir_json.read(body), media_type) == (made, "application/fhir+json")


@pytest.mark.parametrize("level", list(Level))
@pytest.mark.parametrize(("kind", "begins"), [("hl7v2", b"MSH|"), ("cda", b"<?xml")])
def test_a_copy_is_written_in_the_form_of_its_recipient(kind: form.Form, begins: bytes, level: Level) -> None:
    """HL7 v2 and CDA come of a copy at either level, the same bytes each time."""
    body, media_type = form.written(copy(bundle(), level), kind, maps())

    assert (body[: len(begins)], media_type) == (begins, form.MEDIA_TYPES[kind])
    assert form.written(copy(bundle(), level), kind, maps())[0] == body


def test_the_number_of_a_v2_copy_is_of_its_header() -> None:
    """MSH-10 has twenty signs of MessageHeader.id, by which an acknowledgement finds the delivery."""
    body, _ = form.written(copy(bundle()), "hl7v2", maps())

    assert body.split(b"|")[9] == b"22222222222242228222"


def test_an_event_without_a_map_is_ours_to_mend() -> None:
    """A message that no map writes is a fault of the settings, not of the sender."""
    made = copy(bundle())
    made["entry"][0]["resource"]["eventCoding"]["code"] = "delivery-report"

    with pytest.raises(ConfigurationError) as refused:
        form.written(made, "cda", maps())

    assert refused.value.code == "DL140"


def test_what_a_form_cannot_say_is_not_left_out() -> None:
    """HL7 v2 has no place for a procedure that was stopped, so no half copy leaves."""
    made = copy(bundle(), Level.CLINICAL)
    resource(made, "Procedure")["status"] = "stopped"

    with pytest.raises(Unsupported) as refused:
        form.written(made, "hl7v2", maps())

    assert refused.value.code == "DL141"


def test_the_text_is_that_of_the_copy() -> None:
    """Line by line, without any markup."""
    lines = form.as_text(copy(bundle())).splitlines()

    assert lines[0] == "Ilmoitus hoitojaksosta"
    assert not any("<" in line for line in lines)
