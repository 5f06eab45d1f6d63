"""An API and an app whose users sign in, and confirm, at Keycloak; nothing in them but `keycloak()` knows that."""
