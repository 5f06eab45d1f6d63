"""Bodies over a real socket: what can be read once is refused before anybody is asked, all else is repeated whole."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from support.ada import Ada
from upstile.client import UnreplayableBody

ORDER = {"to": "ACME", "amount": "1.00"}


@pytest.mark.parametrize("kind", ["generator", "map", "pipe", "form with a pipe"])
def test_a_body_that_can_be_read_once_is_refused_before_anybody_is_asked(ada: Ada, kind: str) -> None:
    content: dict[str, Callable[[], dict[str, Any]]] = {
        "generator": lambda: {"content": _chunks()},
        "map": lambda: {"content": map(bytes, [b"{}"])},
        "pipe": lambda: {"content": _Pipe(b"{}")},
        "form with a pipe": lambda: {"files": {"file": ("report", _Pipe(b"{}"))}},
    }
    with ada.app() as client, pytest.raises(UnreplayableBody) as caught:
        client.post("/transfers", **content[kind]())
    assert "step_up=" in str(caught.value.hint)
    assert ada.person.occasions == []


def test_an_async_iterator_is_refused_as_well(ada: Ada) -> None:
    with ada.app():
        pass

    async def chunks() -> AsyncIterator[bytes]:
        yield b"{}"

    async def main() -> None:
        async with ada.clients.AsyncClient(ada.bank.url, **ada.options()) as client:
            await client.sign_in("/login", json={"username": "ada", "password": "correct horse"})
            await client.post("/transfers", content=chunks())

    with pytest.raises(UnreplayableBody):
        asyncio.run(main())


@pytest.mark.parametrize("kind", ["bytes", "json", "file"])
def test_a_body_that_can_be_read_again_is_repeated_whole(ada: Ada, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "order.json"
    path.write_bytes(b'{"to": "ACME", "amount": "1.00"}')
    headers = {"content-type": "application/json"}
    with ada.app() as client, path.open("rb") as file:
        request: dict[str, dict[str, Any]] = {
            "bytes": {"content": b'{"to": "ACME", "amount": "1.00"}', "headers": headers},
            "json": {"json": ORDER},
            "file": {"content": file, "headers": headers},
        }
        reply = client.post("/transfers", **request[kind])
    assert (reply.status_code, reply.json()["sent"]) == (200, "1.00")


@pytest.mark.parametrize("kind", ["generator", "pipe"])
def test_a_body_that_is_kept_is_repeated_whole(ada: Ada, kind: str) -> None:
    order = b'{"to": "ACME", "amount": "1.00"}' + b" " * 200_000
    content: Any = iter([order[:100], order[100:]]) if kind == "generator" else _Pipe(order)
    with ada.app(on_unreplayable="spool") as client:
        reply = client.post("/transfers", content=content, headers={"content-type": "application/json"})
    assert (reply.status_code, reply.json()["sent"]) == (200, "1.00")


def test_many_calls_take_one_confirmation_and_one_exchange_each(ada: Ada) -> None:
    with ada.app() as client, client.elevated(acr="mfa", max_age=300):
        ada.bank.exchanges.clear()
        replies = [client.post("/transfers", json=ORDER).status_code for _ in range(3)]
        assert len(ada.bank.exchanges) == 3
    assert replies == [200] * 3
    assert len(ada.person.occasions) == 1


def test_a_streamed_response_stays_unread(ada: Ada) -> None:
    with ada.app() as client, client.stream("POST", "/transfers", json=ORDER) as reply:
        assert reply.status_code == 200
        assert not reply.is_stream_consumed
        assert b"ACME" in reply.read()


def _chunks() -> Iterator[bytes]:
    yield b"{}"


class _Pipe(io.RawIOBase):
    """A file that cannot be rewound."""

    def __init__(self, data: bytes) -> None:
        self._data: BinaryIO = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._data.read(size)
