"""A deployment, whatever the framework: its settings, its parts put together, opened, closed and looked after."""
