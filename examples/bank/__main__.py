"""Starts the demo: `uv run --only-group demo python -m examples.bank`."""

import sys

try:
    from examples.bank.demo import main
except KeyboardInterrupt:  # while it was being loaded: there is nothing to end yet
    sys.exit(130)

if __name__ == "__main__":
    sys.exit(main())
