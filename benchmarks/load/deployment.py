"""The deployment that is put under load, and the people who step up at it."""

import asyncio
import gc
import json
import sys
from base64 import b32decode, urlsafe_b64encode
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from secrets import token_bytes, token_urlsafe
from time import time
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit

import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import Depends, FastAPI

from examples.bank.serving import free_port
from upstile.protocol import es256_jwk, jwk_thumbprint
from upstile.server import App, Authentication
from upstile.server.authorization._possession import Possession
from upstile.server.authorization.methods import MethodContext, Secrets, Totp, Wanted
from upstile.server.authorization.user._budgets import remember_key
from upstile.server.authorization.user._user_state import UserState
from upstile.server.fastapi import StepUp
from upstile.server.storage import Account, AuthenticatorRecord, User

URL = "http://localhost:8000"
"""Issuer and resource, wherever the process listens."""
PARSERS = {"asyncio": "h11", "uvloop": "httptools"}


@dataclass(frozen=True, kw_only=True)
class Stores:
    """Where the deployment keeps everything."""

    storage: str
    one_time: str | None = None
    secret_key: str

    def deployment(self, **options: Any) -> StepUp:
        """The deployment on these stores."""
        return StepUp.embedded(
            url=URL,
            storage=self.storage,
            one_time=self.one_time,
            secret_keys=[self.secret_key],
            clients=[App("cli", scopes={"payments"})],
            dpop="optional",
            allow_insecure_loopback=True,
            **options,
        )


def fresh_key() -> str:
    """A key that seals secrets at rest."""
    return urlsafe_b64encode(token_bytes(32)).decode()


@dataclass(frozen=True, kw_only=True)
class Person:
    """Who can step up: signed in, with an authenticator app, and with an app whose key the server knows.

    Attributes:
        token: of the base login.
        key: the private number of the app's key.
        seed: the seed of the authenticator, in hexadecimal digits.
    """

    token: str
    key: int
    seed: str


async def enrol(server: StepUp, count: int, now: float) -> list[Person]:
    """People, each with a key of their own that is known: so no budget is in the way, nobody shares one."""
    deployment = server._deployment
    await deployment.prepare()
    return [await _enrol(server, f"person{number}", now) for number in range(count)]


async def _enrol(server: StepUp, name: str, now: float) -> Person:
    deployment = server._deployment
    user, id = User(URL, name), token_urlsafe(12)
    secrets = Secrets(deployment.own.seal)
    context = MethodContext(issuer=URL, name="load", rp_id="localhost", webauthn_origins=(), secrets=secrets)
    new = await Totp().bind(context).enroll(Wanted(user=user, id=id, account=name))
    phone = AuthenticatorRecord(id=id, method="totp", name="phone", state="active", created=int(now), data=new.data)

    def add(account: Account) -> tuple[Account, None]:
        return replace(account, authenticators=(phone,)), None

    await deployment.own.storage.durable.change_account(user, add)
    key = ec.generate_private_key(ec.SECP256R1())
    jkt = jwk_thumbprint(es256_jwk(key.public_key()))
    known = deployment.own.names("user", name)
    state = remember_key(UserState(), jkt, [id], now).record(now)
    await deployment.own.storage.one_time.update_many([known], lambda _: ({known: state}, None), now)
    login = await deployment.own.sign_in.start_session(name, amr=["pwd"], now=now, possession=Possession(jkt=jkt))
    seed = b32decode(parse_qs(urlsplit(new.members["otpauth_uri"]).query)["secret"][0])
    return Person(token=login.access_token, key=key.private_numbers().private_value, seed=seed.hex())


async def elevated_token(server: StepUp, now: float) -> str:
    """What the guarded calls carry: a bearer token."""
    await server._deployment.prepare()
    claims = {"iss": URL, "aud": URL, "sub": "ada", "client_id": "cli", "iat": int(now), "jti": "guarded"}
    claims |= {"exp": int(now) + 3600, "scope": "payments", "acr": "mfa", "amr": ["otp"], "auth_time": int(now)}
    return server._deployment.own.signing.sign(claims, now)


async def prepared(stores: Stores, count: int, now: float) -> Mapping[str, Any]:
    """Everything that the processes of a load need to know of the people."""
    server = stores.deployment()
    people = await enrol(server, count, now)
    token = await elevated_token(server, now)
    await server._deployment.aclose()
    return {"token": token, "people": [asdict(person) for person in people]}


def write_people(stores: Stores, count: int, file: Path) -> None:
    """Enrol people, and write down what they know."""
    file.write_text(json.dumps(asyncio.run(prepared(stores, count, time()))))


def read_people(file: Path) -> tuple[Sequence[Person], str]:
    """The people, and the token of the guarded calls."""
    known = json.loads(file.read_text())
    return [Person(**person) for person in known["people"]], known["token"]


@asynccontextmanager
async def _started(_: FastAPI) -> AsyncGenerator[None]:
    """As `docs/operating.md` advises: later collections of garbage leave alone what was loaded."""
    gc.collect()
    gc.freeze()
    yield


def application(server: StepUp) -> FastAPI:
    """One guarded route, and one that is not."""
    app = FastAPI(lifespan=_started)
    server.install(app)

    @app.get("/bare")
    async def bare() -> dict[str, str]:
        return {"who": "ada"}

    @app.get("/guarded")
    async def guarded(auth: Annotated[Authentication, Depends(server.require(acr="mfa"))]) -> dict[str, str]:
        return {"who": auth.subject}

    return app


def main() -> None:
    """Serve, and say on which port; the arguments are the stores as JSON and the event loop."""
    stores, loop = Stores(**json.loads(sys.argv[1])), sys.argv[2]
    listener, port = free_port()
    app = application(stores.deployment())
    config = uvicorn.Config(
        app, log_level="error", access_log=False, ws="none", lifespan="on", loop=loop, http=PARSERS[loop]
    )
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
