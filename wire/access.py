"""Who may come in: API keys where there are any, this machine's own programs where not."""

import base64
import hashlib
import ipaddress
from collections.abc import Iterable
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection

from stream.errors import Forbidden, Unauthorized

ANONYMOUS = "anonymous"
BEARER = "bearer."
"""Begins the subprotocol of a WebSocket that stands for a key: base64url of it, unpadded."""


class Access:
    """Decides for each request who is asking, or raises `Unauthorized` or `Forbidden`."""

    def __init__(
        self, keys: Iterable[str] = (), origins: Iterable[str] = (), *, anonymous: bool = False
    ) -> None:
        """Pages of `origins` may ask; `anonymous` opens a keyless server to other machines."""
        # A key is looked up by its hash, which takes as long for a near miss as for any other.
        self._principals = {_digest(key): _digest(key)[:16] for key in keys}
        self._origins = frozenset(origins)
        self._anonymous = anonymous

    @property
    def wants_keys(self) -> bool:
        return bool(self._principals)

    def principal(self, request: HTTPConnection) -> str:
        """A short stable name for who is asking. It never contains the key."""
        if self._principals:
            return self._of_key(_key(request))
        if not self._anonymous:
            _refuse_other_machines(request)
        self._refuse_other_pages(request)
        return ANONYMOUS

    def caller(self, authorization: str, address: str) -> str:
        """The same on a wire that no web page can use; `address` is where the call is from."""
        if self._principals:
            return self._of_key(_bearer(authorization))
        if not (self._anonymous or is_loopback(address)):
            raise Forbidden("Without API keys this server answers only to this machine.")
        return ANONYMOUS

    def _of_key(self, key: str | None) -> str:
        principal = None if key is None else self._principals.get(_digest(key))
        if principal is None:
            raise Unauthorized
        return principal

    def _refuse_other_pages(self, request: HTTPConnection) -> None:
        """Without a key, a page elsewhere could ask in its visitor's name, with an image tag."""
        origin, host = request.headers.get("origin"), request.headers.get("host")
        if origin in self._origins:
            return
        if origin is not None and origin not in {f"http://{host}", f"https://{host}"}:
            raise Forbidden("Pages of other origins may not use this server.")
        if request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
            raise Forbidden("Pages of other origins may not use this server.")


def _key(request: HTTPConnection) -> str | None:
    if (key := _bearer(request.headers.get("authorization", ""))) is not None:
        return key
    # A page can give a WebSocket no header, and an address is no place for a key.
    offered: list[str] = request.scope.get("subprotocols", [])
    return next((_from_base64(name) for name in offered if name.startswith(BEARER)), None)


def _bearer(authorization: str) -> str | None:
    scheme, _, key = authorization.partition(" ")
    return key.strip() if scheme.lower() == "bearer" else None


def _from_base64(name: str) -> str | None:
    text = name.removeprefix(BEARER)
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True).decode()
    except ValueError:
        return None


def _refuse_other_machines(request: HTTPConnection) -> None:
    """A server without keys is for this machine, by whatever name or address it is called."""
    # Not `request.url`: for a header that it cannot read it takes the server's own name.
    # A name other than `localhost` may have been rebound to us; an address cannot be.
    if not is_loopback(_hostname(request.headers.get("host", ""))):
        raise Forbidden("Without API keys this server answers only to localhost.")
    address = (request.scope.get("server") or ("127.0.0.1",))[0]
    if not is_loopback(address):
        raise Forbidden("Without API keys this server answers only on a loopback address.")


def _hostname(authority: str) -> str:
    try:
        return urlsplit(f"//{authority}").hostname or ""
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    """Whether an address or name means this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


class _Bearer(SecurityBase):
    """Asks `Access`, and has the documentation say so."""

    model = HTTPBearer(description="One of the server's API keys.")
    scheme_name = "Bearer"

    async def __call__(self, request: HTTPConnection) -> str:
        access: Access = request.app.state.access
        return access.principal(request)


Principal = Annotated[str, Depends(_Bearer())]
"""A parameter of this type is all the access control that an endpoint needs."""
