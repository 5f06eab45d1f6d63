"""Which URLs are one (RFC 3986 §6.2.2, §6.2.3), and which a proof must not be taken for."""

import re
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upstile.protocol import MalformedMessage, normalized_htu
from upstile.protocol.proof._htu import has_dot_segments, loopback_by_name, same_url

API = "https://api.example.com"
_SEGMENTS = st.lists(
    st.sampled_from(
        ["a", "~", "%7e", "%7E", "%2F", "%2f", "%41", "%25", "%2e", "%2E%2e", ".", "..", "", "é", "%C3%a9"]
    ),
    max_size=4,
).map("".join)
_PATHS = st.lists(_SEGMENTS, max_size=4).map(lambda segments: "/" + "/".join(segments))


@pytest.mark.requirement("rfc9449-4.3-htu")
@pytest.mark.parametrize(
    ("htu", "path"),
    [
        ("/a~b", "/a%7Eb"),
        ("/a%7eb", "/a~b"),
        ("/a%2Db", "/a-b"),
        ("/%41", "/A"),
        ("/a%2fb", "/a%2Fb"),
        ("/a%c3%a9", "/a%C3%A9"),
        ("/./a/../b", "/b"),
        ("/%2e/a/%2E%2e/b", "/b"),
        ("/a/.", "/a/"),
        ("/a/..", "/"),
        ("/../../a", "/a"),
        ("/a//../b", "/a/b"),
        ("/a?q#f", "/a"),
        ("", "/"),
        ("/a/.b/..c/...", "/a/.b/..c/..."),
    ],
)
def test_paths_that_are_one_by_rfc_3986(htu: str, path: str) -> None:
    assert same_url(API + htu, API + path)
    assert same_url("HTTPS://Api.Example.COM:0443" + htu, API + path)


@pytest.mark.parametrize(
    ("htu", "path"),
    [
        ("/a/b", "/a%2Fb"),
        ("/a%2Fb", "/a/b"),
        ("/a%253Ab", "/a%3Ab"),
        ("/a%257Eb", "/a~b"),
        ("/a%257Eb", "/a%7Eb"),
        ("/a:b", "/a%3Ab"),
        ("/a@b", "/a%40b"),
        ("/a+b", "/a%2Bb"),
        ("/a b", "/a%20b"),
        ("/A", "/a"),
        ("/a/", "/a"),
        ("//a", "/a"),
        ("/a%%32Fb", "/a%2Fb"),
        ("/%%37E", "/~"),
        ("/~", "/%%37E"),
        ("/b", "/a/../b"),
    ],
)
def test_paths_that_are_two(htu: str, path: str) -> None:
    try:
        assert not same_url(API + htu, API + path)
    except MalformedMessage:
        assert " " in htu


@pytest.mark.parametrize(
    "path", ["/a/../b", "/a/%2e%2E/b", "/./b", "/b/%2E", "/..", "/.%2e/b", "/%zz/../b", "/%zz/%2e%2e/b", "/a/.."]
)
def test_a_request_path_with_dot_segments_is_named_by_nothing(path: str) -> None:
    for htu in (path, path.replace("%2e", ".").replace("%2E", "."), "/b", "/", normalized_htu(API + path)[len(API) :]):
        assert not same_url(API + htu, API + path)
        assert not same_url(API + htu, API + path, path_decoded=True)


_ATOMS = [
    ["a", "%61"],
    ["~", "%7e", "%7E"],
    ["%2F", "%2f"],
    ["/"],
    [":"],
    ["%3A", "%3a"],
    ["%25"],
    ["%C3%A9", "%c3%A9"],
]
_TEXTS = st.lists(st.integers(0, len(_ATOMS) - 1), max_size=6)


@given(_TEXTS, _TEXTS, st.data())
def test_two_spellings_are_one_exactly_where_they_spell_the_same(
    one: list[int], other: list[int], data: st.DataObject
) -> None:
    def spelt(atoms: list[int]) -> str:
        return f"{API}/" + "".join(data.draw(st.sampled_from(_ATOMS[atom])) for atom in atoms)

    assert same_url(spelt(one), spelt(one))
    assert same_url(spelt(one), spelt(other)) is (one == other)
    assert normalized_htu(normalized_htu(spelt(one))) == normalized_htu(spelt(one))


@given(_PATHS)
def test_a_path_is_its_own_unless_it_has_dot_segments(path: str) -> None:
    assert same_url(API + path, API + path) is not has_dot_segments(path)


@given(_PATHS)
def test_where_only_the_decoded_path_is_known_all_spellings_of_it_are_one_but_escaped_slashes_and_percent_signs(
    path: str,
) -> None:
    known = unquote(path)  # as the adapters of AWS Lambda hand it over
    same = same_url(API + path, API + quote(known), path_decoded=True)
    assert same is not bool(re.search("%2f|%25", path, re.IGNORECASE) or has_dot_segments(path))


@pytest.mark.parametrize(
    ("htu", "known"),
    [("/a%2Fb", "/a/b"), ("/a%25b", "/a%b"), ("/a%b", "/a%b"), ("/a%252Fb", "/a/b"), ("/%FF", "/\ufffd")],
)
def test_an_escape_whose_meaning_is_lost_in_the_decoded_path_matches_nothing(htu: str, known: str) -> None:
    assert not same_url(API + htu, API + quote(known), path_decoded=True)


@pytest.mark.parametrize("url", ["https://[bad", "https://a.example:99999/", "https://a.example/ b", "https://a\n.b/"])
def test_what_is_no_url_is_not_normalised(url: str) -> None:
    with pytest.raises(MalformedMessage):
        normalized_htu(url)


def test_loopback_has_one_name() -> None:
    for host in ("127.0.0.1", "[::1]"):
        assert loopback_by_name(normalized_htu(f"http://{host}:8000/x")) == "http://localhost:8000/x"
    for url in ("http://127.0.0.1.evil.example/x", "http://a.example/127.0.0.1/", "http://127.0.0.10/"):
        assert loopback_by_name(url) == url
