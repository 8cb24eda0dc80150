"""The systems that submit, each in one format of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from zoneinfo import ZoneInfo

SourceFormat = Literal["hl7v2", "cda", "xml", "json", "fhir"]

HELSINKI = ZoneInfo("Europe/Helsinki")

FHIR_SOURCE = "fhir"
"""Name of the source that stands for the FHIR doors; every deployment has it without being told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A system that submits in one format of its own."""

    name: str
    """As it stands in `POST /ingest/{name}`."""
    organisation: str
    """Key of the organisation that owns it: nobody else may submit to it."""
    format: SourceFormat
    map: str = "auto"
    """Name or canonical of the map; `auto` takes the one the deployment has for the format."""
    zone: ZoneInfo = HELSINKI
    """Zone of times that carry none."""
    charset: str | None = None
    """Charset of bodies that declare none; None takes the format's own default."""
    inclusive_end: bool = True
    """True if the source's sick-leave end date is the last day of leave."""
    consents: str | None = None
    """Name of the map that reads what patients permit and deny from its messages; None: it files nothing."""
