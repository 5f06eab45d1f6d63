"""`python -m upstile.client.cli` is `upstile`."""

from upstile._start import main

main()
