"""The embedded authorization server: it runs ceremonies and mints the elevated tokens."""
