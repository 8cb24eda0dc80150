"""The reply form's side of the store: what is offered there, who opens and answers it, who has signed in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from sqlalchemy import or_

from adapter.relay.case import CaseState
from adapter.relay.message import DeliveryState, Kind, Meaning
from adapter.relay.store import offers, schema, sessions
from adapter.relay.store.values import FormReply, Offer, Session
from adapter.relay.store.writing import Writing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from adapter.relay.store.prepared import Row
    from adapter.relay.store.values import Claimed, Frozen, OfferNotice, Opening, Written

_D = schema.delivery.c

MOST_OFFERS = 500
"""Listed at once."""
_SESSION = tuple(column.name for column in schema.session.columns)


class Offering(Writing):
    """What the pages of the reply form ask and do."""

    def offers(self, recipients: Sequence[str], *, since: datetime) -> list[Offer]:
        """Return what recipients are offered or have opened, newest first.

        `since`: what came to its end before is left out. Nothing of a person is told.
        """
        is_over = _D.state.in_([DeliveryState.CLOSED.value, DeliveryState.ACKNOWLEDGED.value])
        statement = offers.SHOWN.where(
            _D.recipient.in_(recipients), or_(~is_over, _D.changed_at >= since)
        ).limit(MOST_OFFERS)
        return [_offer(row) for row in self.rows(statement)]

    def offer(self, delivery: str, recipients: Sequence[str]) -> Offer | None:
        """Return one of them; None if it is not these recipients', or was never shown."""
        found = self.rows(offers.SHOWN.where(_D.id == delivery, _D.recipient.in_(recipients)))
        return _offer(found[0]) if found else None

    def open_offer(
        self,
        offered: Claimed,
        *,
        person: str,
        copy: Frozen,
        basis: str | None,
        seen: int,
        detail: Sequence[tuple[str, str]] = (),
    ) -> tuple[Opening, int]:
        """Write down that a person is shown a copy now, before it is; see `offers.open_`."""
        return self._do(
            offers.open_,
            offered,
            person=person,
            copy=copy,
            basis=basis,
            seen=seen,
            at=self._clock.now(),
            detail=tuple(detail),
        )

    def take_back_offer(self, delivery: str, reason: str | None = None) -> None:
        """Take an offer that nobody has opened back into the queue, where it is decided on anew."""
        self._do(offers.take_back, delivery, at=self._clock.now(), reason=reason)

    def offers_to_tell(self, remind: timedelta, partners: Sequence[str]) -> list[OfferNotice]:
        """Return which of the partners this process is to tell now that something waits, and keep that."""
        return self._do(offers.to_tell, self._clock.now(), remind, tuple(partners))

    def untold_offers(self, partner: str) -> None:
        """A partner could not be told: it is told at the next look."""
        self._do(offers.untold, partner)

    def form_replies(self, delivery: str) -> list[FormReply]:
        """Return what was answered on the form to a delivery, newest first."""
        return [self._form_reply(row) for row in self.rows(offers.REPLIES, {"delivery": delivery})]

    def _form_reply(self, row: Row) -> FormReply:
        [back] = self.rows(offers.BACK, {"message": row.message}) or [None]
        return FormReply(
            person=row.person,
            sent_at=row.sent_at,
            reply=orjson.loads(row.extra).get("reply"),
            state=DeliveryState(back.state) if back is not None else None,
            reason=back.reason if back is not None else None,
        )

    def begin_form_reply(self, form: str, delivery: str, *, person: str, digest: str) -> Written:
        """Keep that a filled form was sent, or find that it was before."""
        now = self._clock.now()
        return self._do(offers.begin_reply, form, delivery, person=person, digest=digest, at=now)

    def end_form_reply(self, form: str, message: str) -> None:
        """Keep which message a filled form became."""
        self._do(offers.end_reply, form, message)

    # -- who has signed in -------------------------------------------------------------------------------

    def session(self, id: str) -> Session | None:
        """Return a session by the hash of its secret; None if there is none."""
        found = self.rows(sessions.ONE, {"id": id})
        return Session(**{name: getattr(found[0], name) for name in _SESSION}) if found else None

    def begin_session(self, new: Session, *, idle: timedelta, longest: timedelta, guessed: str) -> None:
        """Keep a session. `guessed`: the name under which guesses were counted, which end by it."""
        self._do(sessions.begin, new, idle=idle, longest=longest, guessed=guessed)

    def see_session(self, id: str) -> None:
        """Keep that a session was used."""
        self._do(sessions.see, id, self._clock.now())

    def speak_in_session(self, id: str, language: str) -> None:
        """Keep in which language a session goes on."""
        self._do(sessions.speak, id, language)

    def end_session(self, id: str, person: str) -> None:
        """End a session."""
        self._do(sessions.end, id, person=person, at=self._clock.now())

    def may_guess(self, name: str, *, most: int, within: timedelta) -> bool:
        """Count a guess at the password of a name, known by its keyed hash; False if there were too many."""
        return self._do(sessions.may_guess, name, self._clock.now(), most=most, within=within)

    def refuse_sign_in(self, person: str | None, reason: str) -> None:
        """Write down a refused sign-in. `person`: None for a name nobody has."""
        self._do(sessions.refuse, person, reason, self._clock.now())


def _offer(row: Row) -> Offer:
    return Offer(
        number=row.number,
        delivery=row.id,
        message=row.message,
        recipient=row.recipient,
        sender=row.sender,
        kind=Kind(row.kind),
        state=DeliveryState(row.state),
        reason=row.reason,
        event=row.event,
        meaning=Meaning(row.meaning) if row.meaning else None,
        notification=row.notification,
        cancels=row.cancels,
        superseded_by=row.superseded_by,
        is_taken_back=row.newer_meaning == Meaning.CANCEL.value,
        created_at=row.created_at,
        changed_at=row.changed_at,
        is_opened=row.reached > 0,
        is_forgotten=row.forgotten_at is not None,
        case=CaseState(row.case_state) if row.case_state else None,
        reply_due=row.reply_due,
    )
