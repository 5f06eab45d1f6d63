"""`on_unreplayable="spool"`: a body that can be read once is repeated whole, in bounds, and leaves nothing behind."""

import asyncio
import io
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from errno import ENOSPC
from itertools import islice
from typing import Any

import anyio
import httpx
import httpx2
import pytest

import upstile.client.adapters._spool as spooling
import upstile.client.httpx2 as on_httpx2
from support.desk import API, Desk, Sent, challenged
from support.streams import BIG, Pipe, aonce, once
from upstile.client import ConfigurationError, Totp, UnreplayableBody

SPOOL: dict[str, Any] = {"on_unreplayable": "spool"}


@pytest.mark.parametrize("body", [[b"small"], BIG, []], ids=["small", "big", "empty"])
@pytest.mark.parametrize("kind", [once, lambda chunks: map(bytes, chunks), lambda chunks: Pipe(b"".join(chunks))])
def test_a_body_is_repeated_whole(kind: Callable[[list[bytes]], Any], body: list[bytes], files: list[Any]) -> None:
    desk = Desk()
    with desk.client(**SPOOL) as bank:
        assert bank.post("/transfers", content=kind(body)).status_code == 200
    first, second = desk.at("call")
    assert first.body == second.body == b"".join(body)
    assert first.headers.get("transfer-encoding") == second.headers.get("transfer-encoding") == "chunked"
    assert len(files) == (body is BIG)
    assert all(file.closed for file in files)


def test_a_length_that_the_app_names_stays() -> None:
    desk = Desk()
    with desk.client(**SPOOL) as bank:
        bank.post("/transfers", content=once(BIG), headers={"content-length": "400000"})
    for sent in desk.at("call"):
        assert (sent.headers["content-length"], sent.headers.get("transfer-encoding")) == ("400000", None)


def test_a_form_with_a_pipe_is_repeated_whole(files: list[Any]) -> None:
    desk = Desk()
    with desk.client(**SPOOL) as bank:
        form: dict[str, Any] = {"data": {"a": "b"}, "files": {"file": ("report", Pipe(b"".join(BIG)))}}
        assert bank.post("/transfers", **form).status_code == 200
    first, second = desk.at("call")
    assert first.body == second.body
    assert b"".join(BIG) in first.body
    assert [file.closed for file in files] == [True]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_async_body_is_repeated_whole_and_files_are_not_touched_in_the_loop(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, threads = Desk(), set[int]()
    for name in ("flush", "close"):
        monkeypatch.setattr(spooling.Spool, name, _noted(threads, getattr(spooling.Spool, name)))
    monkeypatch.setattr(spooling, "_block", _noted(threads, spooling._block))

    async def chunks() -> AsyncIterator[bytes]:
        for chunk in BIG:
            yield chunk

    async def main() -> None:
        async with desk.async_client(**SPOOL) as bank:
            assert (await bank.post("/transfers", content=chunks())).status_code == 200

    anyio.run(main, backend=backend)
    assert [sent.body for sent in desk.at("call")] == [b"".join(BIG)] * 2
    assert threads
    assert threading.get_ident() not in threads


def test_each_of_three_tries_gets_the_whole_body() -> None:
    desk = Desk()
    with desk.client(**SPOOL) as bank:
        bank.step_up(acr="mfa")  # a token that the API will refuse
        desk.always("call", lambda sent: _only("ELEVATED-2", sent))
        assert bank.post("/transfers", content=once(BIG)).status_code == 200
    assert [sent.body for sent in desk.at("call")] == [b"".join(BIG)] * 3


def test_a_server_that_answers_before_it_has_read_all_gets_all_the_second_time() -> None:
    desk = _Impatient(after=3)
    with desk.client(**SPOOL) as bank:
        assert bank.post("/transfers", content=once(BIG)).status_code == 200

    async def main() -> None:
        async with impatient.async_client(**SPOOL) as bank:
            assert (await bank.post("/transfers", content=aonce(BIG))).status_code == 200

    impatient = _Impatient(after=3)
    asyncio.run(main())
    for seen in (desk, impatient):
        assert [sent.body for sent in seen.at("call")] == [b"".join(BIG[:3]), b"".join(BIG)]


@pytest.mark.parametrize("length", [None, "400000"])
def test_a_longer_body_goes_out_and_is_an_error_only_where_it_would_be_repeated(
    length: str | None, files: list[Any]
) -> None:
    headers = {} if length is None else {"content-length": length}
    desk = Desk()
    with desk.client(**SPOOL, spool_limit=399_999) as bank:
        with pytest.raises(UnreplayableBody, match="longer than the 399999 bytes"):
            bank.post("/transfers", content=once(BIG), headers=headers)
        assert not desk.asked
        desk.always("call", lambda _: httpx.Response(200))
        assert bank.post("/transfers", content=once(BIG), headers=headers).status_code == 200
    assert [sent.body for sent in desk.at("call")] == [b"".join(BIG)] * 2
    assert len(files) == (0 if length else 2)  # what is known to be too long is not even begun
    assert all(file.closed for file in files)


def test_a_body_of_just_the_limit_is_repeated() -> None:
    desk = Desk()
    with desk.client(**SPOOL, spool_limit=400_000) as bank:
        assert bank.post("/transfers", content=once(BIG)).status_code == 200


def test_a_full_disk_does_not_stop_a_call_that_needs_no_repetition(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**options: Any) -> Any:
        raise OSError(ENOSPC, os.strerror(ENOSPC))

    monkeypatch.setattr(spooling, "TemporaryFile", full)
    desk = Desk()
    with desk.client(**SPOOL) as bank:
        with pytest.raises(UnreplayableBody, match="No space left"):
            bank.post("/transfers", content=once(BIG))
        desk.always("call", lambda _: httpx.Response(200))
        assert bank.post("/transfers", content=once(BIG)).status_code == 200
    assert [sent.body for sent in desk.at("call")] == [b"".join(BIG)] * 2
    assert not desk.asked


def test_a_disk_that_fills_up_while_the_body_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    class Filling(io.BytesIO):
        def write(self, data: Any) -> int:
            if self.tell() > 100_000:
                raise OSError(ENOSPC, os.strerror(ENOSPC))
            return super().write(data)

    filling = Filling()
    monkeypatch.setattr(spooling, "TemporaryFile", lambda **options: filling)
    desk = Desk()
    with desk.client(**SPOOL) as bank, pytest.raises(UnreplayableBody, match="No space left"):
        bank.post("/transfers", content=once(BIG))
    assert [sent.body for sent in desk.at("call")] == [b"".join(BIG)]
    assert filling.closed


def test_a_file_that_was_cut_short_is_no_shorter_body(files: list[Any]) -> None:
    desk = _Patient()

    def cutting(sent: Sent) -> httpx.Response:
        files[0].truncate(100)
        return challenged()

    desk.always("call", cutting)
    with desk.client(**SPOOL) as bank, pytest.raises(UnreplayableBody, match="is gone"):
        bank.post("/transfers", content=once(BIG))
    assert len(desk.at("call")) == 1


def test_a_body_that_breaks_off_is_never_sent_as_a_whole_one(files: list[Any]) -> None:
    def broken() -> Iterator[bytes]:
        yield from BIG
        raise OSError("the pipe broke")

    desk = _Retrying()
    with desk.client(**SPOOL) as bank, pytest.raises(httpx.StreamConsumed):
        bank.post("/transfers", content=broken())
    assert desk.at("call") == []
    assert all(file.closed for file in files)


def test_what_goes_elsewhere_is_not_kept(files: list[Any]) -> None:
    desk = Desk()
    with desk.client(**SPOOL) as bank:
        bank.post("https://elsewhere.example/x", content=once(BIG))
    assert files == []


def test_without_the_option_nothing_is_kept(files: list[Any]) -> None:
    desk = Desk()
    with desk.client() as bank, pytest.raises(UnreplayableBody):
        bank.post("/transfers", content=once(BIG))
    assert files == []


@pytest.mark.parametrize("options", [{"on_unreplayable": "keep"}, {"spool_limit": 0}, {"spool_limit": 1.5}])
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="spool_limit"):
        Desk().client(**options)


