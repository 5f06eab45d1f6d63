"""What docs/desktop.md shows: the least that a desktop app on Tk needs."""

# README: desktop
import tkinter as tk
from queue import SimpleQueue
from threading import Thread

import httpx

from upstile.client import Client, StepUpError
from upstile.client.tk import TkPrompter


class PayWindow:
    def __init__(self, root: tk.Tk, url: str) -> None:
        self.root, self.said = root, SimpleQueue[str]()
        self.client = Client(url, client_id="bank-cli", prompter=TkPrompter(root))  # in the thread of Tk
        self.label = tk.Label(root, text="Ready")
        self.label.pack()
        self.button = tk.Button(root, text="Pay", command=lambda: Thread(target=self.pay, daemon=True).start())
        self.button.pack()
        root.protocol("WM_DELETE_WINDOW", self.close)
        self.show()

    def pay(self) -> None:  # in a thread of its own: it touches no widget
        try:
            self.said.put(self.client.post("/transfers", json={"to": "ACME", "amount": "50.00"}).text)
        except StepUpError as error:
            self.said.put(error.diagnostics())
        except httpx.HTTPError:
            self.said.put("The bank cannot be reached. Try again in a moment.")

    def show(self) -> None:  # in the thread of Tk, again and again
        if not self.said.empty():
            self.label["text"] = self.said.get()
        self.root.after(50, self.show)

    def close(self) -> None:
        self.client.close()  # whoever is being asked is asked no more; the call ends with StepUpCancelled
        self.root.destroy()


# README: end
