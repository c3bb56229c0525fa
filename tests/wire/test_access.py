"""Who may come in, and that nobody sees what is another's."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import requests
from starlette.requests import Request

from stream.errors import Forbidden, LastwordError
from tests.replies import Stall, final
from tests.serving import Lastword, wait_for
from tests.upstream import Upstream
from tests.wire.helpers import (
    EVENTS,
    JSON,
    TIMEOUT,
    WIRES,
    Client,
    ask,
    delete,
    get,
    only_run,
)
from wire.access import Access, is_loopback

ANNE, BOB = "sk-anne-4711", "sk-bob-0815"


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def guarded(serve: Callable[..., Lastword]) -> Lastword:
    return serve(api_keys=f"{ANNE}, {BOB}")


# Keys

WRONG_KEYS: dict[str, dict[str, str]] = {
    "none": {},
    "an empty one": {"Authorization": "Bearer "},
    "a wrong one": bearer("sk-anne-4712"),
    "a part of one": bearer(ANNE[:-1]),
    "both": bearer(f"{ANNE}, {BOB}"),
    "without a scheme": {"Authorization": ANNE},
    "as a password": {"Authorization": f"Basic {ANNE}"},
    "in a header of its own": {"X-Api-Key": ANNE},
    "in a cookie": {"Cookie": f"Authorization=Bearer {ANNE}"},
    "not ASCII": {"Authorization": "Bearer ü"},
}
GUARDED = [
    ("POST", "/chat"),
    ("POST", "/ag-ui"),
    ("GET", f"/chat?text=hi&key={ANNE}&api_key={ANNE}&access_token={ANNE}"),
    ("GET", "/runs/0"),
    ("GET", "/runs/0/events"),
    ("DELETE", "/runs/0"),
    ("GET", "/threads/0"),
    ("DELETE", "/threads/0"),
    ("GET", "/metrics"),
]
OPEN = ["/health", "/ready", "/", "/docs", "/openapi.json"]


def test_who_has_no_key_stays_outside(guarded: Lastword, upstream: Upstream):
    for headers in WRONG_KEYS.values():
        for method, path in GUARDED:
            answer = requests.request(
                method, guarded.url + path, json={"text": "hi"}, headers=headers, timeout=TIMEOUT
            )
            assert answer.status_code == 401, (headers, path)
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert answer.json()["code"] == "unauthorized"
            assert "sk-" not in answer.text
    assert upstream.requests == []


def test_what_needs_no_key(guarded: Lastword):
    assert [get(guarded, path).status_code for path in OPEN] == [200] * len(OPEN)


@pytest.mark.parametrize("wire", WIRES)
def test_who_has_a_key_comes_in_from_anywhere(wire: str, guarded: Lastword):
    """The key is proof enough: no page elsewhere can send it in its visitor's name."""
    headers = {"Host": "lastword.example", "Origin": "https://elsewhere.example", "Accept": wire}
    for authorization in (f"Bearer {ANNE}", f"bearer  {BOB} "):
        answer = requests.post(
            guarded.url + "/chat",
            json={"text": "hi"},
            headers={**headers, "Authorization": authorization},
            timeout=TIMEOUT,
        )
        assert answer.ok


def test_a_bad_request_without_a_key_learns_nothing(guarded: Lastword):
    answer = requests.post(guarded.url + "/chat", json={"txet": 1}, timeout=TIMEOUT)
    assert answer.status_code == 401


# Users


def test_the_run_of_another_does_not_exist(guarded: Lastword, upstream: Upstream):
    stall = upstream.script(Stall())
    headers = f"Authorization: Bearer {ANNE}\r\n"
    with Client(guarded, EVENTS, headers=headers, thread_id="hers") as client:
        client.read_until(b"event: start")
        path = f"/runs/{only_run(guarded)}"
        for request, where in (
            (get, path),
            (get, path + "/events"),
            (get, path + "/events?after=999"),
            (delete, path),
        ):
            his = request(guarded, where, headers=bearer(BOB))
            nobodys = request(
                guarded, where.replace(path, "/runs/" + "0" * 32), headers=bearer(BOB)
            )
            assert his.status_code == nobodys.status_code == 404
            assert his.json() == nobodys.json(), "the answer tells that it exists"
        stall.gate.release()
        assert b'"finish_reason":"stop"' in client.read_until(b"0\r\n\r\n")
    assert get(guarded, path, headers=bearer(ANNE)).json()["state"] == "completed"


