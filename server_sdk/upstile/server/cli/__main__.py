"""`python -m upstile.server.cli` is `upstile-server`."""

from upstile.server.cli import main

main()
