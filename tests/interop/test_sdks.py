"""The SDKs of Anthropic and OpenAI, which speak httpx2, at an API that asks for more: one prompt, and their answer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from typing import Any

import httpx2
import pytest

from examples.bank.serving import serving
from support.bank_server import MovableClock
from support.installed import module
from support.model_api import ANSWER, CLIENT_ID, WORDS, ModelApi
from support.phone import PersonWithAPhone
from upstile.client import OutcomeUnknown, StepUpCancelled, StepUpError, Totp
from upstile.client.httpx2 import AsyncClient, Client, StepUpAuth
from upstile.server.authorization.ceremony import _overload

ASKED: dict[str, Any] = {"model": "small", "messages": [{"role": "user", "content": "Pay the invoice"}]}


@dataclass(frozen=True)
class Place:
    """The API, its user, and how their app is set up."""

    url: str
    api: ModelApi
    user: PersonWithAPhone
    options: dict[str, Any]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The API, where its user has enrolled an authenticator app."""
    api, clock = ModelApi(), MovableClock()
    user, folder = PersonWithAPhone(clock), tmp_path_factory.mktemp("models")
    options = {"client_id": CLIENT_ID, "prompter": user, "methods": [Totp()], "clock": clock, "monotonic": clock}
    with pytest.MonkeyPatch.context() as changed, serving(lambda url: api.app(url, folder, clock)) as url:
        changed.setattr(_overload, "LATE", inf)  # a busy machine must not refuse what a test starts
        place = Place(url, api, user, options)
        with signed_in(place) as client:
            client.authenticators.enroll(Totp(), "phone")
        yield place


@pytest.fixture
def place(served: Place) -> Place:
    """The same, as if nobody had called yet."""
    served.api.forget()
    served.user.occasions.clear()
    return served


def anthropic(place: Place, http: Any, **options: Any) -> Any:
    """The SDK of Anthropic, on the app's client."""
    sdk = module("anthropic")
    kind = sdk.AsyncAnthropic if isinstance(http, httpx2.AsyncClient) else sdk.Anthropic
    return kind(**{"api_key": "unused", "base_url": place.url, "http_client": http, **options})


def openai(place: Place, http: Any, **options: Any) -> Any:
    """The SDK of OpenAI, on the app's client."""
    sdk = module("openai")
    kind = sdk.AsyncOpenAI if isinstance(http, httpx2.AsyncClient) else sdk.OpenAI
    return kind(**{"api_key": "unused", "base_url": f"{place.url}/v1", "http_client": http, **options})


def message(sdk: Any, **options: Any) -> Any:
    """A call of Anthropic's SDK."""
    return sdk.messages.create(**ASKED, max_tokens=9, **options)


def completion(sdk: Any, **options: Any) -> Any:
    """A call of OpenAI's SDK."""
    return sdk.chat.completions.create(**ASKED, **options)


def in_message(answer: Any) -> str:
    """What the model said, whole."""
    return str(answer.content[0].text)


def in_completion(answer: Any) -> str:
    """The same."""
    return str(answer.choices[0].message.content)


def in_message_part(part: Any) -> str:
    """What the model said, in one event."""
    return part.delta.text if part.type == "content_block_delta" else ""


def in_completion_part(part: Any) -> str:
    """The same."""
    return part.choices[0].delta.content or ""


@dataclass(frozen=True)
class Sdk:
    """How an SDK is made, called and read."""

    made: Callable[..., Any]
    call: Callable[..., Any]
    text: Callable[[Any], str]
    part: Callable[[Any], str]


SDKS = pytest.mark.parametrize(
    "sdk",
    [
        Sdk(anthropic, message, in_message, in_message_part),
        Sdk(openai, completion, in_completion, in_completion_part),
    ],
    ids=["anthropic", "openai"],
)


@contextmanager
def signed_in(place: Place, **options: Any) -> Iterator[Client]:
    """The app's client; its user has signed in."""
    with Client(place.url, **{**place.options, **options}) as client:
        client.sign_in("/login?user=ada", json={})
        yield client


