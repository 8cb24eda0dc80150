"""The mark of a store that was filled in shadow: nothing of it was ever sent."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; what stands here was not filled in shadow."""
    op.create_table(
        "shadow",
        sa.Column("since", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("since", name=op.f("pk_shadow")),
    )
