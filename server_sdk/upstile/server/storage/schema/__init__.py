"""The tables and how they came to be: versioned, migrated forwards."""
