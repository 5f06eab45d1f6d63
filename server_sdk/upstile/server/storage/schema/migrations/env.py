"""Run by alembic for each upgrade: in the transaction of whoever asked for it."""

from alembic import context

from upstile.server.storage.schema._version import TABLE

_given = context.config.attributes

# SQLite's DDL is transactional too; alembic would not believe it of Python's driver.
context.configure(connection=_given["connection"], version_table=TABLE, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations(issuer=_given["issuer"], reseal=_given["reseal"])
