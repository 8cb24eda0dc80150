"""Real resources by others: no error where there is no fault, and each exception argued."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from adapter.fhir import decode
from adapter.fhir.packages import load
from adapter.validation import Validator
from adapter.validation.vital_signs import PROFILE_OF
from tests.validation import suite

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from adapter.fhir.packages import Package

pytestmark = pytest.mark.corpus

PACKAGES: dict[str, tuple[str, ...]] = {
    "fhir-r4-examples": (),
    "finnish-examples": (
        "finnish-profiles/hl7.fhir.fi.base-2.0.0-rc2.tgz",
        "finnish-profiles/hl7.fhir.fi.scheduling-2.0.0-rc2.tgz",
        "finnish-profiles/hl7.fhir.fi.smart-2.0.0-rc2.tgz",
        "fhir-r4-definitions/hl7.fhir.uv.ipa-1.0.0.tgz",
        "fhir-r4-definitions/hl7.fhir.uv.extensions.r4-5.3.0.tgz",
    ),
    "medcom-examples": (
        "medcom-profiles/medcom.fhir.dk.hospitalnotification-3.0.2.tgz",
        "medcom-profiles/medcom.fhir.dk.carecommunication-5.0.2.tgz",
        "medcom-profiles/medcom.fhir.dk.acknowledgement-2.0.3.tgz",
        "medcom-profiles/medcom.fhir.dk.core-3.0.1.tgz",
        "medcom-profiles/medcom.fhir.dk.messaging-3.0.0.tgz",
        "medcom-profiles/medcom.fhir.dk.terminology-2.0.1.tgz",
        "medcom-profiles/hl7.fhir.dk.core-3.4.0.tgz",
    ),
    "us-core": ("us-core/hl7.fhir.us.core-6.1.0.tgz",),
    "pacio-pfe": (
        "pacio-pfe/hl7.fhir.us.pacio-pfe-2.0.0.tgz",
        "us-core/hl7.fhir.us.core-6.1.0.tgz",
    ),
    "mcc-careplan": ("us-core/hl7.fhir.us.core-6.1.0.tgz",),
}
"""What each set of examples is held against, beside the core."""

FAULTY: dict[str, str] = {
    "Questionnaire-qs1": "items without linkId, which R4 requires (1..1)",
    "Bundle-10bb101f-a121-4264-a920-67be9cb82c74": "fullUrl .../Patient/pat12 of a Patient with id pat2; "
    "bundle.html: the fullUrl SHALL NOT disagree with the id in the resource",
    "Bundle-3a0707d3-549e-4467-b8b8-5a2ab3800efe": "the same fullUrl, so Patient/pat2 leads nowhere",
    "Bundle-lri-example": "fullUrls that name other ids than the resources have, against the same sentence",
    "Bundle-hla-1": "a part `uri` of an extension whose definition names only url and text",
    "Observation-bloodpressure-max": "a note with an empty text",
    "Observation-1153859e-0c86-1000-abb8-511d0000b222": "a vital sign by its LOINC code without the category "
    "that R4's vital signs profile requires of it",
    "MedicationRequest-cc-MedicationRequest-pnoelle-PB": "no intent, which R4 requires (1..1)",
    "MedicationRequest-cc-med-pnoelle-metoprolol": "no intent, which R4 requires (1..1)",
    "Observation-2894b2e6-7ebf-4c33-93e4-31935effff22": "claims a profile, and has an extension of Kanta PHR "
    "whose definition no package at hand has; R4 extensibility.html: extensions SHALL be defined",
    "Observation-542ae72e-c3b0-404f-8c06-8f77441e89f7": "the same",
    "Provenance-id-for-provenance-1": "the same, of Kanta's register types",
    "Condition-cc-cond-pnoelle-anxiety": "a note without text, which R4 requires (1..1)",
}
"""Examples with an error, each argued by the rule it breaks."""


def examples(folder: Path) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield name and content of every JSON resource of a set."""
    for path in sorted(folder.rglob("*.json")):
        resource = decode(path.read_bytes(), "application/fhir+json")
        if "resourceType" in resource:
            yield path.stem, resource


@pytest.mark.parametrize("name", PACKAGES)
def test_examples_have_no_false_error(corpus: Path, core: Package, name: str) -> None:
    """Every example without a fault of its own is found without error."""
    validator = Validator([*(load(corpus / package) for package in PACKAGES[name]), core])

    refused = {}
    for stem, resource in examples(corpus / name):
        grave = [f"{issue.code} {issue.at}" for issue in validator.validate(resource) if issue.is_error]
        if grave:
            refused[stem] = grave

    assert {stem: said for stem, said in refused.items() if stem not in FAULTY} == {}


def test_the_older_finnish_package_compiles(corpus: Path, core: Package) -> None:
    """Every profile of the first Finnish base package compiles, with its base in another package."""
    package = load(corpus / "finnish-profiles" / "hl7.fhir.fi.base-1.0.0.tgz")
    ipa = load(corpus / "fhir-r4-definitions" / "hl7.fhir.uv.ipa-1.0.0.tgz")
    validator = Validator([package, ipa, core])
    profiles = [one["url"] for one in package.resources("StructureDefinition") if one["type"] == "Patient"]

    found = [
        issue.code
        for url in profiles
        for issue in validator.validate({"resourceType": "Patient", "id": "x"}, url)
    ]

    assert "VA219" not in found


def test_vital_signs_have_the_codes_that_the_core_fixes(core: Package) -> None:
    """Every LOINC code of the table is the one its profile fixes, and no such profile is left out."""
    fixed = {}
    for one in core.resources("StructureDefinition"):
        if one.get("baseDefinition", "").endswith("/vitalsigns"):
            codes = [
                element["fixedCode"]
                for element in one["snapshot"]["element"]
                if element["path"] == "Observation.code.coding.code" and "fixedCode" in element
            ]
            fixed.update(dict.fromkeys(codes, one["id"]))

    assert fixed == PROFILE_OF


def test_agreement_with_the_reference(corpus: Path, core: Package) -> None:
    """The verdicts agree with the reference's as often as they ever did; every ceiling only falls.

    False accepts and false errors over all cases, over those that need core and suite files alone, and over
    these and the ones that rest on texts of SNOMED CT or LOINC.
    """
    verdicts = list(suite.score(corpus / "fhir-validator-cases", core))
    counted = [
        suite.Figures.of(some)
        for some in (
            verdicts,
            suite.needing_files_only(verdicts),
            suite.needing_files_only(verdicts, texts=True),
        )
    ]

    found = [(one.accepted, one.refused) for one in counted]
    assert found == [(21, 3), (3, 0), (6, 0)], suite.report(verdicts)
