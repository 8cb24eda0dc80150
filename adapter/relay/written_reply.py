"""Replies written on the form: which answers may be given, what each asks for, and the message they become.

What is filled in becomes the very message that a system would have sent, and goes the same way: through
`intake.accept`. So the hospital hears the same, whoever answers however.
"""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from adapter.errors import Conflict, NotFound
from adapter.fhir import json as fhir_json
from adapter.fhir.canonical import profile
from adapter.outcome import Issue
from adapter.relay import decision, event, feedback, intake
from adapter.relay.case import CASE_TRANSITIONS, CaseEvent, CaseState
from adapter.relay.element import children, text
from adapter.relay.feedback import Cover, Feedback
from adapter.relay.form import MEDIA_TYPES
from adapter.relay.message import Level, Submission
from adapter.relay.message_bundle import Message
from adapter.relay.source import FHIR_SOURCE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from adapter.relay.deployment import Relay
    from adapter.relay.element import Element
    from adapter.relay.message import Answer
    from adapter.relay.store.values import Offer

_E = CaseEvent

FIRST = (_E.ACCEPT, _E.AGREE, _E.NOT_OUR_CLIENT, _E.NO_CAPACITY, _E.WRONG_PERSON)
"""What a notification that nobody has answered is answered with."""
LATER = (_E.CONTACTED, _E.AGREE, _E.RETURN, _E.ACCEPT, _E.WRONG_PERSON)
"""What may follow, where the case's table has the step."""

US, SENDER = "us", "sender"
CONTINUERS = (US, SENDER)
"""Who may continue the sick leave: the answering provider, or the hospital."""


@dataclass(frozen=True, slots=True)
class Field:
    """One thing an answer asks for."""

    name: str
    is_required: bool = True


_MESSAGE = Field("message", is_required=False)
_MAY_CALL = Field("phone", is_required=False)
FIELDS: dict[CaseEvent, tuple[Field, ...]] = {
    _E.ACCEPT: (Field("phone"), _MESSAGE),
    _E.AGREE: (Field("continues"), Field("review_date"), _MAY_CALL, _MESSAGE),
    _E.NOT_OUR_CLIENT: (_MESSAGE,),
    _E.NO_CAPACITY: (_MAY_CALL, _MESSAGE),
    _E.WRONG_PERSON: (_MESSAGE,),
    _E.CONTACTED: (Field("contacted_on"), _MAY_CALL, _MESSAGE),
    _E.RETURN: (Field("return_date"), Field("percentage", is_required=False), _MESSAGE),
}
"""What each answer asks for, in the order of the form; the profile `feedback` asks for the same."""

