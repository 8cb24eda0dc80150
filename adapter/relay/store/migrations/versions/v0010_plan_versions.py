"""Which version of a plan a submission was that was kept beside another, and which one it was based on."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the two; what was kept before has none."""
    for name in ("version", "base"):
        op.add_column("conflicting_submission", sa.Column(name, sa.String(), nullable=True))
