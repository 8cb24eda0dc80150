"""What a person or a clock decides: about messages, copies, cases, replays, and the whole store."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from adapter.relay.message import AuditRecord
from adapter.relay.store import cases, claims, holds, intake, outcomes, recalls, replays
from adapter.relay.store.values import Backup
from adapter.relay.store.writing import Writing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from adapter.relay.message import DeliveryState, Level, NewDelivery
    from adapter.relay.store.values import Claimed, ReplayRow


class Deciding(Writing):
    """Carries out what was decided, if it still can be."""

    def assign(self, message: str, deliveries: Sequence[NewDelivery], audit: Sequence[AuditRecord]) -> None:
        """Give a message that needs routing its recipients, as a person named them."""
        self._do(intake.assign, message, deliveries, audit, self._clock.now())

    def decline(self, message: str, *, actor: str, reason: str) -> None:
        """Close a message that needs routing: nobody is to be told."""
        self._do(intake.decline, message, actor=actor, reason=reason, at=self._clock.now())

    def resend(self, delivery: str, *, actor: str, reason: str) -> DeliveryState:
        """Queue a parked or refused delivery again: same ids, and the same bytes if any may have arrived."""
        return self._do(outcomes.resend, delivery, actor=actor, reason=reason, at=self._clock.now())

    def look(self, delivery: str) -> Claimed:
        """Return a delivery as a claim would, without claiming it. Raises NotFound ST121."""
        return self._do(claims.look, delivery)

    def release(
        self, delivery: str, *, level: Level, basis: str, actor: str = "silta", reason: str | None = None
    ) -> DeliveryState:
        """Queue a withheld delivery that is permitted now, or that a person has looked at."""
        return self._do(
            outcomes.release,
            delivery,
            level=level,
            basis=basis,
            at=self._clock.now(),
            actor=actor,
            reason=reason,
        )

    def close_delivery(self, delivery: str, *, actor: str, reason: str) -> DeliveryState:
        """Close a parked or refused delivery."""
        return self._do(outcomes.close, delivery, actor=actor, reason=reason, at=self._clock.now())

    def recall(self, delivery: str, new: NewDelivery, *, actor: str, reason: str) -> str | None:
        """Take a copy back from the wrong recipient by a cancellation; None where none is sent.

        Raises NotFound ST121, Conflict DL124.
        """
        return self._do(recalls.recall, delivery, new, actor=actor, reason=reason, at=self._clock.now())

    def resume(self, partner: str, *, actor: str, reason: str | None = None) -> None:
        """Lift the rest of a partner's route now. Raises NotFound ST121."""
        self._do(outcomes.resume, partner, actor=actor, reason=reason, at=self._clock.now())

    def add_replay(self, new: ReplayRow, held: Sequence[str]) -> None:
        """Keep a prepared replay and the deliveries it holds, in their order."""
        self._do(replays.add, new, tuple(held))

    def release_replay(self, replay: str, *, actor: str, reason: str) -> None:
        """Let a replay begin that somebody else has prepared.

        Raises NotFound (ST121), NotPermitted (AC119), Conflict (DL101, DL151).
        """
        self._do(replays.release, replay, actor=actor, reason=reason, at=self._clock.now())

    def cancel_replay(self, replay: str, *, actor: str, reason: str) -> None:
        """End a replay and take back what of it has not left. Raises NotFound (ST121), Conflict (DL101)."""
        self._do(replays.cancel, replay, actor=actor, reason=reason, at=self._clock.now())

    def give_case_time(self, case: str, due_at: datetime) -> None:
        """Say by when an answer to a case is expected."""
        self._do(cases.give_time, case, due_at)

    def tell_overdue(self, case: str, at: datetime) -> bool:
        """Mark a case that nobody answered in time and tell the hospital; False if it was answered since."""
        return self._do(cases.tell_overdue, case, at)

    def close_case(self, case: str, *, actor: str, reason: str) -> None:
        """Call the matter of a case ended. Raises NotFound (ST121), Conflict (DL101)."""
        self._do(cases.close, case, actor=actor, reason=reason, at=self._clock.now())

    def begin_hold(self, *, actor: str, reason: str) -> None:
        """Let nothing leave until the hold is lifted; one that stands already stays as it is."""
        self._do(holds.begin, actor=actor, reason=reason, at=self._clock.now())

    def begin_shadow(self) -> None:
        """Mark the store as one whose messages are never sent. Raises Conflict (ST127) for a live one."""
        self._do(holds.begin_shadow, self._clock.now())

    def lift_hold(self, *, actor: str, reason: str) -> None:
        """Let what waits go. Raises Conflict (DL152) if nothing is held."""
        self._do(holds.lift, actor=actor, reason=reason, at=self._clock.now())

    def back_up(self, folder: Path, *, actor: str, reason: str) -> Backup:
        """Copy the store, as of one moment and while it works, into a new file.

        The copy holds when it is opened. Without the master key it says nothing of a person.
        Raises Conflict (ST125) where the database's own means copy it, StoreError (ST104, ST110, ST111).
        """
        now = self._clock.now()
        name = f"silta-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}.db"
        record = AuditRecord(
            at=now, actor=actor, action="back-up", object="store", outcome="copied", reason=reason
        )
        self.audit([record])
        head = self.audit_head()
        size = self._ground.copy_to(folder / name, now)
        return Backup(file=name, bytes=size, head=head)
