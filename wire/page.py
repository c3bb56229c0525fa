"""The chat page and its files: read once, sent small, and not again while they are the same."""

import gzip
import hashlib
import re
from pathlib import Path
from typing import NamedTuple

from fastapi import APIRouter, Request
from starlette.responses import Response

from agent.models import OFFLINE
from agent.runner import Runner
from wire.access import Access

router = APIRouter(include_in_schema=False)

_WEB = Path(__file__).parent.parent / "web"
_TYPES = {".css": "text/css", ".html": "text/html", ".js": "text/javascript"}
_METHODS = ["GET", "HEAD"]
_GZIP = re.compile(r"\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))")
"""As it is said by who takes it; with a weight of zero it is refused."""
_HEADERS = {
    "Cache-Control": "no-cache",
    "Vary": "Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
}
_FOR_PAGES = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; "
        "require-trusted-types-for 'script'"
    ),
    "Referrer-Policy": "no-referrer",
}
"""It says what a page may load and do. A script or a style has no page of its own."""


class File(NamedTuple):
    """One of the page's files."""

    media_type: str
    content: bytes
    small: bytes
    tag: str


def _read(path: Path) -> File:
    content = path.read_bytes()
    tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    return File(_TYPES[path.suffix], content, gzip.compress(content, mtime=0), tag)


FILES = {path.name: _read(path) for path in _WEB.iterdir() if path.suffix in _TYPES}


@router.api_route("/", methods=_METHODS)
async def page(request: Request) -> Response:
    return _response(FILES["index.html"], request)


@router.get("/web/config")
async def config(request: Request) -> dict[str, bool]:
    """What the page must know before the first question; nothing that a stranger may not."""
    runner: Runner = request.app.state.runner
    access: Access = request.app.state.access
    return {
        "offline": runner.models[:1] == [OFFLINE],
        "documents": runner.has_documents,
        "wants_key": access.wants_keys,
    }


def _serve(name: str) -> None:
    """One route per file that was there at the start: no path from outside names a file."""

    async def file(request: Request) -> Response:
        return _response(FILES[name], request)

    router.add_api_route(f"/web/{name}", file, methods=_METHODS)


def _response(file: File, request: Request) -> Response:
    headers = _HEADERS | {"ETag": file.tag}
    if file.media_type == "text/html":
        headers |= _FOR_PAGES
    if file.tag in request.headers.get("if-none-match", ""):  # weak, or one of several
        return Response(status_code=304, headers=headers)
    if not _GZIP.search(request.headers.get("accept-encoding", "")):
        return Response(file.content, media_type=file.media_type, headers=headers)
    headers["Content-Encoding"] = "gzip"
    return Response(file.small, media_type=file.media_type, headers=headers)


for _name in FILES:
    _serve(_name)
