"""Delivery: from a claim to an attempt that is written down.

For each delivery claimed under a lease: ask again what may have changed since intake, build the copy unless
one is frozen, write audit and bytes down, look at the lease once more, send, judge the answer, write it down.
What an attempt and its end mean is decided in `attempt`; here it is done.

Fencing by the lease's token keeps a late worker from changing anything; it does not keep it from sending.
Hence the rule before the socket: what is left of the lease must exceed the deadline of the whole exchange
and a margin, so that nobody else can have the lane while bytes are on the wire. What remains is a process
that is stopped inside that last step for longer than the margin.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from adapter.errors import AdapterError, ConfigurationError, ContentError, DeliveryError, StoreError
from adapter.fhir import json as fhir_json
from adapter.relay import form, offer, resending
from adapter.relay.attempt import (
    MEDIA_TYPE,
    attempt_end,
    judge,
    may_rebuild,
    may_repeat,
    may_reuse,
    outbound,
    resent,
)
from adapter.relay.consent import Deny, Permit
from adapter.relay.custody import content_of, written_down
from adapter.relay.mailbox import Mailbox
from adapter.relay.message import DeliveryEvent, Kind
from adapter.relay.protection import is_outdated
from adapter.relay.store import (
    claims,
    deadlines,
    freezing,
    halted,
    holds,
    leases,
    offers,
    outcomes,
    replays,
    seals,
)
from adapter.relay.store.book import ENGINE
from adapter.relay.store.values import Freeze, Frozen
from adapter.relay.transport import Inbound
from adapter.relay.wires import Wires

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime

    from adapter.relay.decisions import Decisions
    from adapter.relay.deployment import Partner, Relay
    from adapter.relay.message import Level
    from adapter.relay.store.book import Book
    from adapter.relay.store.values import Claimed, DueItem, Paused

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How much at once, and how long anything may take."""

    at_once: int = 32
    """Messages on the wire at the same time, at most."""
    each: int = 16
    """Messages on the wire to one partner, at most."""
    ahead: int = 3
    """How many times as many may be claimed: some are being decided and written while others are sent."""
    silence: timedelta = timedelta(seconds=2)
    """How long an exchange may take and still count against `at_once`."""
    deadline: timedelta = timedelta(seconds=30)
    """Of one exchange, from connecting to the last byte of the answer."""
    margin: timedelta = timedelta(seconds=10)
    lease: timedelta = claims.LEASE
    poll: timedelta = timedelta(seconds=1)
    """How often time alone is looked at: retries that become due, leases, deadlines."""


PACE = Pace()
CLAIM_REST = 2.0
"""How many times as long as a claim took none follows: under load many become due at once, and one claim of
many costs less than many of one."""
LONGEST_REST = 0.02
"""Seconds: a claim that took long mostly waited for other writes."""
ASKS = 5
"""How often the decision is taken anew for one claim while consents keep changing under it."""


def has_time(lease_until: datetime, now: datetime, pace: Pace) -> bool:
    """Return True if the whole exchange ends, and the margin passes, before the lease does."""
    return lease_until - now >= pace.deadline + pace.margin


async def deliver_due(
    relay: Relay,
    *,
    now: datetime | None = None,
    limit: int = 64,
    pace: Pace = PACE,
    decisions: Decisions | None = None,
) -> int:
    """Do what is due once: expiries, overdue acknowledgements, consents that changed, and one send per lane.

    Returns how many deliveries were claimed; call it again until that is 0 to drain what is due.
    """
    at = now or relay.clock.now()
    engine = _Engine(relay, pace, decisions or _decisions())
    await engine.keep_house(at)
    claimed = await engine.claim(at, limit, pace.each * pace.ahead)
    await asyncio.gather(*(engine.deliver(each) for each in claimed))
    return len(claimed)


async def run(
    relay: Relay, stop: asyncio.Event, *, pace: Pace = PACE, decisions: Decisions | None = None
) -> None:
    """Deliver until `stop` is set, then let what is on the wire finish.

    Woken by every commit that makes something due, and by time. A store that cannot write (a full disk) or a
    fault of ours in one delivery stops nothing: it is logged by its code and tried again.
    """
    await _Engine(relay, pace, decisions or _decisions()).run(stop)


