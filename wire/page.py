"""The chat page and its files."""

from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import FileResponse

from agent.models import OFFLINE
from agent.runner import Runner
from wire.access import Access

router = APIRouter(include_in_schema=False)

_WEB = Path(__file__).parent.parent / "web"
_TYPES = {".css": "text/css", ".html": "text/html", ".js": "text/javascript"}
FILES = {path.name: path for path in _WEB.iterdir() if path.suffix in _TYPES}
HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; "
        "require-trusted-types-for 'script'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@router.get("/")
async def page() -> FileResponse:
    return _file("index.html")


@router.get("/web/config")
async def config(request: Request) -> dict[str, bool]:
    """What the page must know before the first question; nothing that a stranger may not."""
    runner: Runner = request.app.state.runner
    access: Access = request.app.state.access
    return {"offline": runner.models[:1] == [OFFLINE], "wants_key": access.wants_keys}


def _serve(name: str) -> None:
    """One route per file that was there at the start: no path from outside names a file."""

    async def file() -> FileResponse:
        return _file(name)

    router.add_api_route(f"/web/{name}", file)


def _file(name: str) -> FileResponse:
    path = FILES[name]
    return FileResponse(path, media_type=_TYPES[path.suffix], headers=HEADERS)


for _name in FILES:
    _serve(_name)
