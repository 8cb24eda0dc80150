"""What the sender is told: not only that we have it, but what becomes of it for each recipient.

A message in FHIR gets a message back (MessageHeader.response and an OperationOutcome), a native submission an
OperationOutcome, an HL7 v2 sender that asks for it an acknowledgement (MSA and one ERR per thing to say).
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from adapter import fhir
from adapter.fhir.canonical import URI, code_system, profile
from adapter.outcome import Issue, finding, operation_outcome
from adapter.relay import event
from adapter.relay.bundling import instant
from adapter.relay.disclosure import identifier_of
from adapter.relay.element import child
from adapter.relay.message import Answer, DeliveryState, Fate, MessageState, Mode
from adapter.relay.message_bundle import Message
from adapter.relay.notification import TEST_TAG

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from adapter.outcome import Language, Severity
    from adapter.relay.source import SourceFormat

FHIR_JSON = "application/fhir+json"
FHIR_XML = "application/fhir+xml"
HL7_V2 = "x-application/hl7-v2+er7"

FATE = code_system("fate")
"""States of deliveries and messages, as the answer names them."""
RECIPIENT = profile("issue-recipient")
"""Extension of an issue: the organisation it speaks of."""


class Form(StrEnum):
    """How an answer is written."""

    MESSAGE = "message"
    OUTCOME = "outcome"
    HL7_V2 = "hl7v2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How this caller wants its answer."""

    form: Form
    media_type: str
    language: Language = "en"
    is_later: bool = False
    """True if it goes out as a message of its own: then a refusal is one too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What is to be said."""

    status: int
    """HTTP status."""
    issues: Sequence[Issue]
    fates: Sequence[Fate]
    message: str | None
    """Id of the message here, None where nothing was stored."""
    header_id: str | None
    """MessageHeader.id of what is answered."""
    answer_id: str
    """A fresh UUID for the answer itself."""
    at: datetime
    address: str
    name: str
    mode: Mode
    original: bytes = b""
    """The submission, of which an HL7 v2 acknowledgement repeats the header."""

    @property
    def is_ok(self) -> bool:
        """True if the submission was taken, whatever became of it."""
        return self.status < 400


def style_for(source_format: SourceFormat, wanted: Sequence[str], *, is_message: bool) -> Style:
    """Choose how to answer. `wanted`: media types the caller accepts, the best first; empty for any."""
    if source_format == "hl7v2" and HL7_V2 in wanted:
        return Style(form=Form.HL7_V2, media_type=HL7_V2)
    fhir_types = [each for each in wanted if each in (FHIR_JSON, FHIR_XML, "application/xml", "text/xml")]
    is_xml = bool(fhir_types) and fhir_types[0] != FHIR_JSON
    return Style(
        form=Form.MESSAGE if is_message else Form.OUTCOME, media_type=FHIR_XML if is_xml else FHIR_JSON
    )


def render(reply: Reply, style: Style) -> Answer:
    """Write an answer. A refusal is always an OperationOutcome, or an acknowledgement that says no."""
    if style.form is Form.HL7_V2:
        body = acknowledgement_v2(reply, style.language).encode("utf-8")
    elif style.form is Form.MESSAGE and reply.header_id and (reply.is_ok or _may_be_told_later(reply, style)):
        body = fhir.encode(response_message(reply, style.language), style.media_type)
    else:
        body = fhir.encode(outcome(reply, style.language), style.media_type)
    return Answer(status=reply.status, media_type=style.media_type, body=body, message=reply.message)


def _may_be_told_later(reply: Reply, style: Style) -> bool:
    return style.is_later and reply.message is not None


def is_message(answer: Answer) -> bool:
    """Return True if an answer is a message, and no bare OperationOutcome or acknowledgement of HL7 v2."""
    is_fhir = answer.media_type in (FHIR_JSON, FHIR_XML)
    return is_fhir and fhir.decode(answer.body, answer.media_type).get("resourceType") == "Bundle"


def addressed(answer: Answer, header_id: str | None) -> Answer:
    """Return a stored answer for a message of other ids that says what an earlier one said.

    R4 MessageHeader.response: whoever is answered knows the answer by the id of its own header.
    """
    if header_id is None or answer.media_type not in (FHIR_JSON, FHIR_XML):
        return answer
    said = fhir.decode(answer.body, answer.media_type)
    response = child(Message(said).first("MessageHeader"), "response")
    if response.get("identifier") in (None, header_id):
        return answer
    header = said["entry"][0]["resource"]
    header["response"] = {**response, "identifier": header_id}
    return replace(answer, body=fhir.encode(said, answer.media_type))


