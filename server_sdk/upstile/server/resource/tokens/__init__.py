"""The text of an access token to what it says: signature, keys, claims, and how each issuer writes them."""
