"""What is kept and counted for one user, and the rules over it; `_ends.py` says what ends when it changes."""
