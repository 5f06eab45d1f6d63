"""The public address of a deployment: it leads to one node, and to another one when that dies."""

from collections.abc import Generator
from contextlib import contextmanager

from support.nodes import Node
from support.proxy import Proxy, proxy_to


class Front:
    """Forwards connections to the first node that lives, from some node on.

    Attributes:
        nodes: those that there are; they are started when the address is known.
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._first = 0
        self._proxy: Proxy | None = None

    @property
    def url(self) -> str:
        """What clients are configured with."""
        assert self._proxy is not None
        return f"http://localhost:{self._proxy.port}"

    @property
    def node(self) -> Node:
        """Where new connections lead now."""
        ordered = [*self.nodes[self._first :], *self.nodes[: self._first]]
        return next((node for node in ordered if node.lives), ordered[0])

    def move(self) -> None:
        """Lead to the next node from now on; connections that are kept open are closed."""
        assert self._proxy is not None
        self._first = (self.nodes.index(self.node) + 1) % len(self.nodes)
        self._proxy.hang_up()

    @contextmanager
    def opened(self) -> "Generator[Front]":
        """Listen, for the length of a block."""
        with proxy_to(lambda: ("127.0.0.1", self.node.port)) as self._proxy:
            yield self
