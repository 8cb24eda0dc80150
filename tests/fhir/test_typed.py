"""Typed objects are a view: made when asked for, and back without loss."""

from __future__ import annotations

import subprocess
import sys

import pytest

from adapter.errors import Malformed
from adapter.fhir import json, typed, untyped
from tests.fhir.generated import told

OBSERVATION = json.read(
    b'{"resourceType":"Observation","status":"final","code":{"text":"keksitty"},'
    b'"effectiveDateTime":"2026-03-01T10:00:00.000Z","valueQuantity":{"value":1.50,"unit":"kg"}}'
)


def test_a_resource_has_attributes():
    """The object is the R4B class of fhir.resources."""
    model = typed(OBSERVATION)
    assert (type(model).__name__, model.status, model.valueQuantity.unit) == ("Observation", "final", "kg")


def test_an_unchanged_object_comes_back_as_it_was():
    """Texts the classes do not keep are taken from the original."""
    assert told(untyped(typed(OBSERVATION), like=OBSERVATION)) == told(OBSERVATION)


def test_a_changed_value_comes_back_changed():
    """Only what changed differs."""
    model = typed(OBSERVATION)
    model.status = "amended"
    assert told(untyped(model, like=OBSERVATION)) == told(OBSERVATION | {"status": "amended"})


def test_an_object_alone_comes_back_in_fhir_shape():
    """Without the original, dates and numbers have the text the object gives them."""
    shape = untyped(typed(OBSERVATION))
    assert (shape["effectiveDateTime"], str(shape["valueQuantity"]["value"])) == (
        "2026-03-01T10:00:00+00:00",
        "1.50",
    )


@pytest.mark.parametrize(
    "resource",
    [
        {},
        {"resourceType": "Nothing"},
        {"resourceType": "Patient", "birthDate": "secret-canary"},
        {"resourceType": "Patient", "secretcanary": 1},
        {"resourceType": "Bundle", "type": "batch", "entry": [{"resource": {"resourceType": "Nothing"}}]},
        {"resourceType": "Patient", "name": "secret-canary"},
    ],
)
def test_what_the_classes_refuse_is_malformed_without_its_values(resource):
    """The library's messages quote values; ours give the path."""
    with pytest.raises(Malformed) as caught:
        typed(resource)
    assert (caught.value.code, "secret-canary" in str(caught.value)) == ("FH400", False)


def test_importing_the_codec_does_not_import_the_typed_view():
    """fhir.resources takes a fifth of a second; only who asks for it pays."""
    code = (
        "import sys; from adapter.fhir import decode, encode;"
        "encode(decode(b'{\"resourceType\":\"Patient\"}', 'json'), 'xml');"
        "sys.exit('fhir' in sys.modules or 'pydantic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_function_outlives_the_import_of_its_module():
    """`adapter.fhir.typed` can be called before and after its module was imported."""
    code = (
        "import adapter.fhir as fhir; one = {'resourceType': 'Patient'};"
        "fhir.typed(one); import adapter.fhir.typed; fhir.typed(one); adapter.fhir.typed(one)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
