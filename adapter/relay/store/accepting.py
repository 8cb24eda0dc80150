"""What comes in: messages, replies and acknowledgements, each with the answer it is given."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from adapter.errors import Conflict, StoreError
from adapter.relay.retry import FIRST_PAUSE
from adapter.relay.store import intake, outcomes
from adapter.relay.store.room import BALLAST, Room
from adapter.relay.store.writing import Writing

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from adapter.relay.case import CaseStep
    from adapter.relay.message import Answer, Behind, Intake, NewDelivery, PlanHead
    from adapter.relay.store.values import AckCode, Matched

log = logging.getLogger(__name__)

ROOM_SECONDS = 1.0
"""How often the disk is looked at, at most."""


class Accepting(Writing):
    """Takes in, where there is room for it."""

    _room = Room.AMPLE
    _room_seen_at = -ROOM_SECONDS

    def answer_to(self, sender: str, *, source: str, body: bytes) -> Answer | None:
        """Return the stored answer if this sender has handed in the very bytes to the same source before.

        Reads only: the cheap look before anything is mapped.
        """
        key, _ = intake.body_key(self._vault, source, body)
        rows = self.rows(intake.KNOWN, {"sender": sender, "key": key.text})
        return intake.answer_of(rows[0]) if rows else None

    def commit_intake(self, new: Intake) -> Answer | None:
        """Commit everything of one intake, or return the answer of the same submission before.

        Unreadable and invalid submissions give `keys=()`, or their mended repeat is a conflict; their bytes
        may be tried again too. With `cancels`, what the earlier message has not sent is closed in the same
        transaction. A cancellation gives one CANCELLATION delivery per recipient of the earlier message,
        whatever its state: those for whom nothing ever left are closed instead of sent.

        None, and nothing is written, if a consent that the message changes was changed since: decide again.

        Raises Conflict with the clash of the key (ST120, ST124) after keeping the second content where an
        operator sees it; StoreError ST119 if the disk is nearly full.
        """
        self._see_room()
        done = self._do(intake.commit, intake.prepare(new, self._vault))
        return None if isinstance(done, intake.Overtaken) else self._answered(done)

    def commit_intake_after(self, new: Intake, newest: str | None) -> Answer | None:
        """Commit an intake that was decided when `newest` was the newest message about its notification.

        None, and nothing is written, if another one was committed since (`newest` None: if there is one now):
        decide again. Else as `commit_intake`.
        """
        self._see_room()
        done = self._do(intake.commit_after, intake.prepare(new, self._vault), newest)
        return None if isinstance(done, intake.Overtaken) else self._answered(done)

    def commit_plan(self, new: Intake, newest: str | None, head: PlanHead) -> Answer | None:
        """Commit a version of a plan that was decided when `head` was the newest of all, whoever sent it.

        None, and nothing is written, if there is a newer one: decide again. Else as `commit_intake_after`.
        """
        self._see_room()
        done = self._do(intake.commit_plan, intake.prepare(new, self._vault), newest, head)
        return None if isinstance(done, intake.Overtaken) else self._answered(done)

    def commit_conflict(self, new: Intake, behind: Behind) -> Answer:
        """Keep a version of a plan beside the newest one, which its author had not seen.

        Returns the stored answer where it is a repeat of what is known. Raises Conflict with the code of
        `behind`.
        """
        self._see_room()
        return self._answered(self._do(intake.commit_conflict, intake.prepare(new, self._vault), behind))

    def commit_reply(self, new: Intake, step: CaseStep) -> Answer | None:
        """Commit a business reply and move its case in one transaction.

        None, and nothing is written, if the case moved since the step was decided: decide again. Else as
        `commit_intake`. Raises NotFound (ST121) if the copy cannot have been answered.
        """
        done = self._do(intake.commit_reply, intake.prepare(new, self._vault), step)
        return None if isinstance(done, intake.Overtaken) else self._answered(done)

    def queue_answer(self, answer: Answer, new: NewDelivery, at: datetime) -> None:
        """Queue an answer to go out as a delivery of its own, unless one to its message is on its way."""
        self._do(intake.queue_answer, answer, new, at)

    def acknowledgement(
        self,
        partner: str,
        response_identifier: str,
        code: AckCode,
        body: bytes,
        now: datetime,
        *,
        retry_after: timedelta = FIRST_PAUSE,
    ) -> Matched:
        """Take in an acknowledgement; `response_identifier` is matched by header id, then by bundle id.

        Only this partner's deliveries can match. `retry_after`: the wait after a transient-error.
        """
        return self._do(
            outcomes.acknowledge, partner, response_identifier, code, body, now, retry_after=retry_after
        )

    def keep_ballast(self, size: int = BALLAST) -> None:
        """Reserve bytes beside a file, given up when the disk is full, so that what is under way goes on."""
        self._ground.keep_ballast(size)

    def _see_room(self) -> None:
        """Raise StoreError ST119 if the disk is nearly full; say once when it becomes so, or low."""
        now = time.monotonic()
        if now >= self._room_seen_at + ROOM_SECONDS:
            room = self._ground.room()
            if room is not self._room:
                log.warning("store: room on the disk: %s", room.value)
            self._room, self._room_seen_at = room, now
        if self._room is Room.NONE:
            raise StoreError("ST119")

    @staticmethod
    def _answered(done: Answer | intake.Clash) -> Answer:
        if isinstance(done, intake.Clash):
            raise Conflict(done.key.clash, at=done.key.at or None, params={"message": done.message})
        return done
