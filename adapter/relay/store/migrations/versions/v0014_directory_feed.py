"""The directory of another server: when it was asked, and what came of it."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; the server is asked at the next look."""
    op.create_table(
        "directory_feed",
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("claimed_until", sa.String(length=27), nullable=True),
        sa.Column("asked_at", sa.String(length=27), nullable=True),
        sa.Column("answered_at", sa.String(length=27), nullable=True),
        sa.Column("whole_at", sa.String(length=27), nullable=True),
        sa.Column("stale_at", sa.String(length=27), nullable=True),
        sa.Column("since", sa.String(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("address", name=op.f("pk_directory_feed")),
    )
