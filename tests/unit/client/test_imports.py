"""What an import of the client brings along, and what a process loads that only sends with a kept sign-in.

By name: how long it takes is for the benchmarks to say (`benchmarks/starting.py`).
"""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.starting import HIDDEN, SEND, bank, keep

OTHERS = {"_cffi_backend", "_openssl", "cryptography"}
OURS = {
    "upstile.client": "_errors _events _exchange _text adapters authority flow methods prompts stores words",
    "upstile.client.adapters": "_auth _body _client _hops _options _pump _response _spool _transport _waiting verbs",
    "upstile.client.adapters.verbs": "_ahead _signing_in",
    "upstile.client.authority": "_discovery browser",
    "upstile.client.authority.browser": "_settings",
    "upstile.client.flow": "_asked _call _confirmations _elevation _flight _flow _learned _retries _session _trust"
    " _verdict tokens",
    "upstile.client.flow.tokens": "_dead_ends _elevated _kept _logins _proof_key _proof_time _renewal _sign_out"
    " _tokens",
    "upstile.client.methods": "_last_code _method _otp _password _recovery_code _totp _typed _webauthn",
    "upstile.client.prompts": "_abilities _callback _key_uri _posix _prompter _screen _terminal _windows _wishes",
    "upstile.client.stores": "_entry _file _folder _keyring _memory _store _terminal",
    "upstile.client.words": "_browser _calls _ceremonies _methods _shown _stores _words",
    "upstile.protocol": "_encoding _errors _form _pkce _well_known _written challenge proof",
    "upstile.protocol.challenge": "_challenge _dialects _header _requirement",
    "upstile.protocol.proof": "_dpop_new _htu _jwk _jws",
}
NAMES = {"upstile", *OURS, *(f"{package}.{module}" for package, modules in OURS.items() for module in modules.split())}


def loaded(program: str, after: str = "pass") -> set[str]:
    """The modules that a program loads, beyond those that are loaded when it begins."""
    whole = f"{HIDDEN}{after}; before = set(sys.modules)\n{program}\nprint(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", whole], capture_output=True, text=True, check=True)  # noqa: S603
    return set(done.stdout.split())


def ours(names: set[str]) -> set[str]:
    """Our own modules."""
    return {name for name in names if name.split(".")[0] == "upstile"}


def of_others(names: set[str]) -> set[str]:
    """The packages that are neither Python's nor ours."""
    return {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - {"upstile"}


@pytest.mark.parametrize(
    ("program", "after", "adapter"),
    [
        ("import upstile.client", "pass", "upstile.client"),
        ("from upstile.client import Client", "import httpx", "upstile.client._httpx"),
        ("import upstile.client.httpx2", "import httpx2", "upstile.client.httpx2"),
    ],
)
def test_an_import_brings_no_more_than_it_needs(program: str, after: str, adapter: str) -> None:
    names = loaded(program, after)
    assert adapter in names
    assert ours(names) <= NAMES | {adapter}
    assert of_others(names) <= OTHERS


@pytest.mark.parametrize(("http", "adapter"), [("httpx", "_httpx"), ("httpx2", "httpx2")])
def test_a_kept_sign_in_pays_without_models_and_without_fido2(tmp_path: Path, http: str, adapter: str) -> None:
    after = f"import {http}; {http}.Client().close()"  # with its first client it loads the rest of itself
    with bank() as url:
        keep(tmp_path, url)
        send = SEND.format(library="" if http == "httpx" else ".httpx2", url=url, folder=str(tmp_path))
        names = loaded(send, after)
    assert ours(names) <= NAMES | {f"upstile.client.{adapter}"}
    assert of_others(names) <= OTHERS | {"bcrypt", "filelock", "platformdirs"}


def test_what_is_imported_late_is_there_when_it_is_asked_for() -> None:
    names = loaded("from upstile.client import Authenticator; from upstile.protocol import Authenticator as it")
    assert {"pydantic", "upstile.protocol._authenticators"} <= names


@pytest.mark.parametrize("package", ["upstile.client", "upstile.protocol"])
def test_what_is_not_there_is_an_attribute_error(package: str) -> None:
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'Nothing'"):
        _ = importlib.import_module(package).Nothing