@SDKS
def test_a_call_steps_up_with_one_prompt_and_the_next_one_with_none(place: Place, sdk: Sdk) -> None:
    with signed_in(place) as http:
        answers = [sdk.text(sdk.call(sdk.made(place, http))) for _ in range(2)]
    assert (answers, len(place.user.occasions), place.api.calls) == ([ANSWER, ANSWER], 1, 2)


@SDKS
def test_a_streamed_answer_steps_up_and_stays_streamed(place: Place, sdk: Sdk) -> None:
    read = list[str]()
    place.api.read = lambda: bool(read)  # what follows the first word is sent when the app has read it
    with signed_in(place) as http:
        for part in sdk.call(sdk.made(place, http), stream=True):
            read.extend(filter(None, [sdk.part(part)]))
    assert (read, len(place.user.occasions)) == (WORDS, 1)


@SDKS
def test_async_calls_share_one_prompt_and_stay_streamed(place: Place, sdk: Sdk) -> None:
    read = list[str]()
    place.api.read = lambda: bool(read)

    async def main() -> list[str]:
        async with AsyncClient(place.url, **place.options) as http:
            await http.sign_in("/login?user=ada", json={})
            made = sdk.made(place, http)
            answers = await asyncio.gather(*(_awaited(sdk.call(made)) for _ in range(5)))
            parts: AsyncIterator[Any] = await sdk.call(made, stream=True)
            async for part in parts:
                read.extend(filter(None, [sdk.part(part)]))
            return [sdk.text(answer) for answer in answers]

    assert asyncio.run(main()) == [ANSWER] * 5
    assert (read, len(place.user.occasions)) == (WORDS, 1)


@SDKS
def test_what_the_sdk_retries_itself_asks_nobody_again(place: Place, sdk: Sdk) -> None:
    place.api.failures = [429, 503]
    with signed_in(place) as http:
        assert sdk.text(sdk.call(sdk.made(place, http))) == ANSWER
    assert (len(place.user.occasions), place.api.calls) == (1, 3)


@SDKS
def test_who_declines_is_not_asked_again_by_the_sdks_own_retries(place: Place, sdk: Sdk) -> None:
    with signed_in(place) as http:
        made = sdk.made(place, http, max_retries=1)
        place.user.declines = True
        assert isinstance(_error_below(lambda: sdk.call(made)), StepUpCancelled)
        assert len(place.user.occasions) == 1
        place.user.declines = False
        assert sdk.text(sdk.call(made)) == ANSWER  # a call of the app's own asks again
    assert len(place.user.occasions) == 2


@SDKS
def test_an_sdks_client_is_upgraded_by_its_auth(place: Place, sdk: Sdk) -> None:
    with signed_in(place) as http:
        session = http.step_up_auth.session
        token, key = session.tokens.current().base, session.key._key
    auth = StepUpAuth(place.url, token=token, dpop_key=key, **place.options)
    with httpx2.Client(auth=auth) as plain:
        assert sdk.text(sdk.call(sdk.made(place, plain))) == ANSWER
    auth.close()
    assert len(place.user.occasions) == 1


def test_a_call_whose_outcome_is_unknown_is_not_sent_again_by_the_sdk(place: Place) -> None:
    with signed_in(place, transport=Cut()) as http:
        made = anthropic(place, http, base_url=f"{place.url}/once", max_retries=1)
        assert isinstance(_error_below(lambda: message(made)), OutcomeUnknown)
    assert (len(place.user.occasions), place.api.calls) == (1, 1)


class Cut(httpx2.HTTPTransport):
    """Loses each answer of the model."""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        response = super().handle_request(request)
        if request.url.path == "/once/v1/messages" and response.status_code == 200:
            response.close()
            raise httpx2.ReadError("gone", request=request)
        return response


def _error_below(call: Callable[[], Any]) -> StepUpError | None:
    """What a call raises, without what an SDK has wrapped around it."""
    try:
        call()
    except Exception as error:
        found: BaseException | None = error
        while found is not None and not isinstance(found, StepUpError):
            found = found.__cause__
        return found
    return None


async def _awaited(answer: Awaitable[Any]) -> Any:
    return await answer
