"""For apps with a Tk window: `Client(..., prompter=TkPrompter(root))`. Nothing else of the client imports tkinter."""

from upstile.client.prompts._tk import TkPrompter

__all__ = ["TkPrompter"]