LONGEST_MESSAGE = 2000
"""Characters."""
FURTHEST = timedelta(days=2 * 366)
"""No date of a reply lies further away."""
_PHONE = re.compile(r"\+?[0-9(][0-9 ()/-]{3,28}[0-9]", re.ASCII)
_ISO = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})", re.ASCII)
_FINNISH = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})", re.ASCII)
_UNSEEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def may_answer(case: CaseState | None) -> tuple[CaseEvent, ...]:
    """Return the answers that a case may be given now, in the order they are offered; none without a case."""
    if case is None:
        return ()
    offered = FIRST if case is CaseState.AWAITING_REPLY else LATER
    return tuple(each for each in offered if (case, each) in CASE_TRANSITIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A form as it was filled in, read."""

    reply: CaseEvent
    continues: str | None = None
    """`us` or `sender`."""
    review_date: date | None = None
    return_date: date | None = None
    contacted_on: date | None = None
    percentage: int | None = None
    phone: str | None = field(default=None, repr=False)
    message: str | None = field(default=None, repr=False)

    @property
    def text(self) -> str:
        """Return it all as one text: the same for the same."""
        said = {name: getattr(self, name) for name in self.__slots__}
        return json.dumps(said, default=str, sort_keys=True)


def read(reply: CaseEvent, given: Mapping[str, str], today: date) -> Filled | list[Issue]:
    """Read what was filled in, or return every fault, each at the name of its field.

    `given`: fields the answer does not ask for are passed over. Dates are `2026-03-27` or `27.3.2026`.
    """
    faults: list[Issue] = []
    values: dict[str, Any] = {}
    for asked in FIELDS[reply]:
        typed = _UNSEEN.sub("", given.get(asked.name, "").replace("\r\n", "\n")).strip()
        if not typed:
            if asked.is_required:
                faults.append(Issue("RF120", at=asked.name))
            continue
        found = _READERS[asked.name](typed, today)
        if isinstance(found, str) and found in _FAULTS:
            faults.append(Issue(found, at=asked.name, params=_FAULTS[found]))
        else:
            values[asked.name] = found
    return faults or Filled(reply=reply, **values)


_FAULTS: dict[str, dict[str, int]] = {
    "RF121": {},
    "RF122": {},
    "RF123": {},
    "RF124": {},
    "RF125": {},
    "RF126": {},
    "RF127": {"most": LONGEST_MESSAGE},
}
"""What may be wrong with a value."""


def _day(typed: str, today: date) -> date | str:
    iso, finnish = _ISO.fullmatch(typed), _FINNISH.fullmatch(typed)
    parts = iso.groups() if iso else finnish.groups()[::-1] if finnish else None
    try:
        found = date(*map(int, parts)) if parts is not None else None
    except ValueError:
        found = None
    if found is None:
        return "RF121"
    return found if abs(found - today) <= FURTHEST else "RF122"


def _day_to_come(typed: str, today: date) -> date | str:
    found = _day(typed, today)
    return "RF123" if isinstance(found, date) and found < today else found


def _day_gone_by(typed: str, today: date) -> date | str:
    found = _day(typed, today)
    return "RF124" if isinstance(found, date) and found > today else found


def _percentage(typed: str, _today: date) -> int | str:
    number = typed.removesuffix("%").strip()
    is_one = number.isascii() and number.isdecimal() and len(number) <= 3
    return int(number) if is_one and 1 <= int(number) <= 100 else "RF125"


def _phone(typed: str, _today: date) -> str:
    return typed if _PHONE.fullmatch(typed) else "RF126"


def _text(typed: str, _today: date) -> str:
    return typed if len(typed) <= LONGEST_MESSAGE else "RF127"


def _continuer(typed: str, _today: date) -> str:
    return typed if typed in CONTINUERS else "RF120"


_READERS: dict[str, Callable[[str, date], object]] = {
    "continues": _continuer,
    "review_date": _day_to_come,
    "return_date": _day,
    "contacted_on": _day_gone_by,
    "percentage": _percentage,
    "phone": _phone,
    "message": _text,
}


# The message it becomes -----------------------------------------------------------------------------------


def hand_in(filled: Filled, offer: Offer, form: str, person: str, relay: Relay) -> Answer:
    """Take a filled form in, as if the recipient's system had sent it; the same form again is one reply.

    `form`: id of the form, a UUID. `person`: as the audit names them. The answer is that of `intake.accept`.

    Raises Conflict (RF130) if the form was sent before with something else in it, NotFound (IN116) if the
    content is gone that says whom the reply is about.
    """
    digest = relay.store.subject_key("form-reply", filled.text)
    written = relay.store.begin_form_reply(form, offer.delivery, person=person, digest=digest)
    if not written.is_same:
        raise Conflict("RF130")
    submission = Submission(
        sender=offer.recipient,
        source=FHIR_SOURCE,
        body=fhir_json.write(message_of(filled, offer, form, relay, written.sent_at)),
        media_type=MEDIA_TYPES["fhir"],
        charset=None,
        received_at=relay.clock.now(),
    )
    answer = intake.accept(submission, relay)
    if answer.message is not None and answer.status < 300:
        relay.store.end_form_reply(form, answer.message)
    return answer


def message_of(filled: Filled, offer: Offer, form: str, relay: Relay, sent_at: datetime) -> dict[str, Any]:
    """Return the message that a filled form is. The same arguments give the same message.

    Whom it is about and what it answers are taken from the copy that was shown.

    Raises NotFound (IN116) if that is no longer kept.
    """
    kept = relay.store.content(offer.message, f"copy/{offer.delivery}")
    if kept is None:
        raise NotFound("IN116")
    told = Message(fhir_json.read(kept))
    known = decision.ground_of(relay).directory
    us, hospital = (decision.house(key, relay, known) for key in (offer.recipient, offer.sender))
    space = uuid.UUID(form)
    cover = Cover(
        bundle_id=str(uuid.uuid5(space, "bundle")),
        header_id=str(uuid.uuid5(space, "header")),
        notification=_answered(told.first("Communication")),
        sender=us,
        recipient=hospital,
        continues={US: us, SENDER: hospital, None: None}[filled.continues],
        endpoint=f"{relay.address}/$process-message",
        address=relay.partners[offer.recipient].endpoint,
        name=relay.name,
        mode=relay.mode,
        at=sent_at,
    )
    return feedback.copy_for(_said(filled, told.first("Patient"), sent_at), Level.CLINICAL, cover)


def _answered(communication: Element) -> str:
    """Return the id that the copy gave the notification, `system|value`."""
    identifier = next(iter(children(communication, "identifier")), {})
    return f"{text(identifier, 'system') or ''}|{text(identifier, 'value') or ''}"


def _said(filled: Filled, patient: Element, sent_at: datetime) -> Feedback:
    is_agreement = filled.reply is CaseEvent.AGREE
    days = {
        "review-date": filled.review_date,
        "return-date": filled.return_date,
        "contacted-on": filled.contacted_on,
    }
    extensions: list[dict[str, Any]] = [
        {"url": profile(name), "valueDate": day.isoformat()} for name, day in days.items() if day is not None
    ]
    if filled.percentage is not None:
        extensions.append({"url": feedback.PERCENTAGE, "valueInteger": filled.percentage})
    return Feedback(
        at="",
        event=event.SICK_LEAVE_AGREEMENT if is_agreement else event.FEEDBACK,
        reply=filled.reply,
        answers=frozenset(),
        continues=None,
        dates=tuple(extensions),
        contact={"system": "phone", "value": filled.phone, "use": "work"} if filled.phone else None,
        texts=(filled.message,) if filled.message else (),
        sent=sent_at.isoformat(timespec="seconds"),
        identifier=None,
        patient=feedback.person_of(patient),
    )
