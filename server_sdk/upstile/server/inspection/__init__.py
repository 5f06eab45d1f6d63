"""What is declared and configured, looked at before it meets a caller: for `upstile-server check`, and for tests."""
