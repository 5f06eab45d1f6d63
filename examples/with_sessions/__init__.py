"""A service with session cookies, one route of which steps up; `docs/existing-login.md` explains it."""
