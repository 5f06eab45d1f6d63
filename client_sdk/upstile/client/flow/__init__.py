"""One call, from its challenge to its repeat: its tokens, its trust, its ceremony. It knows no HTTP library."""
