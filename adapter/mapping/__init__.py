"""A sender's own format becomes FHIR by map files, and nothing is lost without telling.

    maps = MapSet.load([shipped.folder("mappings"), own_folder])
    outcome = maps["procedure-v2"].run(body, media_type="application/hl7-v2", zone="Europe/Helsinki", lineage=True)
    outcome.resources, outcome.issues, outcome.accounting, outcome.lineage.source_field("Bundle.entry[3].resource.code")

Maps are FHIR Mapping Language (`*.map`, `*.fml`); code tables are ConceptMaps (`*.json`, or `*.csv`, see
`conceptmap`). A folder is read with its subfolders; a later folder overrides an earlier one by `url`.

## What a map says of its source

| source | declared as | shape |
|---|---|---|
| HL7 v2 | `uses "https://silta.example/fhir/StructureDefinition/v2-message" alias V2 as source` | below |
| CDA R2 | `uses "http://hl7.org/cda/stds/core/StructureDefinition/ClinicalDocument" alias ClinicalDocument as source` | XML |
| any XML | `uses "https://silta.example/fhir/StructureDefinition/xml-document" alias Xml as source` | XML |
| any JSON | `uses "https://silta.example/fhir/StructureDefinition/json-document" alias Json as source` | as it is |
| CSV | `uses "https://silta.example/fhir/StructureDefinition/csv-table" alias Csv as source` | `row`, each with the header's columns |
| FHIR | `uses "http://hl7.org/fhir/StructureDefinition/QuestionnaireResponse" alias ... as source` | FHIR's JSON |

HL7 v2: the message has its segments by name in order (`msg.PR1`); a segment has `f1`..`fn`, one node for each
repetition; a field has its components `c1`..`cn`, always text: `PID-8` is `pid.f8.c1`, `PR1-3.2` is
`pr1.f3.c2`. Where a component has subcomponents, `c1` is the first of them and `c1s1`, `c1s2`.. are all of
them (`PID-5.1.2` is `pid.f5.c1s2`). MSH counts as the standard counts: `MSH-9.2` is `msh.f9.c2`, `MSH-10` is
`msh.f10.c1`. What is empty is absent, and so is the HL7 null `""`. A segment that leads a group holds the
followers of its group too: `obr.OBX`, `pr1.ROL`, and a person all that follows up to the next: `pid.MRG`.
Its place, and the path of an `ignore`, is always the one from the message: `ROL[2]-4`, `ROL.f4`. In a transform a field stands for its first component:
`pid.f8 as sex -> patient.gender = translate(sex, ...)` is the same as `pid.f8 as f then { f.c1 as sex ... }`;
in FHIRPath write the component (`where(f8.c1 = 'F')`).

XML: children and attributes are properties by their local name, one node for each element in order; the text
of an element is `xmlText` (in a transform the element itself stands for its text). `xsi:type` becomes the type
of the node: `value : PQ as v`. Elements of the namespaces `urn:hl7-org:sdtc` and `urn:hl7finland` are
`sdtcBirthTime`, `hl7fiVersionNumber`. The narrative `text` of a CDA section has `xmlText` (its lines) and
`div` (XHTML for a Narrative).

A target may be one of these structures, too (`alias V2 as target`): the result then goes out in that format, in
`Outcome.documents` (`writers`).

## What a map may write

    /// url = 'https://silta.example/fhir/StructureMap/procedure-v2'
    /// name = 'procedure-v2'
    //! accepts MSH.f9.c1 = 'ADT' and MSH.f9.c2 = 'A03'

    uses "https://silta.example/fhir/StructureDefinition/v2-message" alias V2 as source
    uses "http://hl7.org/fhir/StructureDefinition/Bundle" alias Bundle as target
    imports "https://silta.example/fhir/StructureMap/v2-*"

    let sender = {};                 // no value: the run gives it, constants={"sender": "urn:oid:..."}
    let leaveEndIncluded = true;     // a value: the run may give another

    group Notification(source msg : V2, target bundle : Bundle) {
      msg -> bundle.type = 'message' "type";
      msg.MSH as msh -> bundle.timestamp = cast(msh.f7, 'instant') "sent";
      msg -> bundle.entry as e, e.resource = create('MessageHeader') as header, e.fullUrl = pointer(header) then {
        msg.PID as pid -> bundle.entry as e2, e2.resource = create('Patient') as patient,
            e2.fullUrl = pointer(patient) then Patient(pid, patient) "patient";
        msg.PR1 as pr1 -> bundle.entry as e3, e3.resource = create('Procedure') as procedure,
            e3.fullUrl = pointer(procedure),
            procedure.subject as r, r.reference = pointer(patient) then Procedure(pr1, procedure) "procedure";
      } "header";
    }
    //! ignore PID.f19: a foreign identity number, not part of a notification
    //! ignore NK1: next of kin have no part in it

- `pointer(x)` is `urn:uuid:` and the id of resource `x`, which gets a deterministic id if it has none yet;
  `reference(x)` is `Type/id`. Every entry: `fullUrl = pointer(resource)`; every reference from another
  resource: `reference = pointer(that)`. A variable is seen by every rule nested in its rule and may be passed
  to a group as any of its inputs (`then Procedure(pr1, procedure, patient)`).
- `uuid()` is deterministic: version 5 of source id, map, rule and occurrence. `run(source_id=...)` names the
  source; left out, it is the digest of its bytes.
- A constant is `sender` in a transform and `%sender` (or `sender`) in FHIRPath. The run's `constants` that a map
  does not declare are passed over. An empty constant gives nothing, and the element stays absent.
- `cast(x, 'dateTime')` reads HL7 timestamps (`YYYY[MM[DD[HHMM[SS[.f]]]]][+ZZZZ]`) and ISO ones; it keeps the
  precision it finds and puts a local time into the zone of the run. `cast(x, 'date')` keeps the day as
  written. `'instant'`, `'decimal'`, `'integer'`, `'boolean'`, `'string'`, `'code'`, `'uri'` are the others; `'TS'`
  writes the time as HL7 v2 and CDA do.
- `//! writes charset=8859/1` says what the receiver of a document wants (`writers.OPTIONS`).
- `//! accepts FHIRPATH` says on the message when `--map auto` (`maps.choose`) may take this map;
  `//! ignore PATH: reason` declares what is left behind on purpose; the path goes from the root of the source
  and covers everything under it. `//! ignore PATH where (FHIRPATH): reason` covers it only in an element of
  which that is true.
- `//! reads key=client,date` says of a table that its lines are one row where they agree in these columns:
  the first of them, with the others under `lines`.
- Codes go through `translate(x, 'ConceptMap url', 'code' | 'Coding' | 'CodeableConcept')`. A relative name
  `'#name'` is a `conceptmap "name" { }` of the same file.
- A rule with nothing to read does nothing: absent stays absent, and empty elements are not written.
"""  # noqa: E501 (tables are as wide as their urls)

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adapter.mapping.lineage import Lineage
    from adapter.mapping.map import Map
    from adapter.mapping.mapset import MapSet
    from adapter.mapping.run import Outcome

__all__ = ["Lineage", "Map", "MapSet", "Outcome"]

_HOMES = {
    "Lineage": "adapter.mapping.lineage",
    "Map": "adapter.mapping.map",
    "MapSet": "adapter.mapping.mapset",
    "Outcome": "adapter.mapping.run",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(name)
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
