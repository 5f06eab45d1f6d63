"""The HTTP library: its clients, pumped by the flow."""
