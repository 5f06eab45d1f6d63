"""The resource server: verify the token, judge it against a requirement, refuse with a challenge."""
