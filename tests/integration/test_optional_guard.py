"""An optional guard: whoever has no credential of ours is left to the application, and nobody else."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import httpx
import jwt
import pytest
from fastapi import Depends, Request, WebSocket

from support.own_app import BANK_CLI, OwnApp, own_app
from support.tokens import claims_of
from support.websockets import open_websocket
from support.wire_driver import URL, error_of, problem_of
from upstile.protocol import base64url_encode
from upstile.server import Authentication

pytestmark = pytest.mark.anyio
OWN_JWT = jwt.encode({"iss": "notes", "sub": "ada"}, "k" * 32, "HS256")
NOBODY = "nobody of ours"
Found = Authentication | None


@asynccontextmanager
async def notes(folder: Path, *, bound: bool = False, **options: Any) -> AsyncGenerator[OwnApp]:
    """A service that knows other logins, too; its callers with a token of ours prove a key if they are `bound`."""
    async with own_app(folder, clients=[BANK_CLI], **{"dpop": "optional", **options}) as app:
        app.bound = bound
        anybody, recent = app.server.optional(), app.server.optional(acr="mfa", max_age=300, reason="Confirm it")
        changed = app.api.state.changed = []

        @app.api.post("/notes")
        async def notes(auth: Annotated[Found, Depends(anybody)]) -> str:
            return NOBODY if auth is None else auth.subject

        @app.api.post("/recent")
        async def confirmed(auth: Annotated[Found, Depends(recent)]) -> str:
            return NOBODY if auth is None else auth.subject

        @app.api.post("/careless")
        async def careless(auth: Annotated[Any, Depends(anybody)]) -> None:
            auth.require(acr="mfa", max_age=300)
            changed.append("money")

        @app.api.post("/both", dependencies=[Depends(anybody)])
        async def both(auth: Annotated[Authentication, Depends(app.server.require())]) -> str:
            return auth.subject

        @app.api.websocket("/live")
        async def live(websocket: WebSocket, auth: Annotated[Found, Depends(anybody)]) -> None:
            await websocket.accept()
            await websocket.send_text(NOBODY if auth is None else auth.subject)
            await websocket.close()

        await app.sign_in()
        yield app


async def sent(app: OwnApp, *lines: str, path: str = "/notes", **headers: str) -> httpx.Response:
    """A call with these `Authorization` lines."""
    each = [("Authorization", line) for line in lines] + list(headers.items())
    return await app.http.post(path, headers=each)


async def test_who_has_another_login_or_none_is_left_to_the_application(tmp_path: Path) -> None:
    async with notes(tmp_path) as app:
        for lines in (
            [],
            ["Bearer opaque"],
            [f"Bearer {OWN_JWT}"],
            [f"bEARER   {OWN_JWT}"],
            [f"Bearer {'.' * 16_384}"],
        ):
            for path in ("/notes", "/recent"):
                reply = await sent(app, *lines, path=path)
                assert (reply.status_code, reply.json()) == (200, NOBODY)
            refused = await sent(app, *lines, path="/both")  # the guard beside it insists
            assert problem_of(refused) == ("invalid-token" if lines else "missing-token")


async def test_who_comes_with_a_token_of_ours_is_who_it_says(tmp_path: Path) -> None:
    async with notes(tmp_path) as app:
        for line in (f"Bearer {app.token}", f"bearer {app.token}", f"BeArEr  {app.token}"):
            assert (await sent(app, line)).json() == "ada"
            assert (await sent(app, line, path="/both")).json() == "ada"


async def test_a_cookie_beside_a_token_of_ours_changes_nothing(tmp_path: Path) -> None:
    async with notes(tmp_path) as app:
        app.clock.now += 13 * 3600
        assert problem_of(await sent(app, f"Bearer {app.token}", Cookie="session=ada")) == "invalid-token"
        assert (await sent(app, Cookie="session=ada")).json() == NOBODY


def segment(value: object) -> str:
    """A segment of a JWT."""
    return base64url_encode(json.dumps(value).encode())


def named(issuer: str) -> str:
    """A JWT whose claims are written by hand."""
    return f"{segment({'alg': 'HS256'})}.{base64url_encode(f'{{{ISS}: {issuer}}}'.encode())}.c2ln"


ISS, OURS, OTHER = '"iss"', f'"{URL}"', '"notes"'
UNREADABLE = [
    ([""], "missing-token"),
    (["Bearer"], "missing-token"),
    (["Bearer   "], "missing-token"),
    (["Basic YWRhOnB3"], "missing-token"),
    (["Bearer\topaque"], "missing-token"),
    (["Bearer, Basic YWRhOnB3"], "missing-token"),
    (["Bearer two words"], "invalid-token"),
    (["Bearer opaque, Bearer opaque"], "invalid-token"),
    (['Bearer token="opaque"'], "invalid-token"),
    ([f"Bearer {OWN_JWT}", f"Bearer {OWN_JWT}"], "invalid-request"),
    (["Bearer opaque", "Basic YWRhOnB3"], "invalid-request"),
    ([f"DPoP {OWN_JWT}"], "invalid-token"),
    (["dpop opaque"], "invalid-token"),
    (["DPoP"], "missing-token"),
    ([f"Bearer {'x' * 16_385}"], "invalid-token"),
    ([f"Bearer {named('[' + OTHER + ']')}"], "invalid-token"),
    ([f"Bearer {named('7')}"], "invalid-token"),
    ([f"Bearer {named(f'{OTHER}, {ISS}: {OURS}')}"], "invalid-token"),
    ([f"Bearer {named(f'{OURS}, {ISS}: {OTHER}')}"], "invalid-token"),
    ([f"Bearer {segment({'alg': 'dir', 'enc': 'A256GCM'})}..aXY.dGV4dA.dGFn"], "invalid-token"),
]


async def test_what_is_no_plain_bearer_token_of_another_is_refused_in_the_usual_words(tmp_path: Path) -> None:
    async with notes(tmp_path) as app:
        for lines, says in UNREADABLE:
            refused, usual = await sent(app, *lines), await sent(app, *lines, path="/both")
            assert (problem_of(refused), problem_of(usual)) == (says, says), lines
            assert refused.status_code == (400 if says == "invalid-request" else 401)
            assert refused.headers.get_list("www-authenticate") == usual.headers.get_list("www-authenticate")


async def test_a_token_that_names_us_is_refused_whatever_is_wrong_with_it(tmp_path: Path) -> None:
    async with notes(tmp_path) as app:
        header, payload, signature = app.token.split(".")
        unsigned = base64url_encode(b'{"alg":"none","typ":"at+jwt"}')
        wrong = [
            f"{header}.{payload}.{signature[:-4]}AAAA",
            f"{unsigned}.{payload}.",
            f"{unsigned}.{payload}.{signature}",
            jwt.encode({**claims_of(app.token), "sub": "bob"}, "k" * 32, "HS256", headers={"typ": "at+jwt"}),
        ]
        for token in wrong:
            refused = await sent(app, f"Bearer {token}")
            assert (refused.status_code, error_of(refused)) == (401, "invalid_token"), token
        app.clock.now += 13 * 3600
        for _ in range(2):
            expired = await sent(app, f"Bearer {app.token}")
            assert (error_of(expired), "expired" in expired.headers["www-authenticate"]) == ("invalid_token", True)


async def test_a_token_that_ended_is_refused_and_is_not_nobody(tmp_path: Path) -> None:
    async with notes(tmp_path) as app:
        await app.server.end_sessions("ada")
        assert error_of(await sent(app, f"Bearer {app.token}")) == "invalid_token"


async def test_every_call_with_dpop_is_judged_in_full(tmp_path: Path) -> None:
    async with notes(tmp_path, bound=True) as app:
        proof = app.proof("POST", "/notes", app.token)
        assert (await sent(app, f"DPoP {app.token}", DPoP=proof)).json() == "ada"
        assert error_of(await sent(app, f"DPoP {app.token}", DPoP=proof)) == "invalid_dpop_proof"
        assert error_of(await sent(app, f"DPoP {app.token}")) == "invalid_dpop_proof"
        assert error_of(await sent(app, f"Bearer {app.token}")) == "invalid_token"  # bound to a key
        for line in (f"Bearer {OWN_JWT}", "Bearer opaque", f"DPoP {OWN_JWT}"):
            anew = app.proof("POST", "/notes", OWN_JWT)
            assert error_of(await sent(app, line, DPoP=anew)) == "invalid_token", line


async def test_the_proof_of_a_sign_in_is_no_credential(tmp_path: Path) -> None:
    async with notes(tmp_path, bound=True) as app:
        reply = await sent(app, DPoP=app.proof("POST", "/notes"))
        assert (reply.status_code, reply.json()) == (200, NOBODY)


async def test_where_dpop_is_required_a_bearer_token_of_another_is_still_another_s(tmp_path: Path) -> None:
    async with notes(tmp_path, bound=True, dpop="required") as app:
        assert (await sent(app, f"Bearer {OWN_JWT}")).json() == NOBODY


async def test_an_optional_requirement_is_asked_of_whoever_comes_with_a_token_of_ours(tmp_path: Path) -> None:
    async with notes(tmp_path, bound=True) as app:
        refused = await app.call("POST", "/recent")
        assert (refused.status_code, error_of(refused)) == (401, "insufficient_user_authentication")
        assert refused.json()["detail"] == "Confirm it"
        await app.enroll_totp()
        token = await app.elevate()
        assert (await app.call("POST", "/recent", token=token)).json() == "ada"


async def test_a_handler_that_asks_nobody_for_more_changes_nothing(tmp_path: Path) -> None:
    async with notes(tmp_path) as app:
        for lines in ([], ["Bearer opaque"]):
            with pytest.raises(AttributeError):  # a server answers 500
                await sent(app, *lines, path="/careless")
        assert (
            problem_of(await sent(app, f"Bearer {app.token}", path="/careless")) == "insufficient-user-authentication"
        )
        assert app.api.state.changed == []
        made = app.server.optional()
        assert get_type_hints(type(made).__call__)["return"] == Authentication | None  # so that a type checker says it


async def test_a_handler_may_ask_whoever_calls_by_a_guard_which_says_what_is_missing(tmp_path: Path) -> None:
    async with notes(tmp_path) as app:
        anybody, recent = app.server.optional(), app.server.require(acr="mfa")

        @app.api.post("/later")
        async def later(request: Request, auth: Annotated[Found, Depends(anybody)]) -> None:
            assert auth is None or auth.subject == "ada"
            await recent(request)

        assert problem_of(await sent(app, path="/later")) == "missing-token"
        assert problem_of(await sent(app, f"Bearer {OWN_JWT}", path="/later")) == "invalid-token"
        weak = await sent(app, f"Bearer {app.token}", path="/later")
        assert problem_of(weak) == "insufficient-user-authentication"


async def test_a_token_for_one_call_is_used_up_where_the_optional_guard_asks_for_one(tmp_path: Path) -> None:
    async with notes(tmp_path, bound=True) as app:
        once, later = app.server.optional(max_age=0), app.server.optional(once_in_handler=True)

        @app.api.post("/once", dependencies=[Depends(app.server.require())])
        async def by_guard(auth: Annotated[Found, Depends(once)]) -> None: ...

        @app.api.post("/once-later")
        async def in_handler(auth: Annotated[Found, Depends(later)]) -> None:
            if auth is not None:
                auth.require(max_age=0)

        await app.enroll_totp()
        for path in ("/once", "/once-later"):
            token = await app.elevate(max_age="0")
            assert (await app.call("POST", path, token=token)).status_code == 200
            assert problem_of(await app.call("POST", path, token=token)) == "token-used"
            assert (await app.http.post("/once-later")).status_code == 200


async def test_a_websocket_is_judged_before_it_is_open(tmp_path: Path) -> None:
    async with notes(tmp_path) as app:

        async def opened(*lines: str) -> str:
            headers = [(b"authorization", line.encode()) for line in lines]
            messages = await open_websocket(app, "/live", headers=headers)
            texts = [str(message["text"]) for message in messages if message["type"] == "websocket.send"]
            return texts[0] if texts else str(messages[0].get("status"))

        assert await opened() == NOBODY
        assert await opened(f"Bearer {OWN_JWT}") == NOBODY
        assert await opened(f"Bearer {app.token}") == "ada"
        for lines in (["Basic YQ=="], [f"Bearer {app.token}x"], [f"DPoP {OWN_JWT}"]):
            assert await opened(*lines) == "401", lines
        assert await opened("Bearer a", "Bearer b") == "400"
