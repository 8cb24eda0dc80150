"""Several nodes: which process a node is, and under which token a delivery was claimed."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; what was being sent keeps its lane's token."""
    op.add_column("node", sa.Column("process", sa.String(), nullable=True))
    op.add_column("delivery", sa.Column("token", sa.Integer(), nullable=True))
    op.execute(
        "UPDATE delivery SET token = (SELECT lease_token FROM lane WHERE lane.key = delivery.lane) "
        "WHERE state = 'sending'"
    )