def test_threads_of_the_same_name_are_two(guarded: Lastword, upstream: Upstream):
    for key, text in ((ANNE, "I am Anne."), (BOB, "I am Bob.")):
        upstream.say(final(f"You said: {text}"))
        assert ask(guarded, text, JSON, key, thread_id="t").json()["chat_history"] == []
    his = get(guarded, "/threads/t", headers=bearer(BOB))
    assert "Anne" not in his.text
    assert his.json()["messages"][0] == {"role": "user", "content": "I am Bob."}
    assert delete(guarded, "/threads/t", headers=bearer(BOB)).status_code == 204
    assert get(guarded, "/threads/t", headers=bearer(BOB)).status_code == 404
    hers = ask(guarded, "Who am I?", JSON, ANNE, thread_id="t").json()
    assert hers["chat_history"][0]["content"] == "I am Anne."
    assert "Bob" not in str(upstream.requests[-1].body)


@pytest.mark.parametrize("on_conflict", ["reject", "interrupt"])
def test_the_thread_of_another_is_never_busy(
    on_conflict: str, guarded: Lastword, upstream: Upstream
):
    stall = upstream.script(Stall())
    headers = f"Authorization: Bearer {ANNE}\r\n"
    with Client(guarded, headers=headers, thread_id="t") as client:
        wait_for(lambda: guarded.active == 1)
        assert ask(guarded, key=BOB, thread_id="t", on_conflict=on_conflict).ok
        stall.gate.release()
        client.read_until(b"0\r\n\r\n")
        assert client.body == b"Hello there."


# Without keys

FOREIGN: dict[str, dict[str, str]] = {
    "a name that may be rebound": {"Host": "evil.example"},
    "one that looks like ours": {"Host": "localhost.evil.example"},
    "one that begins like ours": {"Host": "127.0.0.1.evil.example"},
    "another address": {"Host": "192.0.2.1"},
    "no name at all": {"Host": ""},
    "no address": {"Host": "["},
    "half an address": {"Host": "[::1"},
    "two names": {"Host": "localhost:80@evil.example"},
    "a path in it": {"Host": "evil.example/localhost"},
    "a port that is none": {"Host": "evil.example:99999"},
    "another site": {"Origin": "https://evil.example"},
    "another port": {"Origin": "http://127.0.0.1:1"},
    "a sandbox": {"Origin": "null"},
    "an origin that is none": {"Origin": "http://["},
    "an empty origin": {"Origin": ""},
    "an image on another site": {"Sec-Fetch-Site": "cross-site"},
    "a page on another port": {"Sec-Fetch-Site": "same-site"},
}


@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN)
def test_without_keys_strangers_stay_outside(
    headers: dict[str, str], shared: Lastword, model: Upstream
):
    for request in (
        lambda: get(shared, "/chat?text=hi", headers=headers),
        lambda: requests.post(
            shared.url + "/chat", json={"text": "hi"}, headers=headers, timeout=TIMEOUT
        ),
        lambda: get(shared, "/metrics", headers=headers),
    ):
        answer = request()
        assert answer.status_code == 403, answer.text
        assert answer.json()["code"] == "forbidden"
        assert "Access-Control-Allow-Origin" not in answer.headers
    assert model.requests == []


def test_without_keys_our_own_page_and_programs_come_in(shared: Lastword):
    host = shared.url.removeprefix("http://")
    port = host.rpartition(":")[2]
    for headers in (
        {},
        {"Origin": shared.url, "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Host": f"localhost:{port}", "Origin": f"http://localhost:{port}"},
        {"Host": f"LocalHost:{port}"},
        {"Host": f"[::1]:{port}"},
        {"Host": f"127.0.0.2:{port}", "Origin": f"http://127.0.0.2:{port}"},
    ):
        assert get(shared, "/chat?text=hi", headers=headers).text == "Hello there.", headers