def test_httpx2_has_it_as_well() -> None:
    desk, bodies = Desk(), list[bytes]()

    class Way(httpx2.BaseTransport):
        def handle_request(self, request: Any) -> Any:
            body = b"".join(request.stream)
            if request.url.path == "/transfers":
                bodies.append(body)
            sent = httpx.Request(request.method, str(request.url), content=body, headers=list(request.headers.items()))
            found = desk.handle_request(sent)
            return httpx2.Response(found.status_code, headers=list(found.headers.items()), content=found.read())

    options: dict[str, Any] = {"client_id": "cli", "token": "BASE", "methods": [Totp()], "prompter": desk.person}
    options |= {"clock": desk.clock, "monotonic": desk.monotonic, "transport": Way(), **SPOOL}
    with on_httpx2.Client(API, **options) as bank:
        assert bank.post("/transfers", content=once(BIG)).status_code == 200
    assert bodies == [b"".join(BIG)] * 2


class _Impatient(Desk):
    """Answers the first call after some chunks, as a server that closes its end does."""

    def __init__(self, *, after: int) -> None:
        super().__init__()
        self._after = after

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        assert isinstance(request.stream, Iterable)
        chunks = iter(request.stream)
        if request.url.path == "/transfers" and not self.at("call"):
            return self._handle(request, b"".join(next(chunks) for _ in range(self._after)))
        return self._handle(request, b"".join(chunks))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        chunks: Any = request.stream.__aiter__()  # type: ignore[union-attr]
        if request.url.path == "/transfers" and not self.at("call"):
            return self._handle(request, b"".join([await anext(chunks) for _ in range(self._after)]))
        return self._handle(request, b"".join([chunk async for chunk in chunks]))


class _Patient(Desk):
    """Does not read for ever where a body does not end."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        assert isinstance(request.stream, Iterable)
        return self._handle(request, b"".join(islice(request.stream, 100)))


class _Retrying(Desk):
    """A transport that sends again what went wrong."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return super().handle_request(request)
        except OSError:
            return super().handle_request(request)


def _noted(threads: set[int], work: Callable[..., Any]) -> Callable[..., Any]:
    def noting(*arguments: Any) -> Any:
        threads.add(threading.get_ident())
        return work(*arguments)

    return noting


def _only(token: str, sent: Sent) -> httpx.Response:
    return httpx.Response(200) if sent.headers["authorization"].endswith(token) else challenged()
