"""The bank's API, as its author writes it."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from hashlib import scrypt
from hmac import compare_digest
from time import time
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel, Field

from upstile.server import App, Authentication, TokenResponse
from upstile.server.fastapi import StepUp
from upstile.server.mail import CodeMails, Mailer
from upstile.server.methods import EmailCode, Method, RecoveryCodes, Totp, WebAuthn


class Credentials(BaseModel):
    username: str
    password: str


class Transfer(BaseModel):
    to: str
    amount: Annotated[Decimal, Field(gt=0)]


class PayoutAddress(BaseModel):
    address: str


def ways_to_confirm(mailer: Mailer) -> list[Method]:
    """What the bank's customers may prove themselves with; a recovery code is as good as the phone that is lost."""
    by_mail = EmailCode(CodeMails(mailer, apps={"bank-cli": "Bank"}))
    return [WebAuthn(), Totp(), RecoveryCodes(reaches_mfa=True), by_mail]


def create_app(
    *,
    url: str,
    storage: str,
    one_time: str | None = None,
    shared_storage: bool = False,
    methods: Iterable[Method] | None = None,
    clock: Callable[[], float] = time,
) -> FastAPI:
    """The bank under `url`; the other options are those of `StepUp.embedded`."""
    app = FastAPI(title="Bank")
    server = StepUp.embedded(
        url=url,
        storage=storage,
        one_time=one_time,
        shared_storage=shared_storage,
        clients=[App("bank-cli", scopes={"payments"})],
        methods=methods,
        name="Bank",
        clock=clock,
        allow_insecure_loopback=True,  # http://localhost; remove it for https
    )
    server.install(app)

    signed_in = server.requirement()
    any_proof = server.requirement(max_age=0, reason="Confirm that it is you who reads the statement")
    recent_mfa = server.requirement(acr="mfa", max_age=300, scope="payments", reason="Confirm this transfer")
    security_key = server.requirement(acr="phr", reason="Confirm with your security key before payouts move")
    this_very_call = server.requirement(acr="mfa", max_age=0, reason="Confirm that your account is to be closed")

    accounts = {"ada": Account(password_hash=_hash("correct horse"))}

    @app.post("/login")
    async def login(credentials: Credentials, request: Request) -> TokenResponse:
        account = accounts.get(credentials.username, NOBODY)
        if not compare_digest(account.password_hash, _hash(credentials.password)):
            raise HTTPException(403, "Unknown user or wrong password")
        name = credentials.username
        return await server.start_session(name, amr=["pwd"], request=request, account=f"{name}@example.com")

    @app.get("/balance")
    async def balance(auth: Annotated[Authentication, Depends(signed_in)]) -> dict[str, str]:
        return {"balance": str(accounts[auth.subject].balance)}

    @app.get("/statement")
    async def statement(auth: Annotated[Authentication, Depends(any_proof)]) -> dict[str, str]:
        return {"iban": "AT61 1904 3002 3457 3201", "balance": str(accounts[auth.subject].balance)}

    @app.post("/transfers")
    async def transfer(order: Transfer, auth: Annotated[Authentication, Depends(recent_mfa)]) -> dict[str, str]:
        account = accounts[auth.subject]
        account.balance -= order.amount
        return {"sent": str(order.amount), "to": order.to, "balance": str(account.balance)}

    @app.put("/payout-address")
    async def move_payouts(
        new: PayoutAddress, auth: Annotated[Authentication, Depends(security_key)]
    ) -> dict[str, str]:
        accounts[auth.subject].payout_address = new.address
        return {"payout_address": new.address}

    @app.delete("/account")
    async def close(auth: Annotated[Authentication, Depends(this_very_call)]) -> dict[str, bool]:
        accounts[auth.subject].closed = True
        return {"closed": True}

    return app


class Account(BaseModel):
    password_hash: bytes
    balance: Decimal = Decimal("1000.00")
    payout_address: str = "1 Old Street"
    closed: bool = False


def _hash(password: str) -> bytes:
    return scrypt(password.encode(), salt=b"one salt each, in a real bank", n=2**12, r=8, p=1)


NOBODY = Account(password_hash=b"\x00" * 64)
