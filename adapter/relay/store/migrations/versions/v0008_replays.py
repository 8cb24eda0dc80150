"""Replays: many copies that are sent again together, by one person's word and another's release."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables; nothing was ever resent together before."""
    op.create_table(
        "replay",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("wanted", sa.Text(), nullable=False),
        sa.Column("preview", sa.Text(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("per_minute", sa.Integer(), nullable=False),
        sa.Column("prepared_by", sa.String(), nullable=False),
        sa.Column("prepared_at", sa.String(length=27), nullable=False),
        sa.Column("lapses_at", sa.String(length=27), nullable=False),
        sa.Column("released_by", sa.String(), nullable=True),
        sa.Column("released_at", sa.String(length=27), nullable=True),
        sa.Column("next_at", sa.String(length=27), nullable=True),
        sa.Column("ended_by", sa.String(), nullable=True),
        sa.Column("ended_at", sa.String(length=27), nullable=True),
        sa.CheckConstraint(
            "state IN ('prepared', 'released', 'done', 'cancelled', 'lapsed')", name=op.f("ck_replay_state")
        ),
        sa.CheckConstraint("released_by <> prepared_by", name=op.f("ck_replay_four_eyes")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_replay")),
        sa.UniqueConstraint("id", name=op.f("uq_replay_id")),
    )
    op.create_index("ix_replay_state", "replay", ["state"], unique=False)
    op.create_table(
        "replay_item",
        sa.Column("replay", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("delivery", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("at", sa.String(length=27), nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'queued', 'skipped', 'taken-back')", name=op.f("ck_replay_item_state")
        ),
        sa.ForeignKeyConstraint(["replay"], ["replay.id"], name=op.f("fk_replay_item_replay")),
        sa.ForeignKeyConstraint(["delivery"], ["delivery.id"], name=op.f("fk_replay_item_delivery")),
        sa.PrimaryKeyConstraint("replay", "number", name=op.f("pk_replay_item")),
    )
