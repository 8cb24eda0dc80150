"""Who filed a consent: nobody else may change it, and to others it does not exist."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; consents that stand here came from the folder and have no filer."""
    op.create_table(
        "consent_filer",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("filer", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent_filer")),
    )
