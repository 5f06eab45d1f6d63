"""`python -m upstile.client.cli` is `upstile`."""

from upstile.client.cli import main

main()
