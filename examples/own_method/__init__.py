"""A way to confirm that is not one of ours: a card that answers a challenge, checked by a service of its own."""
