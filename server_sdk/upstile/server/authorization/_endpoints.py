"""The embedded server's endpoints: a request is read here, handed on, and its refusal written here."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from upstile.protocol import (
    FORM_TYPE,
    AnswerRequest,
    MalformedMessage,
    StartRequest,
    TokenRequest,
    parse_form,
    read_request,
)
from upstile.server._errors import AuthorizationError, Rejection, StorageUnavailable
from upstile.server._http import Endpoint, HttpRequest, HttpResponse, json_response
from upstile.server._route import Route, document_route
from upstile.server.audit import EventKind, Events, SecurityEvent, refused_call
from upstile.server.authorization._apps import Apps
from upstile.server.authorization._page import METHODS, asked_by_apps
from upstile.server.authorization._possession import ProofOfPossession
from upstile.server.authorization._response import error_response, temporarily_unavailable, unavailable
from upstile.server.authorization.ceremony._answer import Answers
from upstile.server.authorization.ceremony._overload import Overload
from upstile.server.authorization.ceremony._sessions import form_mark
from upstile.server.authorization.ceremony._start import Starts
from upstile.server.authorization.enrolment._beginnings import Beginnings
from upstile.server.authorization.enrolment._enrolment import Enrolment
from upstile.server.authorization.enrolment._restoring import Restoring
from upstile.server.authorization.tokens._codes import Codes
from upstile.server.authorization.tokens._revocation import RevocationRequest, Revoker
from upstile.server.resource._refusal import Refusals, problem

M = TypeVar("M")
_Handle = Callable[[HttpRequest, Mapping[str, str], float], Awaitable[HttpResponse]]


MAX_BODY = 65_536
"""Bytes of a body that is read."""


@dataclass(frozen=True, kw_only=True)
class Endpoints:
    """The embedded server as HTTP.

    Attributes:
        clock: the time in epoch seconds; read once for each request.
        possession: checks the DPoP proof.
        apps, starts, answers, codes, revoker, enrolment, beginnings, restoring: judge what was read.
        refusals: writes what the authenticators endpoint says when storage fails.
        events: is told of each refusal.
        overload: says whether ceremonies may start.
    """

    clock: Callable[[], float]
    possession: ProofOfPossession
    apps: Apps
    starts: Starts
    answers: Answers
    codes: Codes
    revoker: Revoker
    enrolment: Enrolment
    beginnings: Beginnings
    restoring: Restoring
    refusals: Refusals
    events: Events
    overload: Overload = field(default_factory=Overload)

    def routes(self, prefix: str, documents: Mapping[str, Callable[[], Any]]) -> tuple[Route, ...]:
        """All routes; `documents` are the JSON documents to serve, by path."""
        enrolment, authenticators = self.enrolment, f"{prefix}/authenticators"
        challenge, token, revoke = f"{prefix}/challenge", f"{prefix}/token", f"{prefix}/revoke"
        forms = {
            challenge: self._oauth(challenge, self._read_challenge, self._challenge, _start_or_answer),
            token: self._oauth(token, _read_token_request, self._token, lambda _: "token-refused"),
            revoke: self._oauth(revoke, RevocationRequest.from_members, self._revoke, lambda _: "revocation-refused"),
        }
        guarded: dict[str, dict[str, _Handle]] = {
            authenticators: {"GET": enrolment.show, "POST": self.beginnings.begin},
            f"{authenticators}/{{id}}": {"PATCH": enrolment.rename, "DELETE": enrolment.remove},
            f"{authenticators}/{{id}}/verify": {"POST": enrolment.verify},
            f"{authenticators}/{{id}}/regenerate": {"POST": self.beginnings.regenerate},
            f"{authenticators}/{{id}}/open": {"POST": enrolment.open},
            f"{authenticators}/{{id}}/restore": {"POST": self.restoring.restore},
        }
        return (
            *(document_route(path, make) for path, make in documents.items()),
            *(_oauth_route(path, {"POST": endpoint}) for path, endpoint in forms.items()),
            _page_route(f"{prefix}/authorize"),
            *(self._resource_route(path, handles) for path, handles in guarded.items()),
        )

    def _resource_route(self, path: str, handles: Mapping[str, _Handle]) -> Route:
        endpoints = {method: self._resource(path, handle) for method, handle in handles.items()}
        return Route(
            path=path, endpoints=endpoints, unavailable=lambda error: self.refusals.unavailable(error).response
        )

    def _read_challenge(self, form: dict[str, str]) -> StartRequest | AnswerRequest:
        """Refuses a start before anything but its form was looked at: a late loop has no time for more."""
        if "response_type" in form and not self.overload.lets_in():
            raise temporarily_unavailable("the event loop is late, so no ceremony starts")
        return read_request(form)

    async def _challenge(self, request: HttpRequest, message: StartRequest | AnswerRequest, now: float) -> HttpResponse:
        self.apps.get(message.client_id)
        possession = self.possession.of(request, now)
        if isinstance(message, StartRequest):
            return await self.starts.handle(message, possession, now)
        return await self.answers.handle(message, form_mark(message.auth_session, request.body), possession, now)

    async def _token(self, request: HttpRequest, message: TokenRequest, now: float) -> HttpResponse:
        self.apps.get(message.client_id)
        possession = self.possession.of(request, now)
        response = await self.codes.redeem(message, possession, now)
        return json_response(200, response.to_members())

    async def _revoke(self, request: HttpRequest, message: RevocationRequest, now: float) -> HttpResponse:
        self.apps.get(message.client_id)
        await self.revoker.revoke(message, now)
        return HttpResponse(status=200, headers=(("cache-control", "no-store"),))

    def _oauth(
        self,
        path: str,
        read: Callable[[dict[str, str]], M],
        handle: Callable[[HttpRequest, M, float], Awaitable[HttpResponse]],
        refused: Callable[[HttpRequest], EventKind],
    ) -> Endpoint:
        """An endpoint for forms; `refused` says what its refusals are called."""

        async def endpoint(request: HttpRequest, _: Mapping[str, str]) -> HttpResponse:
            with self.events.request(request), self.events.telemetry.span(f"POST {path}"):
                try:
                    return await handle(request, _read_form(request, read), self.clock())
                except AuthorizationError as error:
                    self._note(refused(request), error.code, error.description)
                    return error_response(error)
                except StorageUnavailable:
                    self._note(refused(request), "temporarily_unavailable", "storage is away")
                    raise

        return endpoint

    def _note(self, kind: EventKind, code: str, description: str) -> None:
        verified = code != "invalid_dpop_proof"  # a proof may have been recorded: then this is not who it was
        event = SecurityEvent(kind=kind, user=None, at=self.clock(), reason=code, detail=description, verified=verified)
        self.events.note(event)  # whose it is, the request under way has learnt, or nobody knows

    def _resource(self, template: str, handle: _Handle) -> Endpoint:
        async def endpoint(request: HttpRequest, path: Mapping[str, str]) -> HttpResponse:
            with self.events.request(request) as known, self.events.telemetry.span(f"{request.method} {template}"):
                known.route = f"{request.method} {template}"
                try:
                    if len(request.body) > MAX_BODY:
                        raise problem("invalid-request", 413, "the body is too large")
                    return await handle(request, path, self.clock())
                except Rejection as rejection:
                    self.events.note(refused_call(rejection, self.clock(), "enrolment-refused"))
                    return rejection.response
                except StorageUnavailable:
                    self._note("enrolment-refused", "temporarily-unavailable", "storage is away")
                    raise

        return endpoint


def _start_or_answer(request: HttpRequest) -> EventKind:
    """What a refused request was: looked up in the form as it came, for it may be refused before it is read."""
    return "answer-refused" if b"authn_method=" in request.body[:MAX_BODY] else "start-refused"


def _oauth_route(path: str, endpoints: Mapping[str, Endpoint]) -> Route:
    return Route(path=path, endpoints=endpoints, unavailable=unavailable)


def _page_route(path: str) -> Route:
    endpoints = dict.fromkeys(METHODS, asked_by_apps)
    return Route(path=path, endpoints=endpoints, unavailable=unavailable, needs_storage=False)


def _read_form(request: HttpRequest, read: Callable[[dict[str, str]], M]) -> M:
    if len(request.body) > MAX_BODY:
        raise AuthorizationError("invalid_request", "the body is too large", status=413)
    if request.media_type() != FORM_TYPE:
        raise AuthorizationError("invalid_request", f"the body must be {FORM_TYPE}")
    try:
        return read(parse_form(request.body))
    except MalformedMessage as error:
        raise AuthorizationError("invalid_request", str(error)) from error


def _read_token_request(form: dict[str, str]) -> TokenRequest:
    if form.get("grant_type", "authorization_code") != "authorization_code":
        raise AuthorizationError("unsupported_grant_type", "only authorization_code is supported")
    return TokenRequest.from_members(form)
