"""The code of README.md, as programs that a test runs."""
