"""How things stand: cases, alarms, a hold, replays, partners, counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import case, func, select

from adapter.relay.case import CaseState
from adapter.relay.message import TO_THE_SENDER
from adapter.relay.replay import ItemState, ReplayState
from adapter.relay.store import cases, holds, replays, schema
from adapter.relay.store.asking import Asking
from adapter.relay.store.values import CaseRow, Hold, Party, ReplayRow

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from adapter.relay.replay import Wanted
    from adapter.relay.store.prepared import Row

_M, _D = schema.message.c, schema.delivery.c

_MESSAGE_STATES = select(_M.state, func.count().label("how_many")).group_by(_M.state)
_DELIVERY_STATES = select(
    case(*((_D.kind == kind.value, "reports") for kind in TO_THE_SENDER), else_="deliveries").label("what"),
    _D.state,
    func.count().label("how_many"),
).group_by("what", _D.state)
_WAITING = (
    select(schema.lane.c.recipient, func.sum(schema.lane.c.waiting).label("waiting"))
    .where(schema.lane.c.waiting > 0)
    .group_by(schema.lane.c.recipient)
)


class Standing(Asking):
    """What operators, timers and alarms look at."""

    def cases(
        self, *, message: str | None = None, state: str | None = None, is_overdue: bool | None = None
    ) -> list[CaseRow]:
        """Return cases, oldest first."""
        statement = select(schema.case).order_by(schema.case.c.opened_at)
        if is_overdue is not None:
            told = schema.case.c.overdue_at
            waits = schema.case.c.state == CaseState.AWAITING_REPLY.value
            statement = (
                statement.where(told.is_not(None), waits) if is_overdue else statement.where(told.is_(None))
            )
        if message is not None:
            statement = statement.where(schema.case.c.message == message)
        if state is not None:
            statement = statement.where(schema.case.c.state == state)
        return [_case(row) for row in self.rows(statement)]

    def untimed_cases(self) -> list[CaseRow]:
        """Return the cases that nobody has yet said a time for."""
        return [_case(row) for row in self.rows(cases.UNTIMED)]

    def overdue_cases(self, at: datetime) -> list[CaseRow]:
        """Return the cases without an answer whose time is over and of which nobody knows, oldest first."""
        return [_case(row) for row in self.rows(cases.OVERDUE, {"at": at})]

    def hold(self) -> Hold | None:
        """Return the hold that stands, None if what is due may leave."""
        found = self.rows(holds.STANDING, {})
        if not found:
            return None
        return Hold(began_at=found[0].began_at, actor=found[0].actor, reason=found[0].reason)

    def is_shadow(self) -> bool:
        """Return True for a store that was filled in shadow."""
        return bool(self.rows(holds.SHADOW, {}))

    def alarms(self) -> list[tuple[str, str, datetime]]:
        """Return the alarms that stand, the oldest first: code, what it is about, since when."""
        rows = self.rows(select(schema.alarm).order_by(schema.alarm.c.began_at))
        return [(row.code, row.about, row.began_at) for row in rows]

    def replay_matches(self, wanted: Wanted) -> Sequence[Row]:
        """Return id, recipient and created_at of every copy that is asked for, in their order."""
        return self.rows(replays.matching(wanted))

    def replays(self, limit: int = 100) -> list[ReplayRow]:
        """Return replays, the newest first."""
        newest = select(schema.replay).order_by(schema.replay.c.number.desc()).limit(limit)
        return self._replays(self.rows(newest))

    def replay(self, id: str) -> ReplayRow:
        """Return a replay. Raises NotFound ST121."""
        return self._replays([self.one("replay", replays.ONE, {"the_replay": id})])[0]

    def replay_items(self, id: str) -> list[tuple[str, ItemState]]:
        """Return the deliveries of a replay in their order, and what became of each."""
        rows = self.rows(replays.ITEMS, {"the_replay": id})
        return [(row.delivery, ItemState(row.state)) for row in rows]

    def _replays(self, rows: Sequence[Row]) -> list[ReplayRow]:
        counts = self.rows(replays.COUNTS.where(schema.replay_item.c.replay.in_([row.id for row in rows])))
        return [
            ReplayRow(
                id=row.id,
                state=ReplayState(row.state),
                wanted=row.wanted,
                preview=row.preview,
                reason=row.reason,
                per_minute=row.per_minute,
                prepared_by=row.prepared_by,
                prepared_at=row.prepared_at,
                released_by=row.released_by,
                released_at=row.released_at,
                ended_by=row.ended_by,
                ended_at=row.ended_at,
                items=tuple((one.state, one.reason, one.how_many) for one in counts if one.replay == row.id),
            )
            for row in rows
        ]

    def parties(self) -> list[Party]:
        """Return the partners as the engine sees them: waiting, failing, resting."""
        waiting = {row.recipient: int(row.waiting) for row in self.rows(_WAITING, {})}
        return [
            Party(
                key=row.key,
                takes_reports=row.takes_reports,
                waiting=waiting.get(row.key, 0),
                failures=row.failures,
                paused_until=row.paused_until,
                pause_reason=row.pause_reason,
            )
            for row in self.rows(select(schema.party).order_by(schema.party.c.key))
        ]

    def counts(self) -> dict[str, dict[str, int]]:
        """Return `{"messages"|"deliveries"|"reports": {state: how many}}`."""
        counted: dict[str, dict[str, int]] = {"messages": {}, "deliveries": {}, "reports": {}}
        for row in self.rows(_MESSAGE_STATES, {}):
            counted["messages"][row.state] = row.how_many
        for row in self.rows(_DELIVERY_STATES, {}):
            counted[row.what][row.state] = row.how_many
        return counted


def _case(row: Row) -> CaseRow:
    return CaseRow(**{**row._asdict(), "state": CaseState(row.state)})
