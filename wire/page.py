"""The chat page and its files: read once, sent small, and not again while they are the same."""

import gzip
import hashlib
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
HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; "
        "require-trusted-types-for 'script'"
    ),
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
}


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


@router.get("/")
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

    router.add_api_route(f"/web/{name}", file)


def _response(file: File, request: Request) -> Response:
    headers = HEADERS | {"ETag": file.tag}
    if request.headers.get("if-none-match") == file.tag:
        return Response(status_code=304, headers=headers)
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(file.content, media_type=file.media_type, headers=headers)
    headers["Content-Encoding"] = "gzip"
    return Response(file.small, media_type=file.media_type, headers=headers)


for _name in FILES:
    _serve(_name)