def outcome(reply: Reply, language: Language = "en") -> dict[str, Any]:
    """Build the OperationOutcome: every finding, then one issue per recipient with its fate."""
    found = operation_outcome(reply.issues, language)["issue"] if reply.issues else []
    told = [_fate_issue(fate, language) for fate in reply.fates]
    return operation_outcome([]) | ({"issue": [*told, *found]} if told or found else {})


def response_message(reply: Reply, language: Language = "en") -> dict[str, Any]:
    """Build the message that answers a message. R4 MessageHeader.response."""
    header, details = f"urn:uuid:{reply.answer_id}", f"urn:uuid:{_next(reply.answer_id, 'OperationOutcome')}"
    meta: dict[str, Any] = {"profile": [profile("acknowledgement-message")]}
    if reply.mode is Mode.TEST:
        meta["tag"] = [{"system": TEST_TAG[0], "code": TEST_TAG[1]}]
    return {
        "resourceType": "Bundle",
        "id": _next(reply.answer_id, "Bundle"),
        "meta": meta,
        "identifier": {"system": URI, "value": header},
        "type": "message",
        "timestamp": instant(reply.at),
        "entry": [
            {
                "fullUrl": header,
                "resource": {
                    "resourceType": "MessageHeader",
                    "id": reply.answer_id,
                    "eventCoding": {"system": event.MESSAGE_EVENT, "code": event.ACKNOWLEDGEMENT},
                    "source": {"name": reply.name, "endpoint": reply.address},
                    "response": {
                        "identifier": reply.header_id,
                        "code": "ok" if reply.is_ok else "fatal-error",
                        "details": {"reference": details},
                    },
                },
            },
            {
                "fullUrl": details,
                "resource": outcome(reply, language) | {"id": details.removeprefix("urn:uuid:")},
            },
        ],
    }


def _next(identifier: str, kind: str) -> str:
    """A further id of the same answer."""
    return str(uuid.uuid5(uuid.UUID(identifier), kind))


GENERAL_CODE: dict[DeliveryState | MessageState, str] = {
    DeliveryState.QUEUED: "PN401",
    DeliveryState.WITHHELD: "PN402",
    MessageState.NEEDS_ROUTING: "PN403",
    MessageState.NOT_APPLICABLE: "PN404",
}
"""What is said of a fate that has no reason of its own."""


def _fate_issue(fate: Fate, language: Language) -> dict[str, Any]:
    """One recipient's fate as an issue: state and level as codes, the organisation in an extension."""
    code = fate.reason or GENERAL_CODE[fate.state]
    is_good = fate.state is DeliveryState.QUEUED
    issue = Issue(code, level="information" if is_good else "warning")
    [said] = operation_outcome([issue], language)["issue"]
    said["details"]["coding"].append({"system": FATE, "code": fate.state.value})
    if fate.level:
        said["details"]["coding"].append({"system": code_system("content-level"), "code": fate.level.value})
    if fate.recipient is None:
        return dict(said)
    return {"extension": [{"url": RECIPIENT, "valueIdentifier": identifier_of(fate.recipient)}], **said}


# HL7 v2 ---------------------------------------------------------------------------------------------------

_SEVERITY_V2 = {"fatal": "E", "error": "E", "warning": "W", "information": "I"}
"""HL7 v2 table 0516."""
_REFUSED_AT_THE_DOOR = (400, 404, 413, 415, 500, 503)
"""Statuses of what was not looked into, or could not be kept: AR."""


def acknowledgement_v2(reply: Reply, language: Language = "en") -> str:
    """Write an HL7 v2 general acknowledgement in the original mode.

    AA: taken, with an ERR of information or warning for each recipient. AE: read, but not valid. AR: cannot
    be read, or an event nobody here knows. HL7 v2.5.1, 2.9 and 2.14 (ACK, MSA, ERR).
    """
    head = _V2Header.read(reply.original)
    trigger = head.field(9).split("^")
    kind = "^".join(["ACK", *trigger[1:2], "ACK"]) if len(trigger) > 1 else "ACK"
    verdict = "AA" if reply.is_ok else "AR" if _is_rejected(reply) else "AE"
    at = reply.at.strftime("%Y%m%d%H%M%S+0000")
    mode = "T" if reply.mode is Mode.TEST else "P"
    control = reply.answer_id.replace("-", "")[:20]
    msh = f"MSH|^~\\&|{_v2(reply.name)}||{head.field(3)}|{head.field(4)}|{at}||{kind}|{control}"
    segments = [
        f"{msh}|{mode}|{head.field(12) or '2.5'}||||||UNICODE UTF-8",
        f"MSA|{verdict}|{head.field(10)}",
        *(_err(issue, recipient, language) for issue, recipient in _said(reply)),
    ]
    return "\r".join(segments) + "\r"


