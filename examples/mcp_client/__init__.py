"""Tools that a model uses (MCP), behind a guard; and a client on httpx2 that steps up when one of them spends money."""
