"""The authorization server: found, asked, and run a ceremony at."""
