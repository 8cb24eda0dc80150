"""What the breaker of a route counts beside failures in a row."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the counters; every route begins without a window."""
    for name in ("successes", "window_tries", "window_failures"):
        op.add_column("party", sa.Column(name, sa.Integer(), server_default="0", nullable=False))
    op.add_column("party", sa.Column("window_at", sa.String(length=27), nullable=True))
