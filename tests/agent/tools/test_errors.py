"""A tool that raises tells the model so, and no more."""

import json

import pytest
from langchain_core.messages import ToolMessage
from langchain_core.tools import tool

from agent.build import build_agent
from tests.agent.models import model_on, sync_model_on
from tests.replies import blob

SECRET = "sk-secret in /etc/path"


@tool
def broken(text: str) -> str:
    """Raises."""
    raise RuntimeError(SECRET)


@tool
def strict(number: int) -> str:
    """Wants a number."""
    return f"{number}!"


def result_in(state: dict) -> ToolMessage:
    (message,) = [each for each in state["messages"] if isinstance(each, ToolMessage)]
    return message


def check(state: dict, upstream) -> None:
    result = result_in(state)
    assert (result.text, result.status) == ("The tool failed (RuntimeError).", "error")
    assert state["messages"][-1].text == "Hello there."
    assert SECRET not in json.dumps([request.body for request in upstream.requests])


@pytest.mark.anyio
async def test_async(upstream) -> None:
    upstream.say(blob("broken", "x"))
    async with model_on(upstream) as model:
        agent = build_agent(model, protocol="json_chat", tools=[broken])
        check(await agent.ainvoke({"messages": "Hi"}), upstream)


def test_sync(upstream) -> None:
    upstream.say(blob("broken", "x"))
    with sync_model_on(upstream) as model:
        agent = build_agent(model, protocol="json_chat", tools=[broken])
        check(agent.invoke({"messages": "Hi"}), upstream)


@pytest.mark.parametrize("call", [blob("strict", "no number"), blob("unknown", "x")])
def test_a_call_that_cannot_be_made(upstream, call: str) -> None:
    upstream.say(call)
    with sync_model_on(upstream) as model:
        state = build_agent(model, protocol="json_chat", tools=[strict]).invoke({"messages": "Hi"})
    assert result_in(state).status == "error"
    assert state["messages"][-1].text == "Hello there."
    assert result_in(state).text in upstream.requests[1].body["messages"][-1]["content"]
