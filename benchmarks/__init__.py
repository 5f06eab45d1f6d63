"""Ratios beside peers and limits, measured in one interleaved run: `uv run python -m benchmarks`."""
