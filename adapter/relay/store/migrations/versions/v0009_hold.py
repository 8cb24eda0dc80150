"""The hold: nothing leaves until a person has lifted it."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; nothing is held."""
    op.create_table(
        "hold",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("began_at", sa.String(length=27), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("lifted_at", sa.String(length=27), nullable=True),
        sa.Column("lifted_by", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_hold")),
    )
