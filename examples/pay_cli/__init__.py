"""A command line that pays, over the demo's bank."""
