"""A service with random tokens of its own, one route of which steps up; `docs/existing-login.md` explains it."""
