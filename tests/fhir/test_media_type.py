"""Media types name one of FHIR's two formats."""

from __future__ import annotations

import pytest

from adapter.errors import Malformed, Unsupported
from adapter.fhir import decode, encode
from adapter.fhir.media_type import format_of


@pytest.mark.parametrize(
    ("media_type", "expected"),
    [
        ("application/fhir+json", "json"),
        ("Application/FHIR+JSON; charset=UTF-8", "json"),
        ("application/json;charset=utf8", "json"),
        ("application/fhir+xml; fhirVersion=4.0", "xml"),
        ("text/xml", "xml"),
        ("xml", "xml"),
        ("application/json+fhir", "json"),
        ('application/fhir+json; charset="utf-8"; x=y', "json"),
    ],
)
def test_a_media_type_names_a_format(media_type, expected):
    """Case, parameters and the older spellings do not matter."""
    assert format_of(media_type) == expected


@pytest.mark.parametrize(
    ("media_type", "code"),
    [
        ("", "FH130"),
        ("text/plain", "FH130"),
        ("application/fhir+turtle", "FH130"),
        ("application/fhir+json; charset=iso-8859-1", "FH131"),
        ("application/fhir+json; fhirVersion=5.0", "FH132"),
        ("application/fhir+json; fhirVersion=<script>", "FH132"),
    ],
)
def test_what_we_do_not_speak_is_unsupported(media_type, code):
    """Other formats, charsets and versions are named as such."""
    with pytest.raises(Unsupported) as caught:
        format_of(media_type)
    assert (caught.value.code, "script" in str(caught.value)) == (code, False)


def test_decode_and_encode_follow_the_media_type():
    """The same resource in both formats."""
    resource = decode(b'{"resourceType":"Patient","active":true}', "application/fhir+json")
    body = encode(resource, "application/fhir+xml")
    assert (body.endswith(b'<active value="true"/></Patient>'), decode(body, "text/xml")) == (True, resource)


def test_decode_wants_a_resource():
    """JSON that is no resource is malformed."""
    with pytest.raises(Malformed):
        decode(b"[1]", "json")
