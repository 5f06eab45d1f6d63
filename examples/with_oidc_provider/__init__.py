"""The API and the app of `with_keycloak` with node oidc-provider: no line of them changes."""
