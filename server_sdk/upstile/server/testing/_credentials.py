"""What a test's call carries: a token and, where it is bound to a key, a proof for each call (RFC 9449 §7.1)."""

from collections.abc import Callable
from secrets import token_urlsafe
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec

from upstile.protocol import create_proof


class Credentials:
    """A token, and the key that it is bound to. `token_for` makes them.

    They are an `auth=` of httpx, of httpx2 and of Starlette's `TestClient`, for one call or for a whole client:
    `client.post("/transfers", auth=token_for(server, "ada", acr="mfa"))`. Each call gets a proof of its own, for the
    address that the server is configured with, whatever the client calls it.

    Args:
        token: the text of the access token.
        url: the configured public base URL of the API.
        key: the P-256 key that the token is bound to; `None` for a bearer token.
        clock: the time of proofs, in epoch seconds.

    Attributes:
        token: the text of the access token.
    """

    def __init__(
        self, token: str, *, url: str, key: ec.EllipticCurvePrivateKey | None, clock: Callable[[], float]
    ) -> None:
        self.token = token
        self._url = url
        parts = urlsplit(url)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._key = key
        self._clock = clock

    def headers(self, method: str, path: str) -> dict[str, str]:
        """The header fields of one call: a proof is good once, for this method and this path.

        Args:
            method: such as `POST`; that of a websocket's handshake is `GET`.
            path: such as `/transfers/7`, as it goes over the wire; a query may stand behind it.
                Where the server's `url` has a path and the application a root path, it begins with that.
        """
        if self._key is None:
            return {"Authorization": f"Bearer {self.token}"}
        proof = create_proof(
            self._key,
            htm=method,
            htu=self._origin + path.partition("?")[0],
            now=self._clock(),
            jti=token_urlsafe(16),
            access_token=self.token,
        )
        return {"Authorization": f"DPoP {self.token}", "DPoP": proof}

    def __call__(self, request: Any) -> Any:
        """The request with these header fields: what the HTTP libraries call where `auth=` is a function."""
        request.headers.update(self.headers(request.method, request.url.raw_path.decode("ascii")))
        return request

    def __repr__(self) -> str:
        scheme = "Bearer" if self._key is None else "DPoP"
        return f"<{scheme} credentials for {self._url}: hand them to auth=, or send their headers(method, path)>"
