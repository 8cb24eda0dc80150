"""The family name a person was last told of by, as a keyed hash: another one is for somebody to look at."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; messages that stand here told of nobody's name."""
    op.create_table(
        "family_name",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("family", sa.String(), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("received_at", sa.String(length=27), nullable=False),
        sa.Column("is_another", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["message"], ["message.id"], name=op.f("fk_family_name_message")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_family_name")),
    )
    op.create_index("ix_family_name_subject", "family_name", ["subject", "number"], unique=False)
