"""The first schema.

Written out, not taken from `schema`: a step says for ever what it did, whatever the schema becomes later.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

APPEND_ONLY = ("audit", "attempt")

_REFUSE = {
    "sqlite": (
        "CREATE TRIGGER {table}_{name} BEFORE {what} ON {table} "
        "BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END",
    ),
    "postgresql": (
        "CREATE OR REPLACE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE 'append-only' USING ERRCODE = 'integrity_constraint_violation'; END $$",
        "CREATE TRIGGER {table}_{name} BEFORE {what} ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION {table}_append_only()",
    ),
}


def upgrade() -> None:
    """Make every table, and let the database refuse changes to audit and attempts."""
    op.create_table(
        "agreement",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("received_at", sa.String(length=27), nullable=False),
        sa.Column("newest", sa.Boolean(), nullable=False),
        sa.Column("ended", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_agreement")),
        sa.UniqueConstraint("name", "version", name=op.f("uq_agreement_name_version")),
    )
    op.create_table(
        "audit",
        sa.Column("node", sa.String(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("at", sa.String(length=27), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("object", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("node", "sequence", name=op.f("pk_audit")),
    )
    op.create_index("ix_audit_object", "audit", ["object"], unique=False)
    op.create_table(
        "content_key",
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=True),
        sa.Column("master", sa.String(), nullable=False),
        sa.Column("made_at", sa.String(length=27), nullable=False),
        sa.Column("destroyed_at", sa.String(length=27), nullable=True),
        sa.PrimaryKeyConstraint("owner", name=op.f("pk_content_key")),
    )
    op.create_table(
        "directory",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("received_at", sa.String(length=27), nullable=False),
        sa.Column("newest", sa.Boolean(), nullable=False),
        sa.Column("ended", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_directory")),
        sa.UniqueConstraint("name", "version", name=op.f("uq_directory_name_version")),
    )
    op.create_table(
        "message",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("sender", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("meaning", sa.String(), nullable=True),
        sa.Column("event", sa.String(), nullable=True),
        sa.Column("notification", sa.String(), nullable=True),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=True),
        sa.Column("received_at", sa.String(length=27), nullable=False),
        sa.Column("happened_at", sa.String(), nullable=True),
        sa.Column("changed_at", sa.String(length=27), nullable=False),
        sa.Column("media_type", sa.String(), nullable=False),
        sa.Column("cancels", sa.String(), nullable=True),
        sa.Column("superseded_by", sa.String(), nullable=True),
        sa.Column("issues", sa.Text(), nullable=False),
        sa.Column("extra", sa.Text(), nullable=False),
        sa.Column("answer_status", sa.Integer(), nullable=False),
        sa.Column("answer_type", sa.String(), nullable=False),
        sa.Column("answer_body", sa.LargeBinary(), nullable=False),
        sa.Column("forgotten_at", sa.String(length=27), nullable=True),
        sa.CheckConstraint(
            "meaning IS NULL OR meaning IN ('done', 'planned', 'update', 'cancel', "
            "'identity-change', 'person-data', 'not-ours')",
            name=op.f("ck_message_meaning"),
        ),
        sa.CheckConstraint("mode IN ('test', 'production')", name=op.f("ck_message_mode")),
        sa.CheckConstraint(
            "state IN ('unreadable', 'invalid', 'not-applicable', 'needs-routing', 'accepted', "
            "'settled', 'closed')",
            name=op.f("ck_message_state"),
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_message")),
        sa.UniqueConstraint("id", name=op.f("uq_message_id")),
    )
    op.create_index(
        "ix_message_kept",
        "message",
        ["changed_at"],
        unique=False,
        sqlite_where=sa.text("forgotten_at IS NULL"),
        postgresql_where=sa.text("forgotten_at IS NULL"),
    )
    op.create_index("ix_message_notification", "message", ["sender", "notification"], unique=False)
    op.create_index("ix_message_state", "message", ["state", "number"], unique=False)
    op.create_index("ix_message_subject", "message", ["subject"], unique=False)
    op.create_table(
        "node",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("started_at", sa.String(length=27), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("master", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_node")),
    )
    op.create_table(
        "party",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("takes_reports", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("pauses", sa.Integer(), server_default="0", nullable=False),
        sa.Column("paused_until", sa.String(length=27), nullable=True),
        sa.Column("pause_reason", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_party")),
    )
    op.create_table(
        "conflicting_submission",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("sender", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("media_type", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("received_at", sa.String(length=27), nullable=False),
        sa.ForeignKeyConstraint(["message"], ["message.id"], name=op.f("fk_conflicting_submission_message")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conflicting_submission")),
        sa.UniqueConstraint("message", "digest", name=op.f("uq_conflicting_submission_message_digest")),
    )
    op.create_table(
        "consent",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=True),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("received_at", sa.String(length=27), nullable=False),
        sa.Column("newest", sa.Boolean(), nullable=False),
        sa.Column("ended", sa.Boolean(), nullable=False),
        sa.CheckConstraint("origin IN ('folder', 'door')", name=op.f("ck_consent_origin")),
        sa.ForeignKeyConstraint(["owner"], ["content_key.owner"], name=op.f("fk_consent_owner")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_consent")),
        sa.UniqueConstraint("id", "version", name=op.f("uq_consent_id_version")),
    )
    op.create_index("ix_consent_subject", "consent", ["subject", "number"], unique=False)
    op.create_table(
        "intake_key",
        sa.Column("sender", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["message"], ["message.id"], name=op.f("fk_intake_key_message")),
        sa.PrimaryKeyConstraint("sender", "key", name=op.f("pk_intake_key")),
    )
    op.create_table(
        "lane",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.Column("waiting", sa.Integer(), server_default="0", nullable=False),
        sa.Column("ready_at", sa.String(length=27), nullable=False),
        sa.Column("lease_token", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_owner", sa.String(), nullable=True),
        sa.Column("lease_until", sa.String(length=27), nullable=True),
        sa.CheckConstraint("waiting >= 0", name=op.f("ck_lane_waiting")),
        sa.ForeignKeyConstraint(["recipient"], ["party.key"], name=op.f("fk_lane_recipient")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_lane")),
    )
    op.create_index(
        "ix_lane_leased",
        "lane",
        ["lease_until"],
        unique=False,
        sqlite_where=sa.text("lease_until IS NOT NULL"),
        postgresql_where=sa.text("lease_until IS NOT NULL"),
    )
    op.create_index(
        "ix_lane_ready",
        "lane",
        ["recipient", "ready_at"],
        unique=False,
        sqlite_where=sa.text("waiting > 0 AND lease_until IS NULL"),
        postgresql_where=sa.text("waiting > 0 AND lease_until IS NULL"),
    )
    op.create_table(
        "payload",
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("part", sa.String(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["owner"], ["content_key.owner"], name=op.f("fk_payload_owner")),
        sa.PrimaryKeyConstraint("owner", "part", name=op.f("pk_payload")),
    )
    op.create_table(
        "delivery",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.Column("lane", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("level", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("basis", sa.String(), nullable=True),
        sa.Column("evidence", sa.String(), nullable=True),
        sa.Column("bundle_id", sa.String(), nullable=False),
        sa.Column("header_id", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("overdue", sa.Integer(), server_default="0", nullable=False),
        sa.Column("reached", sa.Integer(), server_default="0", nullable=False),
        sa.Column("released_by", sa.String(), nullable=True),
        sa.Column("frozen_level", sa.String(), nullable=True),
        sa.Column("frozen_type", sa.String(), nullable=True),
        sa.Column("created_at", sa.String(length=27), nullable=False),
        sa.Column("queued_at", sa.String(length=27), nullable=False),
        sa.Column("due_at", sa.String(length=27), nullable=True),
        sa.Column("changed_at", sa.String(length=27), nullable=False),
        sa.Column("expires_at", sa.String(length=27), nullable=False),
        sa.Column("sent_at", sa.String(length=27), nullable=True),
        sa.Column("acknowledged_at", sa.String(length=27), nullable=True),
        sa.Column("ends", sa.Integer(), server_default="0", nullable=False),
        sa.Column("about", sa.String(), nullable=True),
        sa.Column("about_round", sa.Integer(), nullable=True),
        sa.Column("about_state", sa.String(), nullable=True),
        sa.Column("about_reason", sa.String(), nullable=True),
        sa.Column("about_at", sa.String(length=27), nullable=True),
        sa.CheckConstraint(
            "(kind = 'delivery-report') = (about IS NOT NULL)", name=op.f("ck_delivery_about")
        ),
        sa.CheckConstraint(
            "kind IN ('notification', 'cancellation', 'delivery-report')", name=op.f("ck_delivery_kind")
        ),
        sa.CheckConstraint(
            "level IS NULL OR level IN ('minimal', 'clinical')", name=op.f("ck_delivery_level")
        ),
        sa.CheckConstraint(
            "state IN ('queued', 'sending', 'awaiting', 'delivered', 'acknowledged', 'withheld', "
            "'parked', 'refused', 'closed')",
            name=op.f("ck_delivery_state"),
        ),
        sa.ForeignKeyConstraint(["about"], ["delivery.id"], name=op.f("fk_delivery_about")),
        sa.ForeignKeyConstraint(["lane"], ["lane.key"], name=op.f("fk_delivery_lane")),
        sa.ForeignKeyConstraint(["message"], ["message.id"], name=op.f("fk_delivery_message")),
        sa.ForeignKeyConstraint(["recipient"], ["party.key"], name=op.f("fk_delivery_recipient")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_delivery")),
        sa.UniqueConstraint("about", "about_round", name=op.f("uq_delivery_about_about_round")),
        sa.UniqueConstraint("header_id", name=op.f("uq_delivery_header_id")),
        sa.UniqueConstraint("id", name=op.f("uq_delivery_id")),
    )
    op.create_index("ix_delivery_bundle_id", "delivery", ["bundle_id"], unique=False)
    op.create_index(
        "ix_delivery_due",
        "delivery",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("state IN ('awaiting', 'withheld') AND due_at IS NOT NULL"),
        postgresql_where=sa.text("state IN ('awaiting', 'withheld') AND due_at IS NOT NULL"),
    )
    op.create_index(
        "ix_delivery_expiry",
        "delivery",
        ["expires_at"],
        unique=False,
        sqlite_where=sa.text("state IN ('queued', 'awaiting', 'withheld')"),
        postgresql_where=sa.text("state IN ('queued', 'awaiting', 'withheld')"),
    )
    op.create_index("ix_delivery_message", "delivery", ["message"], unique=False)
    op.create_index(
        "ix_delivery_queue",
        "delivery",
        ["lane", "number"],
        unique=False,
        sqlite_where=sa.text("state = 'queued'"),
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index("ix_delivery_state", "delivery", ["state", "number"], unique=False)
    op.create_table(
        "acknowledgement",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("partner", sa.String(), nullable=False),
        sa.Column("identifier", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("delivery", sa.String(), nullable=True),
        sa.Column("received_at", sa.String(length=27), nullable=False),
        sa.CheckConstraint(
            "code IN ('ok', 'transient-error', 'fatal-error')", name=op.f("ck_acknowledgement_code")
        ),
        sa.CheckConstraint(
            "verdict IN ('first', 'repeat', 'late', 'contradicting', 'unknown')",
            name=op.f("ck_acknowledgement_verdict"),
        ),
        sa.ForeignKeyConstraint(["delivery"], ["delivery.id"], name=op.f("fk_acknowledgement_delivery")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_acknowledgement")),
    )
    op.create_index("ix_acknowledgement_delivery", "acknowledgement", ["delivery"], unique=False)
    op.create_index("ix_acknowledgement_identifier", "acknowledgement", ["identifier"], unique=False)
    op.create_table(
        "attempt",
        sa.Column("delivery", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("node", sa.String(), nullable=False),
        sa.Column("token", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.String(length=27), nullable=False),
        sa.Column("ended_at", sa.String(length=27), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["delivery"], ["delivery.id"], name=op.f("fk_attempt_delivery")),
        sa.PrimaryKeyConstraint("delivery", "number", name=op.f("pk_attempt")),
    )
    op.create_table(
        "case",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("opened_at", sa.String(length=27), nullable=False),
        sa.Column("changed_at", sa.String(length=27), nullable=False),
        sa.Column("due_at", sa.String(length=27), nullable=True),
        sa.Column("reply", sa.String(), nullable=True),
        sa.CheckConstraint(
            "state IN ('awaiting-reply', 'accepted', 'not-ours', 'no-capacity', 'wrong-person', "
            "'agreed', 'returned', 'closed')",
            name=op.f("ck_case_state"),
        ),
        sa.ForeignKeyConstraint(["id"], ["delivery.id"], name=op.f("fk_case_id")),
        sa.ForeignKeyConstraint(["message"], ["message.id"], name=op.f("fk_case_message")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case")),
    )
    op.create_index("ix_case_message", "case", ["message"], unique=False)
    op.create_index("ix_case_state", "case", ["state"], unique=False)
    refuse = _REFUSE[op.get_bind().dialect.name]
    for table in APPEND_ONLY:
        for what, name in (("UPDATE", "unchanged"), ("DELETE", "undeleted")):
            for statement in refuse:
                op.execute(statement.format(table=table, what=what, name=name))
