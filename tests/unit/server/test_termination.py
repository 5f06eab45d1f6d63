"""Who hears SIGTERM, and that nobody who listened before is passed over."""

import signal
from collections.abc import Iterator
from threading import Thread
from types import FrameType

import pytest

from upstile.server.deployment._termination import on_termination


class Server:
    """A web server that listens to SIGTERM."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def handle(self, number: int, frame: FrameType | None) -> None:
        self.heard.append("server")

    def tell(self) -> None:
        self.heard.append("application")


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    before = signal.signal(signal.SIGTERM, made.handle)
    yield made
    signal.signal(signal.SIGTERM, before)


def test_the_application_hears_it_first_and_the_web_server_after_it(server: Server) -> None:
    with on_termination(server.tell):
        signal.raise_signal(signal.SIGTERM)
        assert server.heard == ["application", "server"]
    signal.raise_signal(signal.SIGTERM)
    assert server.heard == ["application", "server", "server"]
    assert signal.getsignal(signal.SIGTERM) == server.handle


def test_two_applications_of_one_process_both_hear_it_whoever_ends_first(server: Server) -> None:
    one, other = on_termination(lambda: server.heard.append("one")), on_termination(lambda: server.heard.append("two"))
    one.__enter__()
    other.__enter__()
    one.__exit__(None, None, None)
    signal.raise_signal(signal.SIGTERM)
    assert server.heard == ["two", "one", "server"]
    other.__exit__(None, None, None)


@pytest.mark.parametrize("nobody", [signal.SIG_DFL, signal.SIG_IGN])
def test_where_nobody_listens_the_signal_keeps_its_meaning(server: Server, nobody: signal.Handlers) -> None:
    signal.signal(signal.SIGTERM, nobody)
    with on_termination(server.tell):
        assert signal.getsignal(signal.SIGTERM) is nobody


def test_another_thread_changes_nothing(server: Server) -> None:
    handlers = []

    def lifespan() -> None:
        with on_termination(server.tell):
            handlers.append(signal.getsignal(signal.SIGTERM))

    thread = Thread(target=lifespan)
    thread.start()
    thread.join()
    assert handlers == [server.handle]
