"""`/operator/audit`: what was done, whether the trail is whole, and who got to know what of whom.

The questions about a person or a recipient are audited before they are answered. A person's identifier comes
in the body of a request, never in an address.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from adapter.errors import Malformed
from adapter.fhir import json as fhir_json
from adapter.relay import audit_event, decision
from adapter.relay.audit import Head
from adapter.relay.message import AuditRecord
from adapter.server.access import Right
from adapter.server.desk import answer, limit_of, moment_of, number_of, read_object, read_words, reason_of
from adapter.server.route import Operators, Route, operator_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from adapter.server.doors import Doors


def routes(doors: Doors) -> list[Route]:
    """Return every address of the auditor."""
    desk, audit = _Auditor(doors), Operators(Right.AUDIT)
    return [
        Route("GET", "/operator/audit", desk.show, audit),
        Route("GET", "/operator/audit/head", desk.head, audit),
        Route("POST", "/operator/audit/verify", desk.verify, audit),
        Route("POST", "/operator/audit/disclosures", desk.disclosures, audit),
    ]


class _Auditor:
    """The auditor's desk of one deployment: each method is one endpoint."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors
        self._relay = doors.relay
        self._store = doors.relay.store

    async def show(self, request: Request) -> Response:
        """List rows of the trail in order, all or those about one thing (`message/ID`, `consent/ID`)."""
        query = request.query_params
        rows = await self._doors.work(
            self._store.audit_rows,
            object=query.get("object"),
            after=number_of(query.get("after", "0")),
            limit=limit_of(query.get("limit")),
        )
        return answer({"items": [asdict(row) for row in rows]})

    async def head(self, request: Request) -> Response:
        """Return the newest row's number and hash: kept elsewhere, they prove that no tail was cut off."""
        return answer(asdict(await self._doors.work(self._store.audit_head)))

    async def verify(self, request: Request) -> Response:
        """Walk the whole trail: its length, and the first row that does not fit, if there is one."""
        head = _head(await read_object(request))
        bad = await self._doors.work(self._store.verify_audit, head)
        newest = await self._doors.work(self._store.audit_head)
        return answer({"rows": newest.sequence, "bad": asdict(bad) if bad is not None else None})

    async def disclosures(self, request: Request) -> Response:
        """Say what left: of one person to whom and on what ground, or to one recipient since a time."""
        operator = operator_of(request)
        asked = await read_words(request)
        reason, shown = reason_of(asked), asked.get("as", "list")
        if shown not in ("list", "fhir"):
            raise Malformed("IN113")
        patient, recipient = _patient(asked.get("patient")), asked.get("recipient")
        subject = self._store.subject_key(*patient) if patient is not None else None
        if subject is None and recipient is None:
            raise Malformed("IN113")
        since = moment_of(asked.get("since"))
        await self._doors.work(self._store.audit, [self._asked(operator, subject, recipient, reason)])
        wanted: dict[str, Any] = {"subject": subject, "recipient": recipient, "since": since}
        if shown == "fhir":
            return await self._doors.work(self._as_fhir, patient, wanted)
        found = await self._doors.work(self._store.disclosures, **wanted)
        return answer({"items": [asdict(each) for each in found]})

    def _as_fhir(self, patient: tuple[str, str] | None, wanted: dict[str, Any]) -> Response:
        """Return what came, left, was denied and acknowledged, and who looked at it, as AuditEvents."""
        relay = self._relay
        parties = decision.ground_of(relay).directory.parties
        bundle = audit_event.bundle_of(
            self._store.disclosed(**wanted),
            self._store.acts(**wanted),
            self._store.looks(wanted["subject"]) if wanted["subject"] is not None else (),
            patient=patient,
            address=relay.address,
            name=relay.name,
            names={key: party.name for key, party in parties.items() if party.name},
            mode=relay.mode,
            at=relay.clock.now(),
        )
        return Response(fhir_json.write(bundle), media_type="application/fhir+json")

    def _asked(self, operator: str, subject: str | None, recipient: str | None, reason: str) -> AuditRecord:
        about = f"subject/{subject}" if subject is not None else f"organisation/{recipient}"
        return AuditRecord(
            at=self._relay.clock.now(),
            actor=operator,
            action="ask-disclosures",
            object=about,
            outcome="answered",
            reason=reason,
            detail=(("recipient", recipient),) if recipient is not None else (),
        )


def _head(asked: dict[str, Any]) -> Head | None:
    """Return the head that was kept elsewhere, None without one. Raises Malformed (IN113) for half of one."""
    if not asked:
        return None
    node, sequence, hash_ = asked.get("node"), asked.get("sequence"), asked.get("hash")
    if not isinstance(node, str) or not isinstance(sequence, int) or not isinstance(hash_, str):
        raise Malformed("IN113")
    return Head(node=node, sequence=sequence, hash=hash_)


def _patient(identifier: str | None) -> tuple[str, str] | None:
    """Return system and value of `system|value`. Raises Malformed (IN113) for another form."""
    if identifier is None:
        return None
    system, bar, value = identifier.rpartition("|")
    if not bar or not value:
        raise Malformed("IN113")
    return system, value
