"""Agents as their owners write them (`tests/examples`), on the real server over HTTP."""

import json
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import interrupt

from stream.errors import CATALOGUE
from tests import replies
from tests.replies import Stall, Status, Token, blob, cut_text, final
from tests.serving import Lastword
from tests.upstream import Upstream
from tests.wire.helpers import EVENTS, TEXT, WIRES, Sse, ask, delete, get, only_run, parse

TOOL = "San Francisco: 755,000"
ANSWER = "755,000 people, “San Francisco”."
# Its name is what makes the warning; that an example of an older kind is one is the point.
older = (
    pytest.mark.filterwarnings("ignore:create_react_agent has been moved"),
    pytest.mark.filterwarnings("ignore:.langchain-community. is being sunset"),
)


def native_call(tool: str, **arguments: Any) -> list[Token]:
    """A tool call as OpenAI's API streams it."""
    function = {"name": tool, "arguments": ""}
    begin = {"index": 0, "id": f"call_{tool}", "type": "function", "function": function}
    pieces = cut_text(json.dumps(arguments), 3)
    more = [{"index": 0, "function": {"arguments": piece}} for piece in pieces]
    return [{"tool_calls": [delta]} for delta in (begin, *more)]


CALL = ["Let me see.", *native_call("population", city="San Francisco")]
NATIVE = (CALL, cut_text(ANSWER, 3))
STRUCTURED = (CALL, native_call("Reply", answer=ANSWER, sure=True))
REACT = (
    cut_text(" I look it up.\nAction: population\nAction Input: San Francisco\n", 3),
    cut_text(f" I know.\nFinal Answer: {ANSWER}", 3),
)
JSON_CHAT = (cut_text(blob("population", "San Francisco"), 3), cut_text(final(ANSWER), 3))
THINKING = (cut_text(f"<think>Hm.</think>\n\n{ANSWER}", 3),)


@pytest.fixture
def serve_own(
    serve: Callable[..., Lastword], upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Lastword]:
    """A server with an example, which finds its model as its owner would have it."""
    monkeypatch.setenv("OPENAI_BASE_URL", upstream.url)
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    # Nobody closes the connections of an owner's model: here they end with each reply.
    head = replies.head
    monkeypatch.setattr(
        replies, "head", lambda *given, **length: head(*given, "Connection: close", **length)
    )
    for name in [name for name in sys.modules if name.startswith("tests.examples.")]:
        monkeypatch.delitem(sys.modules, name)  # its model is another test's
    return lambda name, protocol=None, **settings: serve(
        agent=f"tests.examples.{name}", protocol=protocol, **settings
    )


def script(upstream: Upstream, turns: Sequence[Sequence[Token]]) -> None:
    for tokens in turns:
        upstream.say("", finish_reason="stop").tokens = tokens


@pytest.mark.parametrize("accept", WIRES)
@pytest.mark.parametrize(
    ("name", "protocol", "turns"),
    [
        ("create_agent:agent", None, NATIVE),
        pytest.param("react_graph:make_agent", "message", NATIVE, marks=older),
        ("structured:agent", "structured", STRUCTURED),
        ("chain:agent", None, (cut_text(ANSWER, 3),)),
        ("chain:to_message", "think+message", THINKING),
        pytest.param("executors:react", "react", REACT, marks=older),
        pytest.param("executors:json_chat", "json_chat", JSON_CHAT, marks=older),
        pytest.param("executors:tool_calling", None, NATIVE, marks=older),
        ("graph:sync_agent", None, NATIVE),
        ("graph:make_agent", None, NATIVE),
    ],
)
def test_only_the_answer(
    serve_own, upstream: Upstream, name: str, protocol: str | None, turns: Any, accept: str
) -> None:
    lastword = serve_own(name, protocol)
    script(upstream, turns)
    response = ask(lastword, "How many?", accept)
    assert response.status_code == 200, response.text
    if accept == EVENTS:
        assert shown(parse(response.content)) == (TOOL if len(turns) > 1 else None, ANSWER)
    elif accept == TEXT:
        assert response.text == ANSWER
    else:
        assert response.json()["output"] == ANSWER
    assert len(upstream.requests) == len(turns)


def shown(events: Sequence[Sse]) -> tuple[Any, str]:
    """What a tool said, and the answer that stands at the end."""
    tool, answer = None, ""
    for event in events:
        if event.name == "tool" and event.data["state"] == "finished":
            tool = event.data["output"]
        elif event.name == "delta":
            answer += event.data["text"]
        elif event.name == "retract":
            answer = ""
    assert events[-1].name == "end", events[-1]
    return tool, answer


@pytest.mark.parametrize(
    "name",
    [
        "create_agent:agent",
        "chain:agent",
        pytest.param("executors:tool_calling", marks=older),
        "graph:sync_agent",  # it has a checkpointer of its own, and must not remember twice
    ],
)
def test_the_thread_is_remembered(serve_own, upstream: Upstream, name: str) -> None:
    lastword = serve_own(name)
    script(upstream, [["Many."], ["Yes."], ["Who asks?"]])
    thread = ask(lastword, "How many?").headers["X-Thread-Id"]
    assert ask(lastword, "Sure?", thread_id=thread).text == "Yes."
    assert heard(upstream) == [
        ("user", "How many?"),
        ("assistant", "Many."),
        ("user", "Sure?"),
    ]
    ask(lastword, "Hello?")
    assert heard(upstream) == [("user", "Hello?")]


