"""What a stub got: each message, what is wrong with it, how it was answered, and the repeats of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from adapter.conformance.actors import judge, reply
from adapter.conformance.actors.script import Act
from adapter.outcome import Issue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from adapter.conformance.actors.reply import Party, Reply
    from adapter.conformance.actors.script import Script


@dataclass(slots=True, kw_only=True)
class Received:
    """One arrival at a stub."""

    number: int
    """Counts from 1."""
    at: datetime
    media_type: str
    bundle: dict[str, Any] | None
    """None where it could not be read."""
    issues: list[Issue]
    answered: str
    """What the stub did: an act of the script, `refused`, `unreadable`, or `stored answer` for a repeat."""
    status: int
    """HTTP status of the reply."""
    repeat_of: int | None = None
    """Number of the first arrival with the same MessageHeader.id."""
    same_bytes: bool | None = None
    """For a repeat: True if it is byte for byte the first one."""
    acknowledged: str | None = None
    """When and how a later acknowledgement went; None where none was sent."""

    def summary(self) -> dict[str, Any]:
        """Say it as JSON, without the content."""
        bundle = self.bundle or {}
        header = judge.header_of(bundle)
        return {
            "number": self.number,
            "at": self.at.isoformat(timespec="milliseconds"),
            "event": judge.event_of(bundle),
            "bundle": bundle.get("id"),
            "header": header.get("id"),
            "response": header.get("response"),
            "sender": judge.sender_of(bundle),
            "receiver": judge.receiver_of(bundle),
            "level": judge.level_of(bundle),
            "resources": [str(resource.get("resourceType")) for _, resource in judge.resources(bundle)],
            "issues": [
                {"code": issue.code, "severity": issue.severity, "at": issue.at, "text": issue.text()}
                for issue in self.issues
            ],
            "answered": self.answered,
            "status": self.status,
            "repeat_of": self.repeat_of,
            "same_bytes": self.same_bytes,
            "acknowledged": self.acknowledged,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """The first arrival of a MessageHeader.id, and what it was answered."""

    number: int
    digest: str
    act: Act
    reply: Reply


@dataclass(slots=True, kw_only=True)
class Inbox:
    """Takes messages in, answers by the script, and answers a repeat as it answered the first."""

    party: Party
    script: Script
    checker: judge.Checker | None
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    replies: bool = True
    """False if acknowledgements come later or never: the HTTP reply is then an empty 202."""
    items: list[Received] = field(default_factory=list)
    _kept: dict[str, _Kept] = field(default_factory=dict)

    def take(
        self, body: bytes, media_type: str, bundle: dict[str, Any]
    ) -> tuple[Received, Act | None, Reply]:
        """Take one message; return its record, what to do, and the reply.

        The act is None where nothing more than the reply is to be done: repeats and refusals.
        """
        issues = judge.judge(bundle, self.checker)
        header_id = str(judge.header_of(bundle).get("id") or "")
        digest = hashlib.sha256(body).hexdigest()
        known = self._kept.get(header_id)
        if known is not None:
            return self._repeat(known, digest, media_type, bundle, issues)
        if judge.must_refuse(issues):
            answer = self._response(bundle, "fatal-error", issues)
            answer = answer if judge.header_of(bundle) else reply.refusal(422, issues)
            return self._note(media_type, bundle, issues, "refused", answer), None, answer
        act = self.script.next(event=judge.event_of(bundle), receiver=judge.receiver_of(bundle))
        answer = self._answer(act, bundle, issues)
        record = self._note(media_type, bundle, issues, act.value, answer)
        self._keep(header_id, record.number, digest, act, answer, bundle, issues)
        return record, act, answer

    def refuse(self, media_type: str, issues: list[Issue], status: int) -> tuple[Received, Reply]:
        """Note an arrival that could not be read; return its record and the reply."""
        answer = reply.refusal(status, issues)
        return self._note(media_type, None, issues, "unreadable", answer), answer

    def acknowledgement(
        self, bundle: Mapping[str, Any], act: Act, issues: list[Issue]
    ) -> dict[str, Any] | None:
        """Return the response message that `act` asks for, None where it asks for none or none is due."""
        if judge.is_answer(bundle):
            return None
        code = reply.RESPONSE_CODES.get(Act.OK if act is Act.LOST_ANSWER else act)
        return self._response(bundle, code, issues).resource if code else None

    def find(self, number: int) -> Received | None:
        """Return an arrival by its number, None if there is none."""
        return next((item for item in self.items if item.number == number), None)

    def clear(self) -> None:
        """Forget every arrival."""
        self.items.clear()
        self._kept.clear()

    def _keep(
        self,
        header_id: str,
        number: int,
        digest: str,
        act: Act,
        answer: Reply,
        bundle: dict[str, Any],
        issues: list[Issue],
    ) -> None:
        """Remember what was taken for good; an error that asks for a repeat is not."""
        if not header_id or act not in (Act.OK, Act.FATAL_ERROR, Act.LOST_ANSWER):
            return
        stored = self._answer(Act.OK, bundle, issues) if act is Act.LOST_ANSWER else answer
        self._kept[header_id] = _Kept(number=number, digest=digest, act=act, reply=stored)

    def _repeat(
        self, known: _Kept, digest: str, media_type: str, bundle: dict[str, Any], issues: list[Issue]
    ) -> tuple[Received, None, Reply]:
        same = digest == known.digest
        found = issues if same else [*issues, Issue("KT108", "Bundle.entry[0].resource.id")]
        record = self._note(media_type, bundle, found, "stored answer", known.reply)
        record.repeat_of, record.same_bytes = known.number, same
        return record, None, known.reply

    def _answer(self, act: Act, bundle: Mapping[str, Any], issues: list[Issue]) -> Reply:
        if act in reply.STATUSES:
            return reply.failure(act)
        if judge.is_answer(bundle):
            return reply.Reply(status=202)
        code = reply.RESPONSE_CODES.get(act)
        if code is None:
            return reply.Reply(status=200)
        return self._response(bundle, code, issues) if self.replies else reply.Reply(status=202)

    def _response(self, bundle: Mapping[str, Any], code: str, issues: list[Issue]) -> Reply:
        ids = (self.new_id(), self.new_id(), self.new_id())
        message = reply.response(bundle, code, party=self.party, ids=ids, now=self.now(), issues=issues)
        return reply.Reply(status=200, resource=message)

    def _note(
        self,
        media_type: str,
        bundle: dict[str, Any] | None,
        issues: list[Issue],
        answered: str,
        answer: Reply,
    ) -> Received:
        record = Received(
            number=self.items[-1].number + 1 if self.items else 1,
            at=self.now(),
            media_type=media_type,
            bundle=bundle,
            issues=issues,
            answered=answered,
            status=answer.status,
        )
        self.items.append(record)
        return record
