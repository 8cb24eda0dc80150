"""One submission on its way through intake: what was found out about it, and what one transaction commits."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from adapter import fhir
from adapter.outcome import Issue
from adapter.relay import answer, decision, duplicates, event
from adapter.relay.answer import Reply
from adapter.relay.intake.consents import NOTHING
from adapter.relay.intake.sameness import keys
from adapter.relay.message import PROTECTED, AuditRecord, Intake, MessageState

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from adapter.relay.answer import Style
    from adapter.relay.case import CaseStep
    from adapter.relay.deployment import Relay
    from adapter.relay.duplicates import Cases
    from adapter.relay.intake.consents import Brought
    from adapter.relay.intake.reader import Content
    from adapter.relay.message import Answer, Behind, Fate, Meaning, NewDelivery, PlanHead, Submission
    from adapter.relay.notification import Notification
    from adapter.relay.source import Source

SILTA = "silta"
"""Actor of what the relay does by itself."""

REMEMBERED = frozenset(MessageState) - {MessageState.UNREADABLE, MessageState.INVALID}
"""Of these a mended repeat is a repeat; anything else may be tried again under the same ids."""


RELAYED = (MessageState.ACCEPTED, MessageState.NEEDS_ROUTING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What becomes of a submission, and why."""

    state: MessageState
    status: int = 200
    issues: tuple[Issue, ...] = ()
    content: Content | None = None
    lineage: list[dict[str, Any]] | None = None
    """Made where something is wrong, to name the sender's own fields."""
    meaning: Meaning | None = None
    fates: tuple[Fate, ...] = ()
    deliveries: tuple[NewDelivery, ...] = ()
    audit: tuple[AuditRecord, ...] = ()
    cancels: str | None = None
    step: CaseStep | None = None
    """What a business reply does to its case."""
    behind: Behind | None = None
    """The version of the plan that its author had not seen: it is kept beside that one."""
    extra: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LookedUp:
    """The newest message about the same notification at the time of asking."""

    newest: str | None
    """None if there was none."""


@dataclass(slots=True)
class Work:
    """One submission on its way: what every step needs, and the ids it is given."""

    submission: Submission
    relay: Relay
    source: Source
    style: Style
    message: str = ""
    looked_up: LookedUp | None = None
    """Which message about the same notification the decision knew of; None if it did not ask."""

    head: PlanHead | None = None
    """The newest version of a plan that the decision knew of; None if it did not ask."""

    brought: Brought = NOTHING
    """What the message says of its patient's consents."""

    def __post_init__(self) -> None:
        self.message = self.relay.ids.new()

    @property
    def at(self) -> datetime:
        """When the door took it in."""
        return self.submission.received_at

    def record(self, action: str, outcome: str, reason: str | None = None, **detail: str) -> AuditRecord:
        """Write an act of the relay into the audit."""
        return AuditRecord(
            at=self.at,
            actor=self.submission.sender if action == "accept" else SILTA,
            action=action,
            object=f"message/{self.message}",
            outcome=outcome,
            reason=reason,
            detail=tuple(detail.items()),
        )

    @property
    def _cases(self) -> Cases:
        """What the ids of a message mean, as agreed with its sender."""
        partner = self.relay.partners.get(self.submission.sender)
        return partner.reliability.cases if partner is not None else duplicates.R4

    def answer(self, judged: Judged) -> Answer:
        """Render what the sender is told."""
        facts = judged.content.facts if judged.content else None
        issues = (*judged.issues, *self.brought.issues(is_valid=judged.status == 200))
        reply = Reply(
            status=judged.status,
            issues=(*issues, Issue("DL154")) if self.relay.is_shadow else issues,
            fates=judged.fates,
            message=None if judged.status == 409 else self.message,
            header_id=facts.header_id if facts else None,
            answer_id=self.relay.ids.new(),
            at=self.at,
            address=self.relay.address,
            name=self.relay.name,
            mode=self.relay.mode,
            original=self.submission.body,
        )
        return answer.render(reply, self.style)

    def intake(self, judged: Judged) -> Intake:
        """Put together what one transaction commits."""
        content, facts = judged.content, judged.content.facts if judged.content else None
        # What was never ours takes no id from a later message: feeds of several systems share their ids.
        is_known_again = judged.state in REMEMBERED and judged.meaning not in event.NOT_RELAYED_BECAUSE
        generation = judged.extra.get("generation", "")
        digest = content.digest if content else hashlib.sha256(self.submission.body).hexdigest()
        if self.brought.digest:
            digest = hashlib.sha256(f"{digest} {self.brought.digest}".encode()).hexdigest()
        mapped = _mapped(content)
        return Intake(
            message=self.message,
            sender=self.submission.sender,
            source=self.submission.source,
            mode=self.relay.mode,
            state=judged.state,
            meaning=judged.meaning,
            event=facts.rule_event if facts else None,
            notification=facts.identifier if facts else None,
            keys=tuple(keys(facts, judged.meaning, generation, digest)) if facts and is_known_again else (),
            cases=self._cases,
            digest=digest,
            subject=decision.subject_of(facts, self.relay) if facts else None,
            family=decision.family_of(facts, self.relay) if facts and judged.state in RELAYED else None,
            received_at=self.at,
            original=self.submission.body,
            media_type=self.submission.media_type,
            content=fhir.encode(dict(content.bundle), answer.FHIR_JSON) if content else None,
            lineage=_written(judged.lineage),
            issues=judged.issues,
            deliveries=judged.deliveries,
            cancels=judged.cancels,
            answer=self.answer(judged),
            audit=(
                self.record(
                    "accept", judged.state.value, first_code(judged.issues), source=self.source.name, **mapped
                ),
                *judged.audit,
            ),
            happened_at=facts.happened_at if facts else None,
            extra={**judged.extra, **_version(facts), **_protected(facts), **mapped},
            consents=self.brought.filings(is_valid=judged.status == 200),
        )


def _mapped(content: Content | None) -> dict[str, str]:
    """Name the map and its version, where a map made the message."""
    if content is None or content.map is None:
        return {}
    return {"map": content.map.name, "map_version": content.map.version}


def _version(facts: Notification | None) -> dict[str, str]:
    """Name the version of a plan and the one it is based on, for the people who have to put them in order."""
    named = {"version": facts.version, "base": facts.base} if facts else {}
    return {name: value for name, value in named.items() if value}


def _protected(facts: Notification | None) -> dict[str, str]:
    """Say that the person's address is protected: what waits about them goes without it from now on."""
    return {PROTECTED: "true"} if facts is not None and facts.has_turvakielto else {}


def _written(lineage: list[dict[str, Any]] | None) -> bytes | None:
    return json.dumps(lineage, ensure_ascii=False).encode() if lineage is not None else None


def first_code(issues: Iterable[Issue]) -> str | None:
    """Return the code of the first error, else of the first finding."""
    ordered = sorted(issues, key=lambda issue: not issue.is_error)
    return ordered[0].code if ordered else None
