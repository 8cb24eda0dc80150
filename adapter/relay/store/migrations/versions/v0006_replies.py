"""Business replies: a kind of delivery of their own, and when a case became overdue."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and let the new kind in; nothing that stands here changes."""
    op.add_column("case", sa.Column("overdue_at", sa.String(length=27), nullable=True))
    if op.get_bind().dialect.name == "sqlite":
        # The table is made anew and takes the old one's name; until then its references lead nowhere.
        op.execute("PRAGMA defer_foreign_keys = ON")
    with op.batch_alter_table("delivery") as table:
        table.drop_constraint(op.f("ck_delivery_kind"), type_="check")
        table.create_check_constraint(
            op.f("ck_delivery_kind"),
            "kind IN ('notification', 'cancellation', 'delivery-report', 'feedback')",
        )
