"""A desktop app on Tk that pays, and asks the person in a window of its own when the bank wants more."""
