"""Security keys: the method, and what is looked at before a library is handed what a stranger sent."""
