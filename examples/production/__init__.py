"""The bank in production: nginx in front of three processes, PostgreSQL, Redis."""
