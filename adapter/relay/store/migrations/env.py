"""What Alembic runs: the steps, inside the transaction that `upgrade` has begun."""

from alembic import context

from adapter.relay.store import schema

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=schema.metadata,
    transactional_ddl=True,
    render_as_batch=connection.dialect.name == "sqlite",
)
context.run_migrations()