# Pages of other origins

PAGE = "https://page.example"


@pytest.mark.parametrize("keys", ["", ANNE], ids=["without keys", "with keys"])
def test_pages_of_chosen_origins_may_ask(keys: str, serve: Callable[..., Lastword]):
    lastword = serve(cors_origins=PAGE, api_keys=keys)
    headers = {"Origin": PAGE, "Sec-Fetch-Site": "cross-site"} | (bearer(keys) if keys else {})
    answer = requests.post(
        lastword.url + "/chat", json={"text": "hi"}, headers=headers, timeout=TIMEOUT
    )
    assert answer.text == "Hello there."
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    exposed = answer.headers["Access-Control-Expose-Headers"].lower()
    assert {"x-run-id", "x-thread-id", "content-location"} <= set(exposed.split(", "))

    asked = {"Access-Control-Request-Method": "POST"}
    asked["Access-Control-Request-Headers"] = "authorization, content-type, last-event-id"
    preflight = requests.options(
        lastword.url + "/chat", headers={"Origin": PAGE, **asked}, timeout=TIMEOUT
    )
    assert preflight.status_code == 200
    assert preflight.headers["Access-Control-Allow-Origin"] == PAGE
    assert preflight.headers.get("Access-Control-Allow-Credentials") is None

    stranger = requests.options(
        lastword.url + "/chat",
        headers={"Origin": "https://evil.example", **asked},
        timeout=TIMEOUT,
    )
    assert "Access-Control-Allow-Origin" not in stranger.headers


def test_pages_can_read_why_they_are_refused(serve: Callable[..., Lastword]):
    lastword = serve(cors_origins=PAGE)
    answer = requests.post(
        lastword.url + "/chat", json={"text": ""}, headers={"Origin": PAGE}, timeout=TIMEOUT
    )
    assert answer.status_code == 422
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE


# Addresses that a test cannot listen at


def _request(server: tuple[str, int] | None = ("127.0.0.1", 80), **headers: str) -> Request:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope: dict[str, Any] = {"type": "http", "scheme": "http", "path": "/", "headers": raw}
    return Request(scope | ({"server": server} if server else {}))


@pytest.mark.parametrize("address", ["192.168.1.7", "0.0.0.0", "fe80::1", "2001:db8::1", "lan"])
def test_what_arrives_from_another_machine_is_refused(address: str):
    request = _request((address, 80), host="localhost")
    with pytest.raises(Forbidden):
        Access().principal(request)
    assert Access(anonymous=True).principal(request) == "anonymous"
    with pytest.raises(LastwordError, match="API key"):
        Access(["key"], anonymous=True).principal(request)


@pytest.mark.parametrize("server", [("127.0.0.1", 80), ("127.8.8.8", 80), ("::1", 80), None])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "[::1]"])
def test_what_arrives_from_this_machine(server: tuple[str, int] | None, host: str):
    assert Access().principal(_request(server, host=f"{host}:80")) == "anonymous"


def test_an_open_server_answers_by_any_name_but_to_no_other_page():
    access = Access(anonymous=True)
    own = {"host": "lan.example", "origin": "http://lan.example"}
    assert access.principal(_request(("192.168.1.7", 80), **own)) == "anonymous"
    with pytest.raises(Forbidden):
        access.principal(_request(host="lan.example", origin="http://evil.example"))


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("example.org", False),
        ("", False),
    ],
)
def test_addresses_of_this_machine(host: str, is_ours: bool):
    assert is_loopback(host) == is_ours


def test_a_principal_does_not_tell_its_key():
    access = Access([ANNE, BOB])
    names = [access.principal(_request(authorization=f"Bearer {key}")) for key in (ANNE, BOB)]
    assert len(set(names)) == 2
    assert not any(key in json.dumps(names) for key in (ANNE, BOB))