def _is_rejected(reply: Reply) -> bool:
    unknown_event = any(issue.code in ("PN130", "PN131") for issue in reply.issues)
    return reply.status in _REFUSED_AT_THE_DOOR or unknown_event


def _said(reply: Reply) -> Iterator[tuple[Issue, str | None]]:
    for fate in reply.fates:
        level: Severity = "information" if fate.state is DeliveryState.QUEUED else "warning"
        yield Issue(fate.reason or GENERAL_CODE[fate.state], level=level), fate.recipient
    for issue in reply.issues:
        yield issue, None


def _err(issue: Issue, recipient: str | None, language: Language) -> str:
    """ERR-2 the sender's own field, ERR-3 table 0357, ERR-5 our code, ERR-7 the recipient, ERR-8 the text."""
    kind = finding(issue.code).type if issue.is_error else None
    code = _CODE_V2.get(kind, _OTHER_FAULT) if kind else _ACCEPTED_V2
    if issue.code in ("PN110", "PN111"):
        code = "202^Unsupported processing id^HL70357"
    place = _location(issue.source_field)
    severity = _SEVERITY_V2[issue.severity]
    who = _v2(recipient or issue.at or "")
    return f"ERR||{place}|{code}|{severity}|{issue.code}||{who}|{_v2(issue.text(language))}"


_ACCEPTED_V2 = "0^Message accepted^HL70357"
_OTHER_FAULT = "207^Application internal error^HL70357"
_CODE_V2 = {
    "required": "101^Required field missing^HL70357",
    "value": "102^Data type error^HL70357",
    "structure": "102^Data type error^HL70357",
    "invalid": "102^Data type error^HL70357",
    "code-invalid": "103^Table value not found^HL70357",
    "not-supported": "201^Unsupported event code^HL70357",
    "duplicate": "205^Duplicate key identifier^HL70357",
    "conflict": "205^Duplicate key identifier^HL70357",
}
"""R4 issue-type as a message error condition code, HL7 table 0357."""

_FIELD = re.compile(r"(\w{3})(?:\[(\d+)\])?(?:-(\d+)(?:\[(\d+)\])?(?:\.(\d+)(?:\.(\d+))?)?)?")


def _location(place: str | None) -> str:
    """Write `OBX[3]-5.1` as an ERL: segment, its number, field, repetition, component. HL7 v2.5, 2.A.28."""
    match = _FIELD.fullmatch(place or "")
    if match is None:
        return ""
    segment, number, field, repetition, *parts = match.groups()
    named = [segment, number or "1", field, (repetition or "1") if field else None, *parts]
    return "^".join(part or "" for part in named).rstrip("^")


_ESCAPES = str.maketrans(
    {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\", "\r": " ", "\n": " "}
)
"""What would be a delimiter. HL7 v2.5.1, 2.7."""


def _v2(value: str) -> str:
    return value.translate(_ESCAPES)


@dataclass(frozen=True, slots=True)
class _V2Header:
    """The fields of MSH that an acknowledgement repeats, in our delimiters."""

    fields: tuple[str, ...]

    @classmethod
    def read(cls, body: bytes) -> _V2Header:
        """Take them from the bytes; nothing where there is no MSH to be read."""
        start = body.find(b"MSH")
        line = body[start:].split(b"\r", 1)[0].split(b"\n", 1)[0] if start >= 0 else b""
        try:
            header = line.decode("utf-8")
        except UnicodeDecodeError:
            header = line.decode("latin-1")
        if len(header) < 9:
            return cls(())
        field, component = header[3], header[4]
        escaped = [part.replace(component, "\0") for part in header.split(field)[2:]]
        return cls(tuple(_v2(part).replace("\0", "^") for part in escaped))

    def field(self, number: int) -> str:
        """Return MSH-`number`, counted as the standard counts; empty if it is not there."""
        index = number - 3
        return self.fields[index] if 0 <= index < len(self.fields) else ""
