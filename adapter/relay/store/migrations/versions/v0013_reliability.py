"""Reliability profiles: a resend in an envelope of its own; answers that go out as messages of their own."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and let the new kind in; no copy that stands here counts as taken."""
    op.add_column("delivery", sa.Column("envelope_id", sa.String(), nullable=True))
    op.add_column("delivery", sa.Column("taken", sa.Boolean(), server_default=sa.false(), nullable=False))
    if op.get_bind().dialect.name == "sqlite":
        # The table is made anew and takes the old one's name; until then its references lead nowhere.
        op.execute("PRAGMA defer_foreign_keys = ON")
    with op.batch_alter_table("delivery") as table:
        table.drop_constraint(op.f("ck_delivery_kind"), type_="check")
        table.create_check_constraint(
            op.f("ck_delivery_kind"),
            "kind IN ('notification', 'cancellation', 'delivery-report', 'feedback', 'answer')",
        )
    op.create_index(
        "ix_delivery_envelope_id",
        "delivery",
        ["envelope_id"],
        sqlite_where=sa.text("envelope_id IS NOT NULL"),
        postgresql_where=sa.text("envelope_id IS NOT NULL"),
    )
