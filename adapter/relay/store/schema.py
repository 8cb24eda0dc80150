"""The tables, once for every engine.

Times are RFC 3339 text in UTC with microseconds: they sort as text in any engine and enter the audit hash as
they stand. States are checked by the database against the same tables as `message.advance`. The migrations
in `migrations/versions` make these tables; a test holds both together.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.types import TypeDecorator

from adapter.relay.audit import moment
from adapter.relay.case import CaseState
from adapter.relay.message import DeliveryState, Kind, Level, Meaning, MessageState, Mode
from adapter.relay.replay import ItemState, ReplayState

if TYPE_CHECKING:
    from collections.abc import Iterable
    from enum import StrEnum

    from sqlalchemy.engine import Dialect


def write_moment(value: datetime | None) -> str | None:
    """Write a time, if there is one, as the database keeps it."""
    return None if value is None else moment(value)


def read_moment(value: str) -> datetime:
    """Read a time as the database keeps it."""
    return datetime.fromisoformat(value).astimezone(UTC)


class Moment(TypeDecorator[datetime]):
    """A time, aware, as sortable text in UTC."""

    impl = String(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        """Write it."""
        return write_moment(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        """Read it."""
        return None if value is None else read_moment(value)


def allowed(column: str, values: Iterable[StrEnum]) -> str:
    """Return the SQL condition that `column` holds one of `values`."""
    listed = ", ".join(f"'{value.value}'" for value in values)
    return f"{column} IN ({listed})"


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

node = Table(
    "node",
    metadata,
    Column("name", String, primary_key=True),
    Column("started_at", Moment, nullable=False),
    Column("version", String, nullable=False),
    Column("master", String, nullable=False),  # names the master key; never anything of it
    Column("process", String),  # which process it is: proof of its death to others on the same machine
)

party = Table(
    "party",
    metadata,
    Column("key", String, primary_key=True),
    Column("takes_reports", Boolean, nullable=False, server_default=false()),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("pauses", Integer, nullable=False, server_default="0"),
    Column("paused_until", Moment),
    Column("pause_reason", String),
    Column("successes", Integer, nullable=False, server_default="0"),
    Column("window_at", Moment),
    Column("window_tries", Integer, nullable=False, server_default="0"),
    Column("window_failures", Integer, nullable=False, server_default="0"),
)

UNMATCHED = "meaning = 'cancel' AND state = 'not-applicable' AND cancels IS NULL"
"""A message that takes back what had not come when it came."""

message = Table(
    "message",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("sender", String, nullable=False),
    Column("source", String, nullable=False),
    Column("mode", String, nullable=False),
    Column("state", String, nullable=False),
    Column("meaning", String),
    Column("event", String),
    Column("notification", String),
    Column("digest", String, nullable=False),  # keyed hash
    Column("subject", String),  # keyed hash
    Column("received_at", Moment, nullable=False),
    Column("happened_at", String),
    Column("changed_at", Moment, nullable=False),
    Column("media_type", String, nullable=False),
    Column("cancels", String),
    Column("superseded_by", String),
    Column("issues", Text, nullable=False),
    Column("extra", Text, nullable=False),
    Column("answer_status", Integer, nullable=False),
    Column("answer_type", String, nullable=False),
    Column("answer_body", LargeBinary, nullable=False),
    Column("forgotten_at", Moment),
    CheckConstraint(
        allowed("state", [s for s in MessageState if s is not MessageState.RECEIVED]), name="state"
    ),
    CheckConstraint(allowed("mode", Mode), name="mode"),
    CheckConstraint(f"meaning IS NULL OR {allowed('meaning', Meaning)}", name="meaning"),
    Index("ix_message_notification", "sender", "notification"),
    Index("ix_message_state", "state", "number"),
    Index("ix_message_subject", "subject"),
    Index(
        "ix_message_unmatched",
        "received_at",
        sqlite_where=text(UNMATCHED),
        postgresql_where=text(UNMATCHED),
    ),
    Index(
        "ix_message_kept",
        "changed_at",
        sqlite_where=text("forgotten_at IS NULL"),
        postgresql_where=text("forgotten_at IS NULL"),
    ),
)

content_key = Table(
    "content_key",
    metadata,
    Column("owner", String, primary_key=True),
    Column("wrapped", LargeBinary),  # NULL once forgotten
    Column("master", String, nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("destroyed_at", Moment),
)

payload = Table(
    "payload",
    metadata,
    Column("owner", ForeignKey("content_key.owner"), primary_key=True),
    Column("part", String, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
)

family_name = Table(
    "family_name",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("subject", String, nullable=False),
    Column("family", String, nullable=False),  # keyed hash
    Column("message", ForeignKey("message.id"), nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("is_another", Boolean, nullable=False),  # than the one before
    Index("ix_family_name_subject", "subject", "number"),
)

intake_key = Table(
    "intake_key",
    metadata,
    Column("sender", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("message", ForeignKey("message.id"), nullable=False),
    Column("digest", String, nullable=False),
)

conflicting_submission = Table(
    "conflicting_submission",
    metadata,
    Column("id", String, primary_key=True),
    Column("sender", String, nullable=False),
    Column("source", String, nullable=False),
    Column("message", ForeignKey("message.id"), nullable=False),
    Column("media_type", String, nullable=False),
    Column("digest", String, nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("version", String),
    Column("base", String),
    UniqueConstraint("message", "digest"),
)

lane = Table(
    "lane",
    metadata,
    Column("key", String, primary_key=True),
    Column("recipient", ForeignKey("party.key"), nullable=False),
    Column("waiting", Integer, nullable=False, server_default="0"),
    Column("ready_at", Moment, nullable=False),
    Column("lease_token", Integer, nullable=False, server_default="0"),
    Column("lease_owner", String),
    Column("lease_until", Moment),
    CheckConstraint("waiting >= 0", name="waiting"),
    Index(
        "ix_lane_ready",
        "recipient",
        "ready_at",
        sqlite_where=text("waiting > 0 AND lease_until IS NULL"),
        postgresql_where=text("waiting > 0 AND lease_until IS NULL"),
    ),
    Index(
        "ix_lane_leased",
        "lease_until",
        sqlite_where=text("lease_until IS NOT NULL"),
        postgresql_where=text("lease_until IS NOT NULL"),
    ),
)

# Conditions of partial indexes: a query uses the index only if it says the very same.
DUE = "state IN ('awaiting', 'withheld') AND due_at IS NOT NULL"
OPEN = "state IN ('queued', 'awaiting', 'withheld')"

delivery = Table(
    "delivery",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),  # order within a lane
    Column("id", String, nullable=False, unique=True),
    Column("message", ForeignKey("message.id"), nullable=False),
    Column("recipient", ForeignKey("party.key"), nullable=False),
    Column("lane", ForeignKey("lane.key"), nullable=False),
    Column("kind", String, nullable=False),
    Column("state", String, nullable=False),
    Column("level", String),
    Column("reason", String),
    Column("basis", String),
    Column("evidence", String),
    Column("bundle_id", String, nullable=False),
    Column("envelope_id", String),  # newest Bundle.id where a resend has one of its own
    Column("header_id", String, nullable=False, unique=True),
    Column("attempts", Integer, nullable=False, server_default="0"),  # that count
    Column("tries", Integer, nullable=False, server_default="0"),  # all of them
    Column("overdue", Integer, nullable=False, server_default="0"),
    Column(
        "reached", Integer, nullable=False, server_default="0"
    ),  # 0 no, 1 on the wire now, 2 perhaps or surely
    Column(
        "taken", Boolean, nullable=False, server_default=false()
    ),  # the frozen bytes were, by the recipient
    Column("released_by", String),  # the person who released a withheld copy
    Column("token", Integer),  # of the lease it was claimed under; NULL once that was given back
    Column("frozen_level", String),
    Column("frozen_type", String),  # NULL: not frozen
    Column("created_at", Moment, nullable=False),
    Column("queued_at", Moment, nullable=False),
    Column("due_at", Moment),
    Column("changed_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("sent_at", Moment),
    Column("acknowledged_at", Moment),
    Column("ends", Integer, nullable=False, server_default="0"),
    Column("about", ForeignKey("delivery.id")),
    Column("about_round", Integer),
    Column("about_state", String),
    Column("about_reason", String),
    Column("about_at", Moment),
    CheckConstraint(allowed("state", DeliveryState), name="state"),
    CheckConstraint(allowed("kind", Kind), name="kind"),
    CheckConstraint(f"level IS NULL OR {allowed('level', Level)}", name="level"),
    CheckConstraint("(kind = 'delivery-report') = (about IS NOT NULL)", name="about"),
    UniqueConstraint("about", "about_round"),
    Index(
        "ix_delivery_queue",
        "lane",
        "number",
        sqlite_where=text("state = 'queued'"),
        postgresql_where=text("state = 'queued'"),
    ),
    Index("ix_delivery_message", "message"),
    Index("ix_delivery_bundle_id", "bundle_id"),
    Index(
        "ix_delivery_envelope_id",
        "envelope_id",
        sqlite_where=text("envelope_id IS NOT NULL"),
        postgresql_where=text("envelope_id IS NOT NULL"),
    ),
    Index("ix_delivery_state", "state", "number"),
    Index("ix_delivery_due", "due_at", sqlite_where=text(DUE), postgresql_where=text(DUE)),
    Index("ix_delivery_expiry", "expires_at", sqlite_where=text(OPEN), postgresql_where=text(OPEN)),
)

attempt = Table(
    "attempt",
    metadata,
    Column("delivery", ForeignKey("delivery.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("node", String, nullable=False),
    Column("token", Integer, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("ended_at", Moment, nullable=False),
    Column("outcome", String, nullable=False),
    Column("status", Integer),
    Column("reason", String),
    Column("late", Boolean, nullable=False),
)

acknowledgement = Table(
    "acknowledgement",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("partner", String, nullable=False),
    Column("identifier", String, nullable=False),
    Column("code", String, nullable=False),
    Column("verdict", String, nullable=False),
    Column("delivery", ForeignKey("delivery.id")),
    Column("received_at", Moment, nullable=False),
    CheckConstraint("code IN ('ok', 'transient-error', 'fatal-error')", name="code"),
    CheckConstraint(
        "verdict IN ('first', 'repeat', 'late', 'contradicting', 'unknown')",
        name="verdict",
    ),
    Index("ix_acknowledgement_identifier", "identifier"),
    Index("ix_acknowledgement_delivery", "delivery"),
)

case = Table(
    "case",
    metadata,
    Column("id", ForeignKey("delivery.id"), primary_key=True),
    Column("message", ForeignKey("message.id"), nullable=False),
    Column("recipient", String, nullable=False),
    Column("state", String, nullable=False),
    Column("opened_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
    Column("due_at", Moment),
    Column("reply", String),
    Column("overdue_at", Moment),
    CheckConstraint(allowed("state", CaseState), name="state"),
    Index("ix_case_message", "message"),
    Index("ix_case_state", "state"),
)

replay = Table(
    "replay",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("state", String, nullable=False),
    Column("wanted", Text, nullable=False),
    Column("preview", Text, nullable=False),
    Column("reason", String, nullable=False),
    Column("per_minute", Integer, nullable=False),
    Column("prepared_by", String, nullable=False),
    Column("prepared_at", Moment, nullable=False),
    Column("lapses_at", Moment, nullable=False),
    Column("released_by", String),
    Column("released_at", Moment),
    Column("next_at", Moment),  # when the next copy may be queued
    Column("ended_by", String),
    Column("ended_at", Moment),
    CheckConstraint(allowed("state", ReplayState), name="state"),
    CheckConstraint("released_by <> prepared_by", name="four_eyes"),
    Index("ix_replay_state", "state"),
)

replay_item = Table(
    "replay_item",
    metadata,
    Column("replay", ForeignKey("replay.id"), primary_key=True),
    Column("number", Integer, primary_key=True),  # order
    Column("delivery", ForeignKey("delivery.id"), nullable=False),
    Column("state", String, nullable=False),
    Column("reason", String),
    Column("at", Moment),
    CheckConstraint(allowed("state", ItemState), name="state"),
)

consent = Table(
    "consent",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("subject", String, nullable=False),
    Column("owner", ForeignKey("content_key.owner")),  # NULL: this version ends the consent
    Column("digest", String, nullable=False),  # keyed hash
    Column("origin", String, nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("newest", Boolean, nullable=False),
    Column("ended", Boolean, nullable=False),
    CheckConstraint("origin IN ('folder', 'door')", name="origin"),
    UniqueConstraint("id", "version"),
    Index("ix_consent_subject", "subject", "number"),
)

consent_filer = Table(
    "consent_filer",
    metadata,
    Column("id", String, primary_key=True),  # of a consent that came by a door
    Column("filer", String, nullable=False),  # key of the organisation
)


def _versioned(name: str) -> Table:
    """Texts by name, every version kept; the newest counts."""
    return Table(
        name,
        metadata,
        Column("number", Integer, primary_key=True, autoincrement=True),
        Column("name", String, nullable=False),
        Column("version", Integer, nullable=False),
        Column("body", Text, nullable=False),
        Column("received_at", Moment, nullable=False),
        Column("newest", Boolean, nullable=False),
        Column("ended", Boolean, nullable=False),
        UniqueConstraint("name", "version"),
    )


directory = _versioned("directory")  # name: type/id
agreement = _versioned("agreement")

directory_feed = Table(
    "directory_feed",
    metadata,
    Column("address", String, primary_key=True),
    Column("claimed_until", Moment),  # a node asks the server until then
    Column("asked_at", Moment),
    Column("answered_at", Moment),  # NULL: it never did
    Column("whole_at", Moment),
    Column("stale_at", Moment),  # from then on nothing is routed by it
    Column("since", String),  # what is asked for next, by the server's clock
    Column("failures", Integer, nullable=False),  # in a row
    Column("code", String),  # of the last failure; NULL: there is none
)

audit = Table(
    "audit",
    metadata,
    Column("node", String, primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("at", String(27), nullable=False),
    Column("actor", String, nullable=False),
    Column("action", String, nullable=False),
    Column("object", String, nullable=False),
    Column("outcome", String, nullable=False),
    Column("reason", String),
    Column("detail", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index("ix_audit_object", "object"),
)

hold = Table(
    "hold",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("began_at", Moment, nullable=False),
    Column("actor", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("lifted_at", Moment),  # NULL: nothing leaves
    Column("lifted_by", String),
)

alarm = Table(
    "alarm",
    metadata,
    Column("code", String, primary_key=True),
    Column("about", String, primary_key=True),  # key of a partner; empty: the deployment
    Column("began_at", Moment, nullable=False),
    Column("told_at", Moment),  # NULL: nobody could be told yet
)

shadow = Table("shadow", metadata, Column("since", Moment, primary_key=True))

assertion = Table(
    "assertion",
    metadata,
    Column("client", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("until", Moment, nullable=False),
    Index("ix_assertion_until", "until"),
)

session = Table(
    "session",
    metadata,
    Column("id", String(64), primary_key=True),  # SHA-256 of its secret
    Column("person", String, nullable=False),
    Column("proof", String, nullable=False),  # of the password it began with: a changed one ends it
    Column("language", String, nullable=False),
    Column("began_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),
)

sign_in_guess = Table(
    "sign_in_guess",
    metadata,
    Column("name", String, primary_key=True),  # keyed hash of what was typed
    Column("guesses", Integer, nullable=False),
    Column("since", Moment, nullable=False),
)

form_reply = Table(
    "form_reply",
    metadata,
    Column("id", String, primary_key=True),  # of the form that was filled
    Column("delivery", ForeignKey("delivery.id"), nullable=False),
    Column("person", String, nullable=False),
    Column("digest", String, nullable=False),  # keyed hash of what was filled in
    Column("sent_at", Moment, nullable=False),
    Column("message", ForeignKey("message.id")),  # NULL until the reply was taken in
    Index("ix_form_reply_delivery", "delivery"),
)

offer_notice = Table(
    "offer_notice",
    metadata,
    Column("partner", String, primary_key=True),
    Column("newest", Integer, nullable=False),  # number of the newest offer it was told of
    Column("told_at", Moment, nullable=False),
)
