"""Cancellations of what has not come, so that an alarm finds them among millions of messages."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

UNMATCHED = "meaning = 'cancel' AND state = 'not-applicable' AND cancels IS NULL"


def upgrade() -> None:
    """Make the index."""
    op.create_index(
        "ix_message_unmatched",
        "message",
        ["received_at"],
        sqlite_where=sa.text(UNMATCHED),
        postgresql_where=sa.text(UNMATCHED),
    )
