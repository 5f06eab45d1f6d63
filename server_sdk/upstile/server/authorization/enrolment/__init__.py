"""Authenticators come and go: the endpoint, who may use it, and the help desk."""
