"""Secrets at rest, and the keys that sign access tokens."""
