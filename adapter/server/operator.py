"""`/operator/*`: what a person may see of the relay and do to it. Every act carries a reason and is audited.

Nothing here shows content but `reveal` and `render`, and they write their audit row before they read.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from adapter.errors import Malformed, NotFound
from adapter.relay import consent_filing, consent_record, intake, rendering
from adapter.relay.case import CaseState
from adapter.relay.event import CLIENT_PLAN
from adapter.relay.message import AuditRecord, DeliveryState, MessageState
from adapter.relay.routing import Evidence
from adapter.server.access import Right
from adapter.server.desk import LONGEST_PAGE, answer, limit_of, read_object, read_words, reason_of
from adapter.server.route import Operators, Route, operator_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

    from starlette.requests import Request

    from adapter.relay.store.values import ConsentVersion, DeliveryRow, MessageRow
    from adapter.server.doors import Doors

PARTS = ("original", "content", "lineage")
"""What of a message can be revealed; a copy is `copy/<delivery id>`, what clashed `conflict/<its id>`."""


def routes(doors: Doors) -> list[Route]:
    """Return every operator address, and the right each takes."""
    desk = _Desk(doors)
    look, act, route = Operators(Right.LOOK), Operators(Right.ACT), Operators(Right.ROUTE)
    consent, reveal = Operators(Right.CONSENT), Operators(Right.REVEAL)
    return [
        Route("GET", "/operator/status", desk.status, look),
        Route("GET", "/operator/messages", desk.messages, look),
        Route("GET", "/operator/messages/{id}", desk.message, look),
        Route("GET", "/operator/messages/{id}/timeline", desk.timeline, look),
        Route("POST", "/operator/messages/{id}/reveal", desk.reveal, reveal),
        Route("POST", "/operator/messages/{id}/render", desk.render, reveal),
        Route("POST", "/operator/deliveries/{id}/resend", desk.resend, act),
        Route("POST", "/operator/deliveries/{id}/close", desk.close, act),
        Route("POST", "/operator/deliveries/{id}/recall", desk.recall, route),
        Route("POST", "/operator/partners/resume", desk.resume, act),
        Route("GET", "/operator/consents", desk.consents, consent),
        Route("POST", "/operator/consents", desk.file_consent, consent),
        Route("POST", "/operator/consents/{id}/withdraw", desk.withdraw_consent, consent),
        Route("GET", "/operator/queue", desk.queue, look),
        Route("POST", "/operator/queue/{id}/assign", desk.assign, route),
        Route("POST", "/operator/queue/{id}/decline", desk.decline, route),
        Route("POST", "/operator/queue/{id}/release", desk.release, route),
        Route("GET", "/operator/cases", desk.cases, look),
        Route("POST", "/operator/cases/{id}/close", desk.close_case, route),
    ]


def _assigned(asked: dict[str, Any]) -> dict[str, str]:
    """Return the recipients with what proves each. Raises Malformed (IN113), NotPermitted (AC105)."""
    several = asked.get("recipients")
    if several is None:
        recipient = asked.get("recipient", "")
        if not isinstance(recipient, str):
            raise Malformed("IN113")
        return {recipient: reason_of(asked)}
    if not isinstance(several, dict) or not several:
        raise Malformed("IN113")
    return {key: reason_of({"reason": evidence}) for key, evidence in several.items()}


class _Desk:
    """The operator's desk of one deployment: each method is one endpoint."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors
        self._relay = doors.relay
        self._store = doors.relay.store

    async def status(self, request: Request) -> Response:
        """Counts by state, and how each partner does."""
        counts = await self._doors.work(self._store.counts)
        parties = await self._doors.work(self._store.parties)
        return answer(
            {
                "mode": self._relay.mode.value,
                "shadow": self._relay.is_shadow,
                **counts,
                "partners": [asdict(one) for one in parties],
            }
        )

    async def messages(self, request: Request) -> Response:
        """List messages, the newest first, each with its deliveries."""
        query = request.query_params
        rows = await self._doors.work(
            self._store.messages,
            state=_state(query.get("state")),
            before=query.get("before"),
            limit=limit_of(query.get("limit")),
        )
        return answer({"items": [await self._with_deliveries(row) for row in rows]})

    async def message(self, request: Request) -> Response:
        """Show one message: its findings, its deliveries, every attempt."""
        row = await self._doors.work(self._store.message, request.path_params["id"])
        said = await self._with_deliveries(row)
        for delivery in said["deliveries"]:
            attempts = await self._doors.work(self._store.attempts, delivery["id"])
            delivery["attempts_made"] = [asdict(attempt) for attempt in attempts]
            if self._relay.is_shadow:
                delivery["would"] = await self._doors.work(self._store.rehearsal, delivery["id"])
        return answer(said)

    async def timeline(self, request: Request) -> Response:
        """Show every moment in the life of a message."""
        row = await self._doors.work(self._store.message, request.path_params["id"])
        moments = await self._doors.work(self._store.timeline, row.id)
        return answer({"message": row.id, "items": [asdict(moment) for moment in moments]})

    async def reveal(self, request: Request) -> Response:
        """Show content, after the audit row that says who saw it and why."""
        operator = operator_of(request)
        asked = await read_words(request)
        reason, part = reason_of(asked), asked.get("part", "content")
        row = await self._doors.work(self._store.message, request.path_params["id"])
        media_type, read = await self._doors.work(self._stored_part, row, part)
        await self._doors.work(self._store.audit, [self._revealed(operator, row.id, part, reason)])
        body = await self._doors.work(read)
        if body is None:
            raise NotFound("IN116")
        return Response(body, media_type=media_type)

    async def render(self, request: Request) -> Response:
        """Show the copy that one recipient gets, after the audit row that says who saw it and why."""
        operator = operator_of(request)
        asked = await read_words(request)
        reason, shown, recipient = reason_of(asked), asked.get("as", "fhir"), asked.get("recipient", "")
        if shown not in rendering.SHOWN:
            raise Malformed("IN113")
        row = await self._doors.work(self._store.message, request.path_params["id"])
        delivery = await self._doors.work(rendering.delivery_to, row.id, recipient, self._relay)
        part = f"copy/{delivery} as {shown}"
        await self._doors.work(self._store.audit, [self._revealed(operator, row.id, part, reason)])
        body, media_type = await self._doors.work(
            rendering.rendered, delivery, rendering.SHOWN[shown], self._relay, self._relay.clock.now()
        )
        return Response(body, media_type=media_type)

    def _stored_part(self, row: MessageRow, part: str) -> tuple[str, Callable[[], bytes | None]]:
        """Return the media type of a part of a message, and how it is read.

        Raises NotFound (IN116) if a message has no such part.
        """
        if part in PARTS or part.startswith("copy/"):
            media_type = row.media_type if part == "original" else "application/json"
            return media_type, partial(self._store.content, row.id, part)
        for conflict in self._store.conflicts(row.id):
            if part == f"conflict/{conflict.id}":
                return conflict.media_type, partial(self._store.conflict_content, conflict.id)
        raise NotFound("IN116")

    async def resend(self, request: Request) -> Response:
        """Queue a parked or refused delivery again."""
        operator, reason = await self._act(request)
        delivery = request.path_params["id"]
        await self._doors.work(self._store.resend, delivery, actor=operator, reason=reason)
        return await self._delivery(delivery)

    async def close(self, request: Request) -> Response:
        """Close a parked or refused delivery for good."""
        operator, reason = await self._act(request)
        delivery = request.path_params["id"]
        await self._doors.work(self._store.close_delivery, delivery, actor=operator, reason=reason)
        return await self._delivery(delivery)

    async def recall(self, request: Request) -> Response:
        """Take a copy back from the wrong recipient: incident, cancellation, and a word to the sender."""
        operator, reason = await self._act(request)
        found = await self._doors.work(
            intake.recall, request.path_params["id"], self._relay, actor=operator, reason=reason
        )
        return answer(asdict(found))

    async def consents(self, request: Request) -> Response:
        """List the consents in force, or those of a message's patient: what decides, and no name."""
        message = request.query_params.get("message")
        found = await self._doors.work(self._consents_of, message)
        return answer({"items": [_consent(each, self._relay.zone) for each in found]})

    def _consents_of(self, message: str | None) -> list[ConsentVersion]:
        if message is None:
            return self._store.consents()
        subject = self._store.message(message).subject
        return self._store.consents_for(subject) if subject is not None else []

    async def file_consent(self, request: Request) -> Response:
        """File a consent for an organisation, as a person who took it down has it."""
        operator = operator_of(request)
        asked = await read_object(request)
        resource, filer = asked.get("resource"), asked.get("organisation")
        if not isinstance(resource, dict) or not isinstance(filer, str):
            raise Malformed("IN113")
        filed = await self._doors.work(
            consent_filing.create, resource, self._relay, filer, actor=operator, reason=reason_of(asked)
        )
        return answer(_consent(filed.consent, self._relay.zone))

    async def withdraw_consent(self, request: Request) -> Response:
        """Withdraw a consent for the patient: nothing that was not sent yet goes on its ground."""
        operator, reason = await self._act(request)
        found = await self._doors.work(
            consent_filing.withdraw, request.path_params["id"], self._relay, actor=operator, reason=reason
        )
        return answer(_consent(found, self._relay.zone))

    async def queue(self, request: Request) -> Response:
        """List the messages that wait for a person: to name a recipient, or to look at a copy."""
        rows = await self._doors.work(self._waiting)
        return answer({"items": [await self._with_deliveries(row) for row in rows]})

    def _waiting(self) -> list[MessageRow]:
        unrouted = self._store.messages(state=MessageState.NEEDS_ROUTING.value, limit=LONGEST_PAGE)
        withheld = self._store.find_deliveries(state=DeliveryState.WITHHELD.value, limit=LONGEST_PAGE)
        # Reasons of ours, not of the patient or the law: these a person can lift.
        to_look_at = dict.fromkeys(each.message for each in withheld if (each.reason or "").startswith("PN"))
        return [*unrouted, *(self._store.message(id) for id in to_look_at)]

    async def assign(self, request: Request) -> Response:
        """Give an unrouted message its recipients; consent and agreement are asked as for any other.

        `{"recipient": KEY, "reason": TEXT}` for one, `{"recipients": {KEY: TEXT, ...}}` for several: all of
        them or none.
        """
        operator = operator_of(request)
        message = request.path_params["id"]
        asked = _assigned(await read_object(request))
        fates = await self._doors.work(intake.assign_all, message, asked, self._relay, actor=operator)
        told = [asdict(each) for each in fates]
        return answer({"message": message, "fate": told[0], "fates": told})

    async def decline(self, request: Request) -> Response:
        """Close an unrouted message: nobody is to get it."""
        operator, reason = await self._act(request)
        message = request.path_params["id"]
        await self._doors.work(self._store.decline, message, actor=operator, reason=reason)
        return answer(await self._with_deliveries(await self._doors.work(self._store.message, message)))

    async def release(self, request: Request) -> Response:
        """Let a withheld copy go that waited for a person; whatever else forbids it still does."""
        operator, reason = await self._act(request)
        fate = await self._doors.work(
            intake.release, request.path_params["id"], self._relay, actor=operator, reason=reason
        )
        return answer({"delivery": request.path_params["id"], "fate": asdict(fate)})

    async def resume(self, request: Request) -> Response:
        """Try a resting route now: somebody has mended what was wrong with it."""
        asked = await read_words(request)
        partner, reason = asked.get("partner", ""), reason_of(asked)
        await self._doors.work(self._store.resume, partner, actor=operator_of(request), reason=reason)
        return answer({"partner": partner, "route": "open"})

    async def cases(self, request: Request) -> Response:
        """List cases, the oldest first: all, those of a state, or those nobody answered in time."""
        query = request.query_params
        rows = await self._doors.work(
            self._store.cases,
            message=query.get("message"),
            state=_case_state(query.get("state")),
            is_overdue=True if query.get("overdue") == "true" else None,
        )
        return answer({"items": [asdict(row) for row in rows[: limit_of(query.get("limit"))]]})

    async def close_case(self, request: Request) -> Response:
        """Call the matter of a case ended, for a reason that nobody writes a message about."""
        operator, reason = await self._act(request)
        case = request.path_params["id"]
        await self._doors.work(self._store.close_case, case, actor=operator, reason=reason)
        return answer({"case": case, "state": CaseState.CLOSED.value})

    async def _act(self, request: Request) -> tuple[str, str]:
        """Return who acts and why."""
        operator = operator_of(request)
        return operator, reason_of(await read_words(request))

    async def _delivery(self, delivery: str) -> Response:
        return answer(asdict(await self._doors.work(self._store.delivery, delivery)))

    async def _with_deliveries(self, row: MessageRow) -> dict[str, Any]:
        deliveries = await self._doors.work(self._store.deliveries, row.id)
        conflicts = await self._doors.work(self._store.conflicts, row.id)
        cases = await self._doors.work(self._store.cases, message=row.id)
        said = asdict(row) | {
            "deliveries": [asdict(delivery) | _found(delivery) for delivery in deliveries],
            "conflicts": [asdict(conflict) for conflict in conflicts],
            "cases": [asdict(case) for case in cases],
        }
        if row.event == CLIENT_PLAN and row.notification is not None:
            said["versions"] = await self._doors.work(self._versions, row.notification, row.subject)
        # The keyed hash tells whether two messages are about one person: no business of a list.
        said.pop("subject")
        return said

    def _versions(self, plan: str, subject: str | None) -> list[dict[str, Any]]:
        """Every version of a plan, oldest first, with those that were kept beside it and not taken."""
        return [
            {
                "message": each.id,
                "sender": each.sender,
                "version": each.extra.get("version"),
                "base": each.extra.get("base"),
                "meaning": each.meaning,
                "state": each.state,
                "received_at": each.received_at,
                "beside": [asdict(conflict) for conflict in self._store.conflicts(each.id)],
            }
            for each in self._store.plan_versions(plan, subject)
        ]

    def _revealed(self, operator: str, message: str, part: str, reason: str) -> AuditRecord:
        return AuditRecord(
            at=self._relay.clock.now(),
            actor=operator,
            action="reveal",
            object=f"message/{message}",
            outcome="revealed",
            reason=reason,
            detail=(("part", part),),
        )


def _consent(version: ConsentVersion, zone: ZoneInfo) -> dict[str, Any]:
    """Say of a consent what is decided by; whose it is stands in its content."""
    record = consent_record.read(version.resource, version.version, zone)
    provision = record.provision
    return {
        "id": version.id,
        "version": version.version,
        "status": record.status,
        "type": provision.type.value,
        "basis": record.basis.value if record.basis else None,
        "from": provision.start,
        "until": provision.end,
        "recipients": sorted(provision.recipients) if provision.recipients is not None else None,
        "filer": version.filer,
        "received_at": version.received_at,
    }


def _found(delivery: DeliveryRow) -> dict[str, Any]:
    """How sure it is that the recipient has the patient in its care, by the rung it was found on."""
    evidence = Evidence.read(delivery.evidence)
    return {"confidence": evidence.confidence.value if evidence else None}


def _case_state(given: str | None) -> str | None:
    if given is not None and given not in list(CaseState):
        raise Malformed("IN113")
    return given


def _state(given: str | None) -> str | None:
    if given is not None and given not in list(MessageState):
        raise Malformed("IN113")
    return given
