"""How Alembic runs a migration here: on the connection and in the transaction that `store` hands it.

Both databases change their tables inside a transaction, so a step that fails leaves nothing behind.
"""

from __future__ import annotations

from alembic import context

from governance.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
