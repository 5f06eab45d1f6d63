"""`upstile request`: a call to the API, as curl would make it, that asks the person where the API wants it."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from upstile.client.cli._body import Said, body_of, headers_of
from upstile.client.cli._ending import REFUSED, Ending
from upstile.client.cli._here import Here, requirement
from upstile.client.cli._output import head_of, opened
from upstile.client.cli._status import Acr, MaxAge, Scope

if TYPE_CHECKING:
    from upstile.client import Client

Headers = Annotated[
    list[str] | None, typer.Option("--header", "-H", metavar="'NAME: VALUE'", help="A header; may be repeated.")
]
Data = Annotated[
    list[str] | None,
    typer.Option("--data", "-d", metavar="DATA", help="A form, such as a=1; @FILE and @- read one. May be repeated."),
]
Raw = Annotated[
    str | None, typer.Option("--data-binary", metavar="DATA", help="A body as it is; @FILE and @- read one.")
]
Json = Annotated[str | None, typer.Option("--json", metavar="DATA", help="A body of JSON; @FILE and @- read one.")]
Output = Annotated[
    str | None, typer.Option("--output", "-o", metavar="FILE", help="Where the body goes; standard output by default.")
]
Include = Annotated[bool, typer.Option("--include", "-i", help="Print status and headers before the body.")]
Location = Annotated[bool, typer.Option("--location", "-L", help="Follow redirects.")]
MaxTime = Annotated[
    float | None,
    typer.Option(
        "--max-time", "-m", metavar="SECONDS", min=0.001, help="How long the network may take; you have longer."
    ),
]


def request(
    here: Here,
    method: Annotated[str, typer.Argument(metavar="METHOD", help="GET, POST, PUT, PATCH, DELETE ...")],
    url: Annotated[str, typer.Argument(metavar="URL", help="A path such as /transfers, or an address of the API.")],
    header: Headers = None,
    data: Data = None,
    data_binary: Raw = None,
    json: Json = None,
    output: Output = None,
    include: Include = False,
    location: Location = False,
    max_time: MaxTime = None,
    acr: Acr = None,
    max_age: MaxAge = None,
    scope: Scope = None,
) -> None:
    """Call the API, and confirm what it asks for.

    Where the API asks for it you confirm on the terminal, and the call is repeated by itself. Options are those of
    curl. The body goes to standard output as it came, and questions to the terminal, so that the
    output may be piped. With --acr, --max-age or --scope you are asked before the call goes out.

    It ends with 22 where the API answers with a status of 400 or more; the body is printed all the same.

    \b
    Examples:
      upstile request GET /balance
      upstile request POST /transfers --json '{"to": "ACME", "amount": "50.00"}' | jq .balance
      upstile request PUT /documents/7 --data-binary @contract.pdf -H 'Content-Type: application/pdf'
      upstile request GET /statement.pdf -o statement.pdf
      upstile request DELETE /account --acr mfa --max-age 0
    """
    asked = requirement(acr, max_age, scope)
    said = Said(headers=header or (), data=data or (), raw=data_binary, json=json)
    options: dict[str, Any] = {"headers": headers_of(said), "follow_redirects": location}
    if max_time is not None:
        options["timeout"] = max_time
    with here.client() as client, body_of(said) as content:
        _must_be_the_api(client, url)
        call = client.stream(method.upper(), url, step_up=asked, content=content, **options)
        with call as response, opened(output, here.note) as write:
            if include:
                write(head_of(response))
            for chunk in response.iter_bytes():
                write(chunk)
    if response.status_code >= 400:
        status = f"{response.status_code} {response.reason_phrase}".rstrip()
        raise Ending(f"The API answered {status}", code=REFUSED)


def _must_be_the_api(client: "Client", url: str) -> None:
    """Another address would be called without the sign-in, which nobody means who types it here."""
    target, api = client.build_request("GET", url).url, client.base_url
    if (target.scheme, target.host, target.port) != (api.scheme, api.host, api.port):
        step = "Use a path such as /balance, or another --profile or --api."
        raise Ending(f"{url} is not at {api.scheme}://{api.netloc.decode()}, which this profile is for", step)
