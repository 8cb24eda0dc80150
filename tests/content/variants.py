"""Variants of three fixtures: one place of the source changed, and what must be in the message for it.

Each row: what it shows, the text that is replaced, the text that stands there instead, a FHIRPath, its values.
"""

# ruff: noqa: E501 - a table is read row by row
from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.content.conftest import NOTIFICATIONS, ZONE

if TYPE_CHECKING:
    from adapter.mapping import MapSet, Outcome

Values = list[str | bool | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One changed source."""

    name: str
    map: str
    media_type: str
    body: bytes
    expression: str
    values: Values
    constants: dict[str, Any] = field(default_factory=dict)

    def run(self, maps: MapSet) -> Outcome:
        """Map it."""
        return maps[self.map].run(
            self.body, media_type=self.media_type, zone=ZONE, constants=self.constants, lineage=True
        )


def _of(kind: str, path: str) -> str:
    return f"Bundle.entry.resource.ofType({kind}).{path}"


IDENTIFIER = _of("Patient", "identifier")
HOSPITAL = "Bundle.entry[1].resource."
EMPLOYER = _of("Organization", "where(type.coding.code = 'employer')")
UNIT = _of("Organization", "where(name = 'Toinen yksikkö')")
PIHLAJA = _of("Organization", "where(name.startsWith('Työterveys')).id")
COMMUNICATION = _of("Communication", "")[:-1]
REFERRAL = _of("ServiceRequest", "where(code.empty())")
BASE = "https://silta.example/fhir"


def _extension(name: str) -> str:
    return f"{COMMUNICATION}.extension.where(url = '{BASE}/StructureDefinition/{name}').value"


Row = tuple[str, str, str, str, Values]

MSH4 = "Tuulilahden keskussairaala^2dee15f3-a33c-5c90-8b63-536933ec04db^UUID"
PID3 = "~70502^^^OBERON^MR|"
XON = "&urn:ietf:rfc:3986&URI^XX^^^urn:uuid:9ef22564-b314-555c-9e30-46ca5846b49d"
VISIT = "V2603-201^^^OBERON^VN"
PR1_3 = "NGD11^Artroskopisk knäåtgärd^1.2.246.537.6.2||20260310111500+0200"
SURGEON = "^Kivimäki^Terho|||1"
LAST = "CON|1|"
PHONE = "^PRN^CP^^^^^^^^^040 000 0000"

V2_ROWS: list[Row] = [
    ("MSH-4 in the register", MSH4, "Sairaala^1.2.246.10.1.10.2^ISO", HOSPITAL + "identifier.system", ["urn:oid:1.2.246.537.6.202"]),
    ("MSH-4 in the register, value", MSH4, "Sairaala^1.2.246.10.1.10.2^ISO", HOSPITAL + "identifier.value", ["urn:oid:1.2.246.10.1.10.2"]),
    ("MSH-4 with another OID", MSH4, "Sairaala^1.2.3.4^ISO", HOSPITAL + "identifier.value", ["urn:oid:1.2.3.4"]),
    ("MSH-4 with another OID, system", MSH4, "Sairaala^1.2.3.4^ISO", HOSPITAL + "identifier.system", ["urn:ietf:rfc:3986"]),
    ("MSH-4 with a name only", MSH4, "Sairaala", HOSPITAL + "identifier.value", []),
    ("MSH-9 without a trigger", "||ADT^A03|", "||ADT|", "Bundle.entry[0].resource.event.code", ["not-relayed"]),
    ("MSH-11 debugging", "|T|2.5|", "|D|2.5|", "Bundle.meta.tag.code", ["HTEST"]),
    ("MSH-11 production", "|T|2.5|", "|P|2.5|", "Bundle.meta.tag.code", []),
    ("EVN-2 missing", "EVN||20260310153000+0200|", "EVN|||", f"{COMMUNICATION}.sent", ["2026-03-10T15:30:00+02:00"]),
    ("PID-3 by type only", "&1.2.246.21&ISO^NNFIN", "^NNFIN", f"{IDENTIFIER}.where(use = 'official').system", ["urn:oid:1.2.246.21"]),
    ("PID-3 by authority only", "&1.2.246.21&ISO^NNFIN", "&1.2.246.21&ISO", f"{IDENTIFIER}.where(use = 'official').type.coding.code", ["NNFIN"]),
    ("PID-3 of another person", "^^^&1.2.246.21&ISO^NNFIN", "", f"{IDENTIFIER}.use", ["usual", "usual"]),
    ("PID-3 with an OID", PID3, "~70502^^^X&1.2.3.4&ISO^PI|", f"{IDENTIFIER}[1].system", ["urn:oid:1.2.3.4"]),
    ("PID-3 with a UUID", PID3, "~7^^^&0b6c1b9e-0000-4000-8000-000000000001&UUID|", f"{IDENTIFIER}[1].system", ["urn:uuid:0b6c1b9e-0000-4000-8000-000000000001"]),
    ("PID-3 with a URI", PID3, "~7^^^&https://sairaala.invalid/id&URI|", f"{IDENTIFIER}[1].system", ["https://sairaala.invalid/id"]),
    ("PID-3 with a namespace", PID3, PID3, f"{IDENTIFIER}[1].assigner.display", ["OBERON"]),
    ("PID-3 with its type", PID3, PID3, f"{IDENTIFIER}[1].type.coding.code", ["MR"]),
    ("PID-5 further names", "^Åke Rafael^^^^^L", "^Åke^Rafael^^^^L", _of("Patient", "name.given"), ["Åke", "Rafael"]),
    ("PID-5 prefix and suffix", "^Åke Rafael^^^^^L", "^Åke^^Jr^Dr^^L", _of("Patient", "name.select(prefix | suffix)"), ["Dr", "Jr"]),
    ("PID-5 full name", "^Åke Rafael^^^^^L", "^Åke Rafael^^^^^L", _of("Patient", "name.text"), ["Åke Rafael Sjöström"]),
    ("PID-5 family name only", "Sjöström^Åke Rafael^^^^^L", "Sjöström", _of("Patient", "name.text"), ["Sjöström"]),
    ("PID-5 maiden name", "^Åke Rafael^^^^^L", "^Åke Rafael^^^^^M", _of("Patient", "name.use"), ["maiden"]),
    ("PID-8 other", "|19680103|M|", "|19680103|A|", _of("Patient", "gender"), ["other"]),
    ("PID-11 two lines", "Koivukuja 3^^", "Koivukuja 3^PL 7^", _of("Patient", "address.line"), ["Koivukuja 3", "PL 7"]),
    ("PID-11 state", "^Tuulilahti^^99990", "^Tuulilahti^Saari^99990", _of("Patient", "address.state"), ["Saari"]),
    ("PID-13 as written", PHONE, "040 111", _of("Patient", "telecom.value"), ["040 111"]),
    ("PID-13 mail", PHONE, "^NET^Internet^ake@sjostrom.invalid", _of("Patient", "telecom.select(system | value)"), ["email", "ake@sjostrom.invalid"]),
    ("PID-15 other language", "||sv\r", "||eng\r", _of("Patient", "communication.language.coding.code"), ["en"]),
    ("PID-30 dead", "||sv\r", "||sv|||||||||||||||Y\r", _of("Patient", "deceased"), [True]),
    ("PID-30 alive", "||sv\r", "||sv|||||||||||||||N\r", _of("Patient", "deceased"), [False]),
    ("PD1-12 protected", "PD1||||||||||||N", "PD1||||||||||||Y", _of("Patient", "meta.security.code"), ["TURVAKIELTO"]),
    ("NK1 by relationship only", "||||E^^HL70131", "||||", f"{EMPLOYER}.name", ["Norrskärs Båtvarv Ab"]),
    ("NK1 by role only", "EMR^^HL70063", "", f"{EMPLOYER}.name", ["Norrskärs Båtvarv Ab"]),
    ("NK1 of a spouse", "EMR^^HL70063||||E^^HL70131", "SPO^^HL70063||||N^^HL70131", f"{EMPLOYER}.name", []),
    ("NK1-13 in the register", XON, "&1.2.246.537.6.202&ISO^XX^^^1.2.246.10.1.10.2", f"{EMPLOYER}.identifier.select(system | value)", ["urn:oid:1.2.246.537.6.202", "urn:oid:1.2.246.10.1.10.2"]),
    ("NK1-13 with a business id", XON, "&1.2.246.10&ISO^XX^^^0000000-0", f"{EMPLOYER}.identifier.select(system | value)", ["urn:oid:1.2.246.10", "0000000-0"]),
    ("PV1-19 and PID-18 missing", f"{VISIT}|", "|", f"{COMMUNICATION}.identifier.system", [f"{BASE}/sid/v2-message-control-id"]),
    ("PV1-19 with an OID", VISIT, "V1^^^X&1.2.3.4&ISO^VN", f"{COMMUNICATION}.identifier.system", ["urn:oid:1.2.3.4"]),
    ("PV1-10 as a code", "|||Kirurgia|", "|||10^Kirurgia^1.2.246.537.6.148|", _of("PractitionerRole", "specialty.coding.system"), ["urn:oid:1.2.246.537.6.148"]),
    ("PV1-10 as a word", "|||Kirurgia|", "|||Kirurgia|", _of("PractitionerRole", "specialty.text"), ["Kirurgia"]),
    ("PV1-7 where PR1-11 is empty", SURGEON, "|||1", _of("PractitionerRole", "practitioner.display"), ["Terho Kivimäki"]),
    ("PR1-11 identified", SURGEON, "012^Kivimäki^Terho^^^^^^&1.2.246.537.26&ISO|||1", _of("PractitionerRole", "practitioner.identifier.select(system | value)"), ["urn:oid:1.2.246.537.26", "012"]),
    ("PR1-4 text", PR1_3, "NGD11^^1.2.246.537.6.2|Knä|20260310111500+0200", _of("Procedure", "code.text"), ["Knä"]),
    ("PR1-3 second code", PR1_3, "X1^Knä^99LOCAL^NGD11^^1.2.246.537.6.2||20260310", _of("Procedure", "code.coding.code"), ["X1", "NGD11"]),
    ("PR1-3 system of the second code", PR1_3, "X1^Knä^I10^NGD11^^1.2.246.537.6.2||20260310", _of("Procedure", "code.coding[1].system"), ["urn:oid:1.2.246.537.6.2"]),
    ("PR1-15 reason", "Terho|||1", "Terho|||1|M23.2^^1.2.246.537.6.1", _of("Procedure", "reasonCode.coding.code"), ["M23.2"]),
    ("PR1-19 with an OID", "Terho|||1", "Terho|||1|||||T1^X^1.2.3.4^ISO", _of("Procedure", "identifier.system"), ["urn:oid:1.2.3.4"]),
    ("PR1-19 with a UUID", "Terho|||1", "Terho|||1|||||T1^^0b6c1b9e-0000-4000-8000-000000000001^UUID", _of("Procedure", "identifier.system"), ["urn:uuid:0b6c1b9e-0000-4000-8000-000000000001"]),
    ("PR1-19 with a URI", "Terho|||1", "Terho|||1|||||T1^^https://sairaala.invalid/id^URI", _of("Procedure", "identifier.system"), ["https://sairaala.invalid/id"]),
    ("PR1-19 with a namespace", "Terho|||1", "Terho|||1|||||T1^OBERON", _of("Procedure", "identifier.assigner.display"), ["OBERON"]),
    ("DG1-4 text", "M23.2^Ledskada i knät^1.2.246.537.6.1|", "M23.2^^1.2.246.537.6.1|Knä", _of("Condition", "code.text"), ["Knä"]),
    ("DG1-4 without a code", "M23.2^Ledskada i knät^1.2.246.537.6.1|", "|Knä", _of("Condition", "code.text"), ["Knä"]),
    ("OBX-16 missing", "||||||F|||||^Kivimäki^Terho", "||||||F", f"{_of('Observation', 'performer.reference')} = {COMMUNICATION}.sender.reference", [True]),
    ("OBX-16 given", "OBX|1|", "OBX|1|", _of("Observation", "performer.display"), ["Terho Kivimäki"]),
    ("OBX-11 deleted", "full^^99SILTA||||||F", "full^^99SILTA||||||D", _of("Observation", "component.value.coding.code"), ["hospital-short-oh-continues"]),
    ("OBX-11 wrong", "contact-patient^^99SILTA||||||F", "contact-patient^^99SILTA||||||W", _of("ServiceRequest", "code.coding.code"), []),
    ("OBX without 99SILTA", "sick-leave-start^^99SILTA", "sick-leave-start^^L", _of("Observation", "effective.start"), []),
    ("OBX of the start withdrawn", "20260310||||||F|||||", "20260310||||||X|||||", _of("Observation", "effective.start"), []),
    ("OBX repeated requests", "contact-patient^^99SILTA|", "contact-patient~negotiate|", _of("ServiceRequest", "code.coding.code"), ["contact-patient", "negotiate"]),
    ("OBX who continues", LAST, f"OBX|7|XON|continues-by^^99SILTA||Toinen yksikkö^^^^^{XON}||||||F\r{LAST}", f"{UNIT}.type.coding.code", ["occupational-health"]),
    ("OBX who continues, referred to", LAST, f"OBX|7|XON|continues-by^^99SILTA||Toinen yksikkö^^^^^{XON}||||||F\r{LAST}", f"{_of('Observation', 'extension.value.reference')} = 'urn:uuid:' & {UNIT}.id", [True]),
    ("OBX other recipient", LAST, f"OBX|7|XON|requested-recipient^^99SILTA||Toinen yksikkö^^^^^{XON}||||||F\r{LAST}", f"{COMMUNICATION}.recipient.reference = 'urn:uuid:' & {UNIT}.id", [True]),
    ("OBX who referred", LAST, f"OBX|7|XON|referred-by^^99SILTA||Toinen yksikkö^^^^^{XON}||||||F\r{LAST}", f"{REFERRAL}.requester.reference = 'urn:uuid:' & {UNIT}.id and {COMMUNICATION}.basedOn.reference = 'urn:uuid:' & {REFERRAL}.id", [True]),
    ("OBX review date", LAST, f"OBX|7|DT|review-date^^99SILTA||20260320||||||F\r{LAST}", _of("Observation", "component[2].value"), ["2026-03-20"]),
    ("CON limited", "||||||V|A||", "||||||V|L||", f"{_extension('disclosure-basis')}.coding.code", ["explicit-consent"]),
    ("CON refused", "||||||V|A||", "||||||V|R||", _extension("disclosure-basis"), []),
    ("CON rescinded", "||||||V|A||", "||||||V|X||", _extension("disclosure-consent"), []),
    ("CON-2 of another system", "explicit-consent^^99SILTA", "10^^HL70496", _extension("disclosure-basis"), []),
    ("contact phone", LAST, LAST, f"{_extension('contact-point')}.value", ["014 000 0000"]),
]  # fmt: skip

CDA_BASE = 'root="3c872824-7140-51cd-a529-cf3e556cf9ab"'
AUTHOR_ID = '<id root="bc188cb3-2f34-535d-916b-18b8dff6da52"/>\n      <telecom'
SET_ID = '<setId root="8a02eee9-a8be-58d1-8334-1651119981c4"/>'
UNIT_OF_AUTHOR = f"""<representedOrganization>
        <id {CDA_BASE}/>
        <name>Havuniemen sairaala</name>
      </representedOrganization>"""
TEL = '<telecom value="tel:0400000000" use="MC"/>'
CODE = 'code="JAB10" codeSystem="1.2.246.537.6.2.2007"><originalText>Nivustyrän leikkaus</originalText>'
TIME = '<effectiveTime value="20260306101500"/>\n              <performer>'
ENTRY = "<entry>\n            <procedure"
LEAVE_TIME = '<high value="20260320"/>\n              </effectiveTime>'
ADDR = "<addr>\n        <streetAddressLine>Rantatie 8</streetAddressLine>"
CERTIFIER = (
    '<author><time value="20260306"/><assignedAuthor><id root="1.2.246.537.26" extension="012"/><assignedPerson>'
    "<name><given>Oili</given><family>Tamminen</family></name></assignedPerson></assignedAuthor></author>"
)
STATUS = '<statusCode code="completed"/>\n              <effectiveTime value'
LEAVE_END = "          <entry>\n            <act"
REQUEST = '<statusCode code="active"/>\n            </act>'
RELATED = (
    '<entryRelationship typeCode="COMP"><procedure classCode="PROC" moodCode="INT"><code code="X1" '
    'codeSystem="1.2.3.4"/></procedure></entryRelationship>'
)
PROCEDURE_CODES = _of("Procedure", "code.coding.code")
REFERRER = (
    '  <componentOf><encompassingEncounter><effectiveTime/><encounterParticipant typeCode="{}"><assignedEntity>'
    '<id nullFlavor="NI"/><representedOrganization><id root="1.2.3.4"/><name>Toinen yksikkö</name>'
    "</representedOrganization></assignedEntity></encounterParticipant></encompassingEncounter></componentOf>\n"
    "  <hl7fi:localHeader>"
)


CDA_ROWS: list[Row] = [
    ("document id as an OID", '<id root="2a0fe034-493d-523a-8a6e-ceb3f629ffd8"/>', '<id root="1.2.3.4"/>', "Bundle.identifier.select(system | value)", ["urn:ietf:rfc:3986", "urn:oid:1.2.3.4"]),
    ("document id with an extension", '<id root="2a0fe034-493d-523a-8a6e-ceb3f629ffd8"/>', '<id root="1.2.3.4" extension="5"/>', "Bundle.identifier.select(system | value)", ["urn:oid:1.2.3.4", "5"]),
    ("document id of a UUID system", '<id root="2a0fe034-493d-523a-8a6e-ceb3f629ffd8"/>', '<id root="2a0fe034-493d-523a-8a6e-ceb3f629ffd8" extension="5"/>', "Bundle.identifier.system", ["urn:uuid:2a0fe034-493d-523a-8a6e-ceb3f629ffd8"]),
    ("without setId the id", SET_ID, "", f"{COMMUNICATION}.identifier.value = Bundle.identifier.value", [True]),
    ("registered unit", UNIT_OF_AUTHOR, UNIT_OF_AUTHOR.replace(CDA_BASE, 'root="1.2.246.10.1.10.2"'), HOSPITAL + "identifier.select(system | value)", ["urn:oid:1.2.246.537.6.202", "urn:oid:1.2.246.10.1.10.2"]),
    ("custodian where the author has no unit", UNIT_OF_AUTHOR, "", HOSPITAL + "name", ["Havuniemen sairaala"]),
    ("masked address", ADDR + "\n        <postalCode>99990</postalCode>\n        <city>Havuniemi</city>\n      </addr>", '<addr nullFlavor="MSK"/>', _of("Patient", "meta.security.code"), ["TURVAKIELTO"]),
    ("masked address stays out", ADDR + "\n        <postalCode>99990</postalCode>\n        <city>Havuniemi</city>\n      </addr>", '<addr nullFlavor="MSK"/>', _of("Patient", "address"), []),
    ("not a test person", "170290-948C", "170290-148C", "Bundle.meta.tag", []),
    ("other person identifier", '<id root="1.2.246.21" extension="170290-948C"/>', '<id root="1.2.3.4" extension="70"/>', f"{IDENTIFIER}.select(use | system | value)", ["usual", "urn:oid:1.2.3.4", "70"]),
    ("address with box, state and country", "<city>Havuniemi</city>\n      </addr>", "<postBox>PL 1</postBox><city>H</city><state>S</state><country>FI</country></addr>", _of("Patient", "address.select(line | city | state | country)"), ["Rantatie 8", "PL 1", "H", "S", "FI"]),
    ("mail", TEL, '<telecom value="mailto:a@b.invalid"/>', _of("Patient", "telecom.select(system | value)"), ["email", "a@b.invalid"]),
    ("bare number", TEL, '<telecom value="040 1"/>', _of("Patient", "telecom.select(system | value)"), ["phone", "040 1"]),
    ("other address of contact", TEL, '<telecom value="fax:1"/>', _of("Patient", "telecom.select(system | value)"), ["other", "fax:1"]),
    ("phone", TEL, TEL, _of("Patient", "telecom.select(system | value)"), ["phone", "0400000000"]),
    ("prefix and suffix", "<family>Lehtimäki</family>\n        </name>\n        <admin", "<prefix>Dr</prefix><family>Lehtimäki</family><suffix>Jr</suffix></name><admin", _of("Patient", "name.select(prefix | suffix)"), ["Dr", "Jr"]),
    ("call name left out", TEL, TEL, _of("Patient", "name.given"), ["Siiri", "Päivikki"]),
    ("full name", TEL, TEL, _of("Patient", "name.text"), ["Siiri Päivikki Lehtimäki"]),
    ("male", '<administrativeGenderCode code="2"', '<administrativeGenderCode code="1"', _of("Patient", "gender"), ["male"]),
    ("service event", "  <hl7fi:localHeader>", '  <componentOf><encompassingEncounter><id root="1.2.246.10.1.14.2026.1"/><effectiveTime/></encompassingEncounter></componentOf>\n  <hl7fi:localHeader>', f"{COMMUNICATION}.extension.where(url.contains('service-event')).value", ["urn:oid:1.2.246.10.1.14.2026.1"]),
    ("who referred", "  <hl7fi:localHeader>", REFERRER.format("REF"), f"{REFERRAL}.requester.reference = 'urn:uuid:' & {UNIT}.id and {COMMUNICATION}.basedOn.reference = 'urn:uuid:' & {REFERRAL}.id", [True]),
    ("who discharged did not refer", "  <hl7fi:localHeader>", REFERRER.format("DIS"), f"{REFERRAL} | {COMMUNICATION}.basedOn", []),
    ("code of another system", CODE, 'code="X1" codeSystem="1.2.3.4">', _of("Procedure", "code.coding.system"), ["urn:oid:1.2.3.4"]),
    ("code of SNOMED CT", CODE, 'code="1" codeSystem="2.16.840.1.113883.6.96">', _of("Procedure", "code.coding.system"), ["http://snomed.info/sct"]),
    ("display name as text", CODE, 'code="JAB10" displayName="Tyrä" codeSystem="1.2.246.537.6.2">', _of("Procedure", "code.text"), ["Tyrä"]),
    ("display name is no display", CODE, 'code="JAB10" displayName="Tyrä" codeSystem="1.2.246.537.6.2">', _of("Procedure", "code.coding.display"), []),
    ("time as a period", TIME, '<effectiveTime><low value="20260306090000"/><high value="20260306101500"/></effectiveTime>\n<performer>', _of("Procedure", "performed.select(start | end)"), ["2026-03-06T09:00:00+02:00", "2026-03-06T10:15:00+02:00"]),
    ("period is done at its end", TIME, '<effectiveTime><low value="20260306090000"/><high value="20260307"/></effectiveTime>\n<performer>', _of("Procedure", "status"), ["preparation"]),
    ("only a beginning", TIME, '<effectiveTime><low value="20260306090000"/></effectiveTime>\n<performer>', _of("Procedure", "status"), ["completed"]),
    ("specialty", "<assignedEntity>\n                  <id", '<assignedEntity>\n<code code="1" codeSystem="1.2.246.537.6.148.2008"/>\n                  <id', _of("PractitionerRole", "specialty.coding.system"), ["urn:oid:1.2.246.537.6.148"]),
    ("who did it", TEL, TEL, _of("PractitionerRole", "practitioner.display"), ["Reino Kallio"]),
    ("certifier", LEAVE_TIME, LEAVE_TIME + CERTIFIER, _of("Observation", "performer.select(display | identifier.value)"), ["Oili Tamminen", "012"]),
    ("certified by the unit", LEAVE_TIME, LEAVE_TIME, f"{_of('Observation', 'performer.reference')} = {COMMUNICATION}.sender.reference", [True]),
    ("nested section", "        <section>\n          <title>Toimenpide</title>", '        <section><component><section><entry><procedure classCode="PROC" moodCode="INT"><code code="X1" codeSystem="1.2.3.4"/></procedure></entry></section></component>\n', PROCEDURE_CODES, ["JAB10", "X1"]),
    ("within an organizer", LEAVE_END, '<entry><organizer classCode="BATTERY" moodCode="EVN"><component><procedure classCode="PROC" moodCode="INT"><code code="X1" codeSystem="1.2.3.4"/></procedure></component></organizer></entry>' + LEAVE_END, PROCEDURE_CODES, ["JAB10", "X1"]),
    ("within an encounter", LEAVE_END, f'<entry><encounter classCode="ENC" moodCode="EVN">{RELATED}</encounter></entry>' + LEAVE_END, PROCEDURE_CODES, ["JAB10", "X1"]),
    ("within an observation", LEAVE_TIME, LEAVE_TIME + RELATED, PROCEDURE_CODES, ["JAB10", "X1"]),
    ("within an act", REQUEST, REQUEST.replace("</act>", f"{RELATED}</act>"), PROCEDURE_CODES, ["JAB10", "X1"]),
    ("act that is no request of ours", 'moodCode="RQO">\n              <code code="contact-patient"', 'moodCode="EVN">\n              <code code="contact-patient"', _of("ServiceRequest", "code"), []),
    ("consent not completed", '<statusCode code="completed"/>\n    </consent>', '<statusCode code="active"/>\n    </consent>', _extension("disclosure-basis"), []),
    ("consent code of another system", 'code="luovutuslupa" codeSystem="', 'code="luovutuslupa" codeSystem="1.2.3.4" codeSystemName="', _extension("disclosure-basis"), []),
    ("consent", TEL, TEL, f"{_extension('disclosure-basis')}.coding.code", ["luovutuslupa"]),
    ("employer", TEL, TEL, f"{EMPLOYER}.name", ["Metsolan Päiväkoti Oy"]),
    ("other participant", 'associatedEntity classCode="EMP"', 'associatedEntity classCode="NOK"', f"{EMPLOYER}.name", []),
    ("sections without a code are no note", '<section>\n          <code code="note"', '<section>\n          <code code="other"', f"{COMMUNICATION}.payload", []),
]  # fmt: skip

ID = '"personalIdentityCode": "240981-935T",'
DONE_AT = '"performedAt": "2026-03-05T13:40:00+02:00",'
DOCTOR = '"name": "Reino Kallio"'
SICK = '"firstDay"'
CERTIFIED = """    "certifiedBy": {
      "name": "Reino Kallio"
    },
"""

JSON_ROWS: list[Row] = [
    ("protected address", ID, ID + '"protectedAddress": true,', _of("Patient", "meta.security.code"), ["TURVAKIELTO"]),
    ("address not protected", ID, ID + '"protectedAddress": false,', _of("Patient", "meta.security"), []),
    ("other identifier", ID, ID + '"otherId": [{"system": "urn:x", "value": "7"}],', f"{IDENTIFIER}[1].select(use | system | value)", ["usual", "urn:x", "7"]),
    ("replaced identifier", '"kind": "procedure-done"', '"kind": "person-merged"', "Bundle.entry[0].resource.event.code", ["person-identity-change"]),
    ("replaced identifier, linked", ID, ID + '"replacedId": [{"system": "urn:x", "value": "6"}],', _of("Patient", "link.other.identifier.value"), ["6"]),
    ("person changed", '"kind": "procedure-done"', '"kind": "person-changed"', f"Bundle.entry[0].resource.focus.reference = 'urn:uuid:' & {_of('Patient', 'id')}", [True]),
    ("address", ID, ID + '"address": {"street": ["Tie 1", "as 2"], "postalCode": "99990", "city": "Kylä"},', _of("Patient", "address.select(line | postalCode | city)"), ["Tie 1", "as 2", "99990", "Kylä"]),
    ("died", ID, ID + '"diedOn": "2026-03-04",', _of("Patient", "deceased"), ["2026-03-04"]),
    ("full name", ID, ID, _of("Patient", "name.text"), ["Jörgen Hämäläinen"]),
    ("no name of a test", '"test": true,', "", "Bundle.meta.tag", []),
    ("not a test", '"test": true,', '"test": false,', "Bundle.meta.tag", []),
    ("updated", '"kind": "procedure-done"', '"kind": "procedure-updated"', _of("Procedure", "status"), ["unknown"]),
    ("professional with an identifier", DOCTOR, '"name": "R", "id": {"system": "urn:oid:1.2.246.537.26", "value": "012"}', _of("PractitionerRole", "practitioner.identifier.value"), ["012"]),
    ("specialty as a code", '"text": "Käsikirurgia"', '"code": "1", "system": "urn:oid:1.2.246.537.6.148"', _of("PractitionerRole", "specialty.coding.select(system | code)"), ["urn:oid:1.2.246.537.6.148", "1"]),
    ("certified by the unit", CERTIFIED, "", f"{_of('Observation', 'performer.reference')} = {COMMUNICATION}.sender.reference", [True]),
    ("certifier", ID, ID, _of("Observation", "performer.display"), ["Reino Kallio"]),
    ("without a time", DONE_AT, "", _of("Procedure", "performed"), []),
    ("who continues", ID, ID, f"{_of('Observation', 'extension.value.reference')} = 'urn:uuid:' & {PIHLAJA}", [True]),
    ("who referred", '"request": [', '"referral": {"sentOn": "2026-02-11", "from": {"id": {"system": "urn:x", "value": "1"}, "name": "Toinen yksikkö"}}, "request": [', f"{REFERRAL}.authoredOn | {UNIT}.identifier.value", ["2026-02-11", "1"]),
    ("recipient", '"request": [', '"recipient": [{"id": {"system": "urn:x", "value": "1"}, "name": "Toinen yksikkö", "sector": "kela"}], "request": [', f"{UNIT}.type.coding.code", ["kela"]),
    ("consent", ID, ID, f"{_extension('disclosure-consent')}.identifier.value", ["H-2026-0042"]),
    ("note", ID, ID, f"{COMMUNICATION}.payload.content", ["Ei raskasta käsityötä neljään viikkoon."]),
]  # fmt: skip


def _read(name: str) -> str:
    return (NOTIFICATIONS / name).read_bytes().decode("utf-8")


def _variants(map_name: str, media_type: str, file: str, rows: list[Row]) -> list[Variant]:
    text = _read(file)
    for name, old, *_ in rows:
        if old not in text:
            raise AssertionError(f"{file}: the text that '{name}' changes is not there")
    return [
        Variant(
            name=name,
            map=map_name,
            media_type=media_type,
            body=text.replace(old, new).encode(),
            expression=expression,
            values=values,
        )
        for name, old, new, expression, values in rows
    ]


KNOWN: list[tuple[dict[str, Any], str, Values]] = [
    ({"sender": "urn:oid:1.2.246.10.1.10.2"}, "identifier.system", ["urn:oid:1.2.246.537.6.202"]),
    ({"sender": "urn:oid:1.2.3"}, "identifier.system", ["urn:ietf:rfc:3986"]),
    ({"sender": "urn:x|7"}, "identifier.select(system | value)", ["urn:x", "7"]),
    ({"sender": "urn:oid:1.2.3.4"}, "name.exists()", [True]),
    ({"leaveEndIncluded": False, "sender": "urn:x|7"}, "identifier.count()", [1]),
]
"""What a deployment says, and what the sending organisation then is."""
FILES = [
    ("notification-from-v2", "application/hl7-v2", "knee-arthroscopy-utf8.hl7"),
    ("notification-from-cda", "application/xml", "hernia-cda.xml"),
    ("notification-from-json", "application/json", "carpal-tunnel.json"),
]

ACCOUNT = (
    _read("knee-arthroscopy-utf8.hl7")
    .replace(VISIT, "")
    .replace("||sv\r", "||sv|||A77^^^OBERON^AN\r")
    .encode()
)

VARIANTS = [
    Variant(
        name="PV1-19 missing, PID-18 given",
        map="notification-from-v2",
        media_type="application/hl7-v2",
        body=ACCOUNT,
        expression=f"{COMMUNICATION}.identifier.select(system | value)",
        values=[f"{BASE}/sid/v2-account", "A77"],
    ),
    *_variants("notification-from-v2", "application/hl7-v2", "knee-arthroscopy-utf8.hl7", V2_ROWS),
    *_variants("notification-from-cda", "application/xml", "hernia-cda.xml", CDA_ROWS),
    *_variants("notification-from-json", "application/json", "carpal-tunnel.json", JSON_ROWS),
    Variant(
        name="custodian's name where the door knows the sender",
        map="notification-from-cda",
        media_type="application/xml",
        body=_read("hernia-cda.xml").replace(UNIT_OF_AUTHOR, "").encode(),
        expression=HOSPITAL + "name",
        values=["Havuniemen sairaala"],
        constants={"sender": "urn:oid:1.2.3"},
    ),
    *(
        Variant(
            name=f"known as {sorted(constants)}",
            map=map_name,
            media_type=media_type,
            body=_read(file).encode(),
            expression=HOSPITAL + path,
            values=values,
            constants=constants,
        )
        for map_name, media_type, file in FILES
        for constants, path, values in KNOWN
    ),
]
