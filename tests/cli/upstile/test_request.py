"""`upstile request`: what goes out is what curl would send, what comes back is what the API said."""

import json
from pathlib import Path
from typing import Any

import pytest

from examples.bank.serving import free_port
from support.echo_api import BINARY
from support.shell import Done, Shell


@pytest.fixture
def caller(shell: Shell, api: str) -> Shell:
    """A shell with a token of the environment, as in CI."""
    shell.set(UPSTILE_API=api, UPSTILE_CLIENT_ID="my-app", UPSTILE_TOKEN="SECRET-TOKEN")
    return shell


def seen(done: Done) -> dict[str, Any]:
    """What the API saw."""
    assert done.code == 0, done
    members: dict[str, Any] = json.loads(done.out)
    return members


FORM, JSON = "application/x-www-form-urlencoded", "application/json"


@pytest.mark.parametrize(
    ("flags", "kind", "body"),
    [
        ([], None, ""),
        (["-d", "a=1", "--data", "b=2"], FORM, "a=1&b=2"),
        (["-d", "@lines.txt"], FORM, "onetwo"),
        (["-d", "@-"], FORM, "piped"),
        (["--data-binary", "@lines.txt"], None, "one\r\ntwo\n"),
        (["--data-binary", "@-"], None, "piped\n"),
        (["--data-binary", "as it is\n"], None, "as it is\n"),
        (["--json", '{"a": 1}'], JSON, '{"a": 1}'),
        (["--json", "@order.json"], JSON, '[1,\n"\u00c3\u00a9"]'),
        (["-d", "{}", "-H", "content-type: text/x"], "text/x", "{}"),
    ],
)
def test_bodies_are_those_of_curl(
    caller: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: list[str], kind: str | None, body: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lines.txt").write_bytes(b"one\r\ntwo\n")
    (tmp_path / "order.json").write_text('[1,\n"é"]')
    got = seen(caller.run("request", "post", "/orders?x=1", *flags, piped=b"piped\n"))
    assert (got["method"], got["path"], got["body"]) == ("POST", "/orders?x=1", body)
    assert got["headers"].get("content-type") == kind
    assert got["headers"]["authorization"] == "Bearer SECRET-TOKEN"


def test_headers_go_along_and_a_whole_address_of_the_api_will_do(caller: Shell, api: str) -> None:
    got = seen(caller.run("request", "GET", f"{api}/a", "-H", "X-One: 1:2", "-H", "Accept: text/x"))
    assert (got["headers"]["x-one"], got["headers"]["accept"]) == ("1:2", "text/x")
    assert caller.run("request", "GET", "/moved").code == 0
    assert seen(caller.run("request", "GET", "/moved", "-L"))["path"] == "/elsewhere"


def test_a_binary_body_comes_out_byte_for_byte(caller: Shell, tmp_path: Path) -> None:
    assert caller.run("request", "GET", "/binary").body == BINARY
    file = tmp_path / "body"
    done = caller.run("request", "GET", "/binary", "-o", str(file))
    assert (done.code, done.body, file.read_bytes()) == (0, b"", BINARY)


def test_status_and_headers_stand_before_the_body(caller: Shell) -> None:
    head, _, body = caller.run("request", "GET", "/status/200", "-i").out.partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 200 OK\r\n")
    assert "application/json" in head
    assert json.loads(body) == {"no": "luck"}


@pytest.mark.parametrize("status", ["400", "403", "404", "500"])
def test_a_refusal_is_22_and_its_body_is_printed_all_the_same(caller: Shell, status: str) -> None:
    done = caller.run("request", "GET", f"/status/{status}")
    assert (done.code, done.out) == (22, '{"no":"luck"}')
    assert done.error.startswith(f"upstile: The API answered {status} ")


def test_a_terminal_is_shown_no_binary_and_obeys_nothing(caller: Shell) -> None:
    done = caller.run("request", "GET", "/binary", on_terminal=True)
    assert (done.code, done.body) == (0, b"")
    assert "-o FILE" in done.error
    done = caller.run("request", "GET", "/hostile", on_terminal=True)
    assert done.out == "fine\ufffd[2J\ufffd]0;mine\ufffd\ufffd and\ttabbed\nlast line\n"
    assert "\x1b" in caller.run("request", "GET", "/hostile").out  # to a pipe it goes as it came


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["GET", "https://elsewhere.example/"], "is not at http://localhost:"),
        (["GET", "http://localhost:1/"], "is not at http://localhost:"),
        (["POST", "/", "--json", "{'a': 1}"], "What --json holds is no JSON"),
        (["POST", "/", "--json", "1", "-d", "2"], "A call has one body"),
        (["POST", "/", "-d", "@nowhere"], "nowhere: No such file"),
        (["GET", "/", "-H", "Authorization: Bearer mine"], "Authorization is set by upstile itself"),
        (["GET", "/", "-H", "dpop: x"], "dpop is set by upstile itself"),
        (["GET", "/", "-H", "no colon"], "is no header"),
        (["GET", "/", "-H", "X: a\nb"], "is no header"),
        (["GET", "/", "--acr", 'a"b'], "cannot be asked for"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_sent(
    caller: Shell, arguments: list[str], said: str
) -> None:
    done = caller.run("request", *arguments)
    assert said in done.sentence(1 if "@nowhere" in arguments else 2)


def test_an_api_that_is_away_is_7_with_its_address(caller: Shell) -> None:
    listener, port = free_port()
    listener.close()
    sentence = caller.run("--api", f"http://localhost:{port}", "request", "GET", "/").sentence(7)
    assert sentence.startswith(f"http://localhost:{port} cannot be reached")
    assert sentence.endswith("Look whether you are online and the address is right.")


def test_an_http_address_of_another_machine_is_refused(caller: Shell) -> None:
    assert "https" in caller.run("request", "GET", "/", "--api", "http://api.example.com").sentence(2)


def test_a_token_with_a_line_break_is_refused_unseen(caller: Shell) -> None:
    caller.set(UPSTILE_TOKEN="SECRET\nTOKEN")
    sentence = caller.run("request", "GET", "/").sentence(2)
    assert "UPSTILE_TOKEN" in sentence
    assert "SECRET" not in sentence
