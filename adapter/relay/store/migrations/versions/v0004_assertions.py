"""Ids of client assertions, so that none is taken twice."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; no assertion was taken before."""
    op.create_table(
        "assertion",
        sa.Column("client", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("until", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("client", "id", name=op.f("pk_assertion")),
    )
    op.create_index("ix_assertion_until", "assertion", ["until"], unique=False)
