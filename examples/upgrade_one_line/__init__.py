"""An app on httpx as it was, and as it is with upstile: one line differs, besides its import."""
