"""One file for each version, read by alembic."""