def heard(upstream: Upstream) -> list[tuple[str, str]]:
    """The conversation as it reached the model in the end."""
    messages = upstream.requests[-1].body["messages"]
    return [(each["role"], each["content"]) for each in messages if each["role"] != "system"]


# What a request changes


def test_a_request_sets_what_the_agent_declares(serve_own, upstream: Upstream) -> None:
    lastword = serve_own("chain:agent", models=["gpt-4.1"])
    assert ask(lastword, temperature=0.25, model="gpt-4.1").ok
    assert ask(lastword).ok
    bodies = [request.body for request in upstream.requests]
    assert [body.get("temperature") for body in bodies] == [0.25, None]
    assert [body["model"] for body in bodies] == ["gpt-4.1", "gpt-4.1-mini"]
    assert ask(lastword, model="gpt-5").status_code == 422


def test_a_request_sets_what_a_graph_has_in_its_context(serve_own, upstream: Upstream) -> None:
    lastword = serve_own("graph:make_agent")
    assert ask(lastword, temperature=0.25).ok
    assert ask(lastword).ok
    assert [request.body["temperature"] for request in upstream.requests] == [0.25, 0.5]


@pytest.mark.parametrize("accept", WIRES)
@pytest.mark.parametrize("setting", [{"temperature": 0.25}, {"model": "gpt-4.1"}])
def test_a_request_sets_nothing_else(
    serve_own, upstream: Upstream, accept: str, setting: dict[str, Any]
) -> None:
    lastword = serve_own("create_agent:agent", models=["gpt-4.1"])
    refused = ask(lastword, accept=accept, **setting)
    assert refused.status_code == 422
    (field,) = setting
    assert f"{field}: is decided by this server's agent" in refused.text
    assert "gpt-4.1" not in get(lastword, "/v1/models").text
    assert upstream.requests == []
    lastword.wait_until_idle()


# Agents in trouble


def graph_of(node: Callable[[MessagesState], Any], **options: Any) -> Any:
    return (
        StateGraph(MessagesState).add_node("node", node).add_edge(START, "node").compile(**options)
    )


class Trouble:
    """Agents that do not answer."""

    asks = graph_of(lambda _: {"messages": [interrupt("May I?")]}, checkpointer=InMemorySaver())
    nothing = graph_of(lambda _: None)
    number = RunnableLambda(lambda _: 42)
    no_input = RunnableLambda(lambda given: given["question"])
    endless = (
        StateGraph(MessagesState)
        .add_node("node", lambda _: None)
        .add_edge(START, "node")
        .add_edge("node", "node")
        .compile()
        .with_config(recursion_limit=25)
    )


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("asks", "internal"),
        ("nothing", "unreadable_reply"),
        ("number", "unreadable_reply"),
        ("no_input", "internal"),
        ("endless", "iteration_limit"),
    ],
)
def test_a_run_that_comes_to_nothing(serve, name: str, code: str) -> None:
    lastword = serve(agent=f"{__name__}:Trouble.{name}", protocol=None)
    (start, failed) = parse(ask(lastword, accept=EVENTS).content)
    assert (start.name, failed.name, failed.data["code"]) == ("start", "failed", code)
    assert ask(lastword).status_code == CATALOGUE[code].status


@pytest.mark.parametrize("name", ["create_agent:agent", "graph:sync_agent"])
def test_a_model_that_refuses(serve_own, upstream: Upstream, name: str) -> None:
    upstream.script(Status(401, body={"error": {"message": "bad key sk-secret"}}))
    refused = ask(serve_own(name))
    assert refused.status_code == 502
    assert "refused this server's key" in refused.text
    assert "secret" not in refused.text


class Waiting:
    """Sync code that waits."""

    begun, go_on = threading.Event(), threading.Event()

    @staticmethod
    @RunnableLambda
    def agent(_: Any) -> str:
        Waiting.begun.set()
        assert Waiting.go_on.wait(10)
        return "Done."


def test_sync_code_keeps_nobody_waiting(serve) -> None:
    lastword = serve(agent=f"{__name__}:Waiting.agent", protocol=None)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ask, lastword)
        try:
            assert Waiting.begun.wait(10)
            assert get(lastword, "/health").ok
        finally:
            Waiting.go_on.set()
        assert answer.result().text == "Done."


def test_sync_code_is_cancelled_at_its_next_word(serve_own, upstream: Upstream) -> None:
    lastword = serve_own("graph:sync_agent")
    upstream.script(Stall(tokens=cut_text(ANSWER, 3), after=3))
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ask, lastword, accept=EVENTS)
        upstream.wait_for(lambda: upstream.requests and upstream.requests[0].sent == 3)
        assert delete(lastword, f"/runs/{only_run(lastword)}").ok
        events = parse(answer.result().content)
    assert (events[-1].name, events[-1].data["finish_reason"]) == ("end", "cancelled")
    upstream.release()
    upstream.wait_for(lambda: upstream.open == 0)
