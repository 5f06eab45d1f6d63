"""The browser route: people confirm, and sign in, at the login page of an identity provider (RFC 8252)."""