async def _prepare(relay: Relay) -> None:
    """Tell the store who the partners are: all of them have an endpoint, so all take delivery reports."""
    takers = dict.fromkeys(relay.partners, True)
    if relay.store.parties_known != takers:
        await asyncio.to_thread(relay.store.import_parties, takers)


def _decisions() -> Decisions:
    from adapter.relay import decision

    return decision


class _Engine:
    """One process's delivering: the relay, its pace, and who decides."""

    def __init__(self, relay: Relay, pace: Pace, decisions: Decisions) -> None:
        self._relay = relay
        self._pace = pace
        self._decisions = decisions
        self._mail: Mailbox | None = None
        self._wires = Wires(
            at_once=pace.at_once,
            each=pace.each,
            most=pace.each * pace.ahead,
            silence=pace.silence.total_seconds(),
        )

    async def _write(
        self, operation: Callable[Concatenate[Book, P], T], *arguments: P.args, **named: P.kwargs
    ) -> T:
        self._mail = self._mail or Mailbox()
        return await self._mail.result(self._relay.store.submit(operation, *arguments, **named))

    async def run(self, stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        wake = asyncio.Event()

        def woken() -> None:
            # The loop may end between any two steps of the writer's thread.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(wake.set)

        self._relay.store.on_work(woken)
        stopping = asyncio.ensure_future(stop.wait())
        sending: set[asyncio.Task[None]] = set()
        house_at = claim_at = 0.0
        steady = _Steady(loop.time, self._pace)
        seal_at = loop.time() + seals.EVERY.total_seconds()
        try:
            while not stop.is_set():
                wake.clear()
                if steady.has_jumped(self._relay.clock.now()):
                    claim_at = loop.time() + self._pace.lease.total_seconds()
                if loop.time() >= house_at:
                    await self._kept(self.keep_house(self._relay.clock.now()))
                    house_at = loop.time() + self._pace.poll.total_seconds()
                if loop.time() >= seal_at:
                    await self._kept(asyncio.to_thread(self._relay.store.seal_audit))
                    seal_at = loop.time() + seals.EVERY.total_seconds()
                room = self._room(sending)
                if room > 0 and loop.time() >= claim_at:
                    began = loop.time()
                    claimed = (
                        await self._kept(self.claim(self._relay.clock.now(), room, self._wires.first)) or []
                    )
                    took = loop.time() - began
                    claim_at = loop.time() + min(CLAIM_REST * took, LONGEST_REST)
                    for each in claimed:
                        task = asyncio.create_task(self._kept(self.deliver(each)))
                        sending.add(task)
                        task.add_done_callback(sending.discard)
                await self._pause(stopping, wake, sending)
                if loop.time() < claim_at:
                    rest = min(claim_at - loop.time(), self._pace.poll.total_seconds())
                    await asyncio.wait({stopping}, timeout=rest)
        finally:
            self._relay.store.off_work(woken)
            stopping.cancel()
            if sending:
                await asyncio.wait(sending)

    async def _pause(
        self, stopping: asyncio.Future[Any], wake: asyncio.Event, sending: set[asyncio.Task[None]]
    ) -> None:
        """Wait for work, for room, for the end, or for time to pass."""
        waking = asyncio.ensure_future(wake.wait())
        full = self._room(sending) <= 0
        waits: set[asyncio.Future[Any]] = {stopping, *sending} if full else {stopping, waking}
        await asyncio.wait(
            waits, timeout=self._pace.poll.total_seconds(), return_when=asyncio.FIRST_COMPLETED
        )
        waking.cancel()

    def _room(self, sending: set[asyncio.Task[None]]) -> int:
        """Return how many more may be claimed; those that are silent on the wire do not count."""
        return self._pace.at_once * self._pace.ahead - (len(sending) - self._wires.silent)

    async def _kept(self, doing: Awaitable[T]) -> T | None:
        """Do it; what goes wrong is logged by its code and does not end the engine."""
        try:
            return await doing
        except AdapterError as exc:
            log.error("delivery: %s", exc.code)
        except Exception as exc:
            log.error("delivery: %s", exc.__class__.__name__)
        return None

    async def keep_house(self, now: datetime) -> None:
        """Do what time alone brings."""
        await _prepare(self._relay)
        await self._write(leases.recover_dead, now)
        if await self._write(holds.stands):
            return  # what it does not know is nothing to close, to repeat or to tell of
        await self._write(deadlines.expire, now)
        overdue, asked = await self._write(deadlines.due, now)
        most = {key: partner.resends for key, partner in self._relay.partners.items()}
        for delivery in overdue:
            await self._write(outcomes.overdue, delivery, now, most=most, due_at=now)
        for delivery in asked:
            await self._reconsider(delivery, now)
        for item in await self._write(replays.due, now):
            await self._resend(item, now)

    async def claim(self, now: datetime, limit: int, each: int) -> list[Claimed]:
        """Claim what is due, up to `each` for a recipient of which nothing is known."""
        return await self._write(
            claims.claim,
            now,
            limit,
            each=each,
            windows=dict(self._wires.windows),
            lease=self._pace.lease,
        )

    async def _reconsider(self, delivery: str, now: datetime) -> None:
        """A withheld delivery's consents changed: queue it if it is permitted now."""
        claimed = await self._write(claims.look, delivery)
        permit = self._ask(claimed, _bundle(claimed), now)
        if isinstance(permit, Permit) and (may_rebuild(claimed) or may_reuse(claimed, permit.level)):
            await self._write(
                outcomes.release,
                delivery,
                level=permit.level,
                basis=permit.reference,
                at=now,
                actor=ENGINE,
            )
        else:
            await self._write(outcomes.still_withheld, delivery)

    async def _resend(self, item: DueItem, now: datetime) -> None:
        """Queue the next copy of a replay again, or leave it where it would not go."""
        if item.is_forgotten:
            denied: str | None = "ST123"
        else:
            claimed = await self._write(claims.look, item.delivery)
            denied = resending.denial(claimed, self._relay, now, self._decisions)
        await self._write(replays.take, item.replay, item.number, denied=denied, at=now)

    def _ask(self, claimed: Claimed, bundle: Mapping[str, Any] | None, now: datetime) -> Permit | Deny | None:
        if bundle is None:
            return None
        return self._decisions.ask_again(bundle, claimed, self._relay, now, is_released=claimed.released)

    async def deliver(self, claimed: Claimed) -> None:
        """Lead one claimed delivery to the end of an attempt, or to where it must not go out."""
        partner = self._relay.partners.get(claimed.recipient)
        if partner is None or (partner.reads_here and claimed.kind is Kind.ANSWER):
            # An answer is for a system: its sender had one when it asked for it.
            await self._park(claimed, "DL116")
            return
        if not may_repeat(claimed, partner):
            await self._park(claimed, "DL122")
            return
        try:
            if partner.reads_here:
                await self._offer(claimed, partner)
                return
            copy = await self._ready(claimed, partner)
        except StoreError:
            raise
        except Exception as exc:
            # A message we cannot prepare must neither stop the others nor come back for ever.
            log.error("delivery: cannot prepare a copy: %s", exc.__class__.__name__)
            await self._park(claimed, "DL117")
            return
        if copy is not None:
            await self._send(claimed, partner, copy)

    async def _ready(self, claimed: Claimed, partner: Partner) -> Frozen | None:
        """Return the bytes to send, written down with their audit row; None if nothing is to be sent now."""
        bundle = _bundle(claimed)
        seen, at = claimed.consents_seen, self._relay.clock.now()
        for _ in range(ASKS):
            permit = self._ask(claimed, bundle, at)
            if isinstance(permit, Deny):
                await self._withhold(claimed, permit.reason, at)
                return None
            level = permit.level if permit is not None else claimed.level
            copy, is_unlabelled = None, is_outdated(claimed, self._relay)
            if claimed.frozen is not None and may_reuse(claimed, level) and not is_unlabelled:
                copy = resent(claimed.frozen, claimed, partner, self._relay.ids.new(), at)
            else:
                if not may_rebuild(claimed):
                    await self._withhold(claimed, "DL125" if is_unlabelled else "DL115", at)
                    return None
                try:
                    copy = self._build(claimed, bundle, permit, level, at)
                except (ConfigurationError, ContentError) as error:
                    # What cannot be said whole in the recipient's form is not said; the sender hears it.
                    await self._withhold(claimed, error.code, at)
                    return None
            at = self._relay.clock.now()
            if self._relay.is_shadow:
                await self._rehearse(claimed, bundle, copy, permit, level, at)
                return None
            if not has_time(claimed.lease_until, at, self._pace):
                break
            answer, seen = await self._write(
                freezing.freeze,
                claimed,
                copy=copy,
                basis=permit.reference if permit is not None else claimed.basis,
                seen=seen,
                until=at + self._pace.deadline + self._pace.margin,
                at=at,
                detail=self._written_down(claimed, bundle, level, permit),
            )
            if answer is Freeze.GO:
                return copy or claimed.frozen
            if answer is not Freeze.ASK_AGAIN:
                return None
        await self._give_back(claimed, "DL118" if has_time(claimed.lease_until, at, self._pace) else "DL102")
        return None

    async def _offer(self, claimed: Claimed, partner: Partner) -> None:
        """Let the copy wait where the partner's people open it: nothing is disclosed before one of them does.

        It is built once to see that it can be, and is built anew when it is opened.
        """
        bundle, at = _bundle(claimed), self._relay.clock.now()
        permit = self._ask(claimed, bundle, at)
        if isinstance(permit, Deny):
            await self._withhold(claimed, permit.reason, at)
            return
        level = permit.level if permit is not None else claimed.level
        try:
            copy = self._build(claimed, bundle, permit, level, at)
        except (ConfigurationError, ContentError) as error:
            await self._withhold(claimed, error.code, at)
            return
        if self._relay.is_shadow:
            await self._rehearse(claimed, bundle, copy, permit, level, at)
            return
        await self._write(
            offers.place,
            claimed,
            level=level,
            basis=permit.reference if permit is not None else claimed.basis,
            due_at=offer.open_by(claimed.queued_at, partner, self._relay.zone),
            at=at,
        )

    async def _rehearse(
        self,
        claimed: Claimed,
        bundle: Mapping[str, Any] | None,
        copy: Frozen | None,
        permit: Permit | None,
        level: Level | None,
        at: datetime,
    ) -> None:
        """Keep what would have gone where, and how much of it; the copy itself is not kept."""
        basis = permit.reference if permit is not None else claimed.basis
        would = dict(self._written_down(claimed, bundle, level, permit))
        if basis is not None:
            would["basis"] = basis
        if copy is not None:
            would |= {"form": copy.media_type, "bytes": str(len(copy.body))}
        await self._write(outcomes.rehearse, claimed, would=would, at=at)

    def _written_down(
        self,
        claimed: Claimed,
        bundle: Mapping[str, Any] | None,
        level: Level | None,
        permit: Permit | None,
    ) -> tuple[tuple[str, str], ...]:
        """Return what the audit keeps of a sending beside its ids and its content."""
        said = written_down(self._relay.partners[claimed.recipient].endpoint, level, permit)
        if bundle is None:
            return said
        return (*said, *self._decisions.custody_of(bundle, claimed, self._relay).pairs())

    def _build(
        self,
        claimed: Claimed,
        bundle: Mapping[str, Any] | None,
        permit: Permit | None,
        level: Level | None,
        at: datetime,
    ) -> Frozen:
        resource = self._decisions.copy_of(bundle, claimed, permit, self._relay, at)
        wanted = self._relay.partners[claimed.recipient].form
        if wanted == "fhir":
            body, media_type = fhir_json.write(resource), MEDIA_TYPE
        else:
            body, media_type = form.written(resource, wanted, self._relay.maps)
        return Frozen(
            body=body,
            media_type=media_type,
            level=level,
            content=content_of(
                resource,
                self._decisions.versions_of(bundle, claimed, permit, self._relay, at) if bundle else {},
            ),
        )

    async def _send(self, claimed: Claimed, partner: Partner, copy: Frozen) -> None:
        async with self._wires.to(claimed.recipient):
            started = self._relay.clock.now()
            if not has_time(claimed.lease_until, started, self._pace):
                await self._give_back(claimed, "DL102")
                return
            waited = started - claimed.lease_until + self._pace.lease
            if waited >= halted.AT_ONCE and await self._write(halted.give_back, claimed, started):
                return
            try:
                got: Inbound | DeliveryError = await self._relay.transport.send(
                    outbound(claimed, partner, copy, self._pace.deadline, started)
                )
            except DeliveryError as exc:
                got = exc
        now = self._relay.clock.now()
        self._wires.learn(claimed.recipient, got_through=isinstance(got, Inbound))
        judged = judge(
            got,
            kind=claimed.kind,
            partner=partner,
            ids=(claimed.header_id, claimed.bundle_id, copy.envelope),
            now=now,
        )
        end = attempt_end(
            judged,
            claimed,
            started_at=started,
            now=now,
            schedule=self._relay.schedule,
            acknowledge_within=partner.acknowledge_within or partner.reliability.acknowledge_within,
            draw=self._relay.random.random(),
            answer=got.body if isinstance(got, Inbound) else None,
        )
        _alarm(await self._write(outcomes.record_attempt, end))

    async def _withhold(self, claimed: Claimed, reason: str, at: datetime) -> None:
        await self._write(
            claims.give_back,
            claimed,
            DeliveryEvent.CONSENT_WITHDRAWN,
            at=at,
            action="withhold",
            reason=reason,
        )

    async def _park(self, claimed: Claimed, reason: str) -> None:
        await self._write(
            claims.give_back,
            claimed,
            DeliveryEvent.LEASE_EXPIRED,
            DeliveryEvent.ATTEMPTS_SPENT,
            at=self._relay.clock.now(),
            action="park",
            reason=reason,
        )

    async def _give_back(self, claimed: Claimed, reason: str) -> None:
        await self._write(
            claims.give_back,
            claimed,
            DeliveryEvent.LEASE_EXPIRED,
            at=self._relay.clock.now(),
            action="give-back",
            reason=reason,
        )


class _Steady:
    """Notices that the clock was set: it has gone further, or less far, than the time that has passed.

    A lease that seems to have ended may then be one whose copy is on the wire. So nothing is claimed, and no
    lease taken back, until every lease of before has truly ended.
    """

    def __init__(self, elapsed: Callable[[], float], pace: Pace) -> None:
        self._elapsed = elapsed
        self._most = pace.margin.total_seconds()
        self._ahead: float | None = None

    def has_jumped(self, now: datetime) -> bool:
        """Return True once for each jump of more than the margin before the end of a lease."""
        ahead = now.timestamp() - self._elapsed()
        jump = 0.0 if self._ahead is None else ahead - self._ahead
        if self._ahead is None or abs(jump) > self._most:
            self._ahead = ahead
        if abs(jump) <= self._most:
            return False
        log.warning("delivery: the clock was set by %d s; nothing is claimed for a lease", round(jump))
        return True


def _bundle(claimed: Claimed) -> dict[str, Any] | None:
    """Read the message's content; None for a delivery report."""
    if claimed.content is None:
        return None
    bundle = fhir_json.read(claimed.content)
    if not isinstance(bundle, dict):
        raise StoreError("ST107", params={"owner": claimed.message, "part": "content"})
    return bundle


def _alarm(paused: Paused | None) -> None:
    """Say once that a way to a partner is closed; the partner's key is an organisation, not a person."""
    if paused is not None and paused.alarm:
        log.warning("delivery: route to %s rests: %s", paused.partner, paused.reason)
