"""Who may open a socket, and whose runs are seen there."""

import asyncio
import base64
from collections.abc import Callable
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from tests.replies import Reply, Stall
from tests.serving import Lastword
from tests.upstream import Upstream
from tests.wire.helpers import spoken
from tests.wire.websocket.talk import answer_of, talking

pytestmark = pytest.mark.anyio
ANNE, BOB = "sk-anne", "sk-bob/with=signs?"
OURS = Subprotocol("lastword")


@pytest.fixture
def guarded(serve: Callable[..., Lastword]) -> Lastword:
    return serve(api_keys=f"{ANNE},{BOB}")


def as_protocol(key: str) -> Subprotocol:
    return Subprotocol("bearer." + base64.urlsafe_b64encode(key.encode()).decode().rstrip("="))


async def refused(lastword: Lastword, **options: Any) -> tuple[int, Any]:
    with pytest.raises(InvalidStatus) as refusal:
        async with talking(lastword, **options):
            pass
    response = refusal.value.response
    return response.status_code, response.headers


# With keys


@pytest.mark.parametrize("key", [ANNE, BOB])
async def test_a_key_in_the_header(key: str, guarded: Lastword):
    async with talking(guarded, key) as talk:
        assert answer_of(await talk.ask()) == "Hello there."
        assert talk.connection.subprotocol is None


@pytest.mark.parametrize("key", [ANNE, BOB])
async def test_a_key_among_the_subprotocols(key: str, guarded: Lastword):
    """It is not said back."""
    async with talking(guarded, subprotocols=[OURS, as_protocol(key)]) as talk:
        assert talk.connection.subprotocol == "lastword"
        assert answer_of(await talk.ask()) == "Hello there."


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"key": "sk-eve"},
        {"additional_headers": {"Authorization": f"Basic {ANNE}"}},
        {"subprotocols": [OURS]},
        {"subprotocols": [OURS, Subprotocol(ANNE)]},
        {"subprotocols": [OURS, Subprotocol(f"bearer.{ANNE}")]},
        {"subprotocols": [OURS, Subprotocol("bearer.")]},
        {"subprotocols": [OURS, Subprotocol("bearer._w")]},  # base64 of no text
        {"subprotocols": [OURS, as_protocol("sk-eve")]},
    ],
    ids=str,
)
async def test_no_key_no_socket(options: dict[str, Any], guarded: Lastword):
    status, headers = await refused(guarded, **options)
    assert status == 401
    assert headers["WWW-Authenticate"] == "Bearer"
    assert headers["Content-Type"] == "application/problem+json"


async def test_a_key_has_no_place_in_the_address(guarded: Lastword):
    status, _ = await refused(guarded, path=f"/ws?key={ANNE}&token={ANNE}&authorization={ANNE}")
    assert status == 401


async def test_the_runs_of_another_are_not_there(guarded: Lastword, upstream: Upstream):
    upstream.script(Stall())
    async with talking(guarded, ANNE) as anne, talking(guarded, BOB) as bob:
        run = await anne.begin(thread_id="t")
        for kind in ("resume", "cancel"):
            await bob.say(kind, run_id=run, id=kind)
            error = await bob.hear()
            assert error | {"message": ""} == {
                "type": "error",
                "id": kind,
                "run_id": run,
                "code": "not_found",
                "message": "",
                "retryable": False,
            }
        assert answer_of(await bob.ask(thread_id="t")) == "Hello there.", "it is another thread"
        await bob.say("leave", run_id=run)
        assert (await bob.hear())["type"] == "left"
        assert guarded.runner._audiences[run].is_there
        await anne.say("cancel", run_id=run)
        assert {(await anne.hear())["type"], (await anne.hear())["type"]} == {"end", "over"}


async def test_two_users_at_once_do_not_mix(guarded: Lastword, upstream: Upstream):
    upstream.default = lambda request: Reply(tokens=spoken(*request["messages"][-1]["content"]))

    async def talks(key: str, canary: str) -> None:
        async with talking(guarded, key) as talk:
            for n in range(10):
                assert answer_of(await talk.ask(f"{canary}-{n}")).endswith(f"{canary}-{n}")

    async with asyncio.TaskGroup() as tasks:
        for n in range(4):
            tasks.create_task(talks((ANNE, BOB)[n % 2], f"canary-{n}"))


# Without keys


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
async def test_pages_of_other_origins_may_not(origin: str, shared: Lastword):
    status, _ = await refused(shared, origin=origin)
    assert status == 403


async def test_a_page_of_ours_may(shared: Lastword):
    async with talking(shared, origin=shared.url, subprotocols=[OURS]) as talk:
        assert talk.connection.subprotocol == "lastword"
        await talk.say("ping")
        assert await talk.hear() == {"type": "pong"}


async def test_pages_that_are_named_may(serve: Callable[..., Lastword]):
    lastword = serve(cors_origins="https://friend.example")
    async with talking(lastword, origin="https://friend.example") as talk:
        assert answer_of(await talk.ask()) == "Hello there."


async def test_a_name_that_was_rebound_may_not(shared: Lastword):
    status, _ = await refused(shared, name="rebound.example")
    assert status == 403
