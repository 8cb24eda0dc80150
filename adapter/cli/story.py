"""The story of the demo: what hospitals and services send, one after the other, and what each step shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter.shipped import folder

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One submission of the story."""

    fixture: str
    """File in the folder of its artefact."""
    source: str | None
    """Native source it goes to; None for the FHIR door."""
    caller: str
    """Whose token is shown: a name of `site.CALLERS`."""
    title: str
    status: int = 200
    """HTTP status it is answered with."""
    waits: bool = False
    """True if everything sent before has to have arrived first."""
    artefact: str = "notification"
    """Folder of `fixtures/` that the file is in."""

    @property
    def path(self) -> Path:
        """The file."""
        return folder("fixtures") / self.artefact / self.fixture


STEPS = (
    Step(
        fixture="back-surgery.hl7",
        source="ehr1",
        caller="tuulilahti",
        title="Back surgery done, told in HL7 v2.5 (ADT^A03 with PR1 and DG1)",
    ),
    Step(
        fixture="hernia-cda.xml",
        source="cda1",
        caller="havuniemi",
        title="Hernia operation done, told as a CDA R2 document",
    ),
    Step(
        fixture="carpal-tunnel.json",
        source="json1",
        caller="havuniemi",
        title="Hand operation done, told as a JSON event; its receiver is busy at first",
    ),
    Step(
        fixture="gallbladder.fhir.json",
        source=None,
        caller="tuulilahti",
        title="Gallbladder operation done, told as a FHIR message already",
    ),
    Step(
        fixture="knee-arthroscopy-utf8.hl7",
        source="ehr1",
        caller="tuulilahti",
        title="Knee arthroscopy done; the patient consented to the minimal level only",
    ),
    Step(
        fixture="employer-asks.hl7",
        source="ehr1",
        caller="tuulilahti",
        title="The employer is named as a recipient too: it asks in vain",
    ),
    Step(
        fixture="no-consent.json",
        source="json1",
        caller="havuniemi",
        title="A patient who has consented to nothing",
    ),
    Step(
        fixture="no-route.hl7",
        source="ehr1",
        caller="tuulilahti",
        title="A patient whose occupational health nobody knows",
    ),
    Step(
        fixture="too-old.hl7",
        source="ehr1",
        caller="tuulilahti",
        title="A patient the agreement of hospital and provider does not cover",
    ),
    Step(
        fixture="invalid.hl7",
        source="ehr1",
        caller="tuulilahti",
        title="A message that can be read but is not valid",
        status=422,
    ),
    Step(
        fixture="back-surgery.hl7",
        source="ehr1",
        caller="tuulilahti",
        title="The back surgery once more, as after a lost answer: nothing is sent twice",
    ),
    Step(
        fixture="back-surgery-cancelled.hl7",
        source="ehr1",
        caller="tuulilahti",
        title="The back surgery is taken back: the cancellation goes to whoever was told",
        waits=True,
    ),
    Step(
        fixture="back-surgery-told.json",
        artefact="assessment",
        source="assessments",
        caller="kaskela",
        title="Occupational health tells the hospital an assessment of work ability",
    ),
    Step(
        fixture="shared-plan.xml",
        artefact="plan",
        source="plans-vuorela",
        caller="vuorela",
        title="A shared client plan goes to its care team, to each sector what it may see",
    ),
    Step(
        fixture="shared-plan-revised-occupational-health.xml",
        artefact="plan",
        source="plans-kaskela",
        caller="kaskela",
        title="Occupational health revises the plan: version 2, based on version 1",
        waits=True,
    ),
    Step(
        fixture="shared-plan-revised-employment.xml",
        artefact="plan",
        source="plans-tyollisyys",
        caller="tyollisyys",
        title="Employment services revise version 1 too: both are kept, and people bring them together",
        status=409,
    ),
)

BUSY_RECEIVER = "urn:uuid:7852e67f-434e-5f6d-89e3-ba1556bba5de"
"""Answers 503 to its first message, so that a repeat is seen."""
