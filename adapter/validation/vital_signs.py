"""Vital signs: Observations whose code alone calls for a profile. R4 observation-vitalsigns.html.

"If a measurement is one of these, the profile SHALL be met", whether meta.profile says so or not. LOINC codes
are those the profiles of the core fix; a test holds the table against the core package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

LOINC = "http://loinc.org"
_PROFILES = "http://hl7.org/fhir/StructureDefinition/"

PROFILE_OF = {
    "85353-1": "vitalspanel",
    "9279-1": "resprate",
    "8867-4": "heartrate",
    "2708-6": "oxygensat",
    "8310-5": "bodytemp",
    "8302-2": "bodyheight",
    "9843-4": "headcircum",
    "29463-7": "bodyweight",
    "39156-5": "bmi",
    "85354-9": "bp",
}
"""LOINC code -> id of the profile in the core."""

SNOMED = "http://snomed.info/sct"
SNOMED_PROFILE_OF = {
    "86290005": "resprate",
    "364075005": "heartrate",
    "431314004": "oxygensat",
    "276885007": "bodytemp",
    "27113001": "bodyweight",
}
"""SNOMED CT code of the same measurement -> id of the profile. The page asks for the profile of whoever
measures one of these, whatever other codes stand beside LOINC's. Only codes that a published value set pairs
with the measurement (hl7.fhir.dk.core 3.4.0, SCTBasicObservation)."""

SYSTEMS = {LOINC: PROFILE_OF, SNOMED: SNOMED_PROFILE_OF}


def vital_signs(resource: dict[str, Any]) -> Iterator[str]:
    """Yield the profiles an Observation must meet for its code."""
    code = resource.get("code") if resource.get("resourceType") == "Observation" else None
    codings = code.get("coding") if isinstance(code, dict) else None
    for coding in codings if isinstance(codings, list) else ():
        if isinstance(coding, dict):
            name = SYSTEMS.get(str(coding.get("system")), {}).get(str(coding.get("code")))
            if name is not None:
                yield _PROFILES + name
