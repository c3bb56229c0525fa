"""A number out of an earlier answer must not pass for a source of this one."""

from typing import Any

import pytest

from agent.build import build_agent
from agent.tools.calculator import calculator
from agent.tools.search import search_tool
from tests.agent.models import model_on, sync_model_on
from tests.agent.protocols.speaking import call
from tests.agent.tools.test_search import CATS, Shelf
from tests.replies import Reply

TALK = [
    ("system", "Be [1]."),
    ("user", "Is [1] so?"),
    ("assistant", "Cats purr [1]."),
    ("user", "[2]"),
]
SEARCH, CALCULATE = search_tool(Shelf(pets=[CATS])), calculator
BARE = "Cats purr."
CALL = call(0, "search", '{"query": "pets"}', 9)


def said(upstream) -> list[list[Any]]:
    """What the model was sent of the conversation, call by call."""
    return [
        [
            each["content"]
            for each in request.body["messages"]
            if each["role"] in {"user", "assistant"}
        ]
        for request in upstream.requests
    ]


@pytest.mark.anyio
@pytest.mark.parametrize(("tool", "earlier"), [(SEARCH, BARE), (CALCULATE, "Cats purr [1].")])
async def test_earlier_answers_are_not_cited_again(upstream, tool, earlier: str) -> None:
    upstream.script(Reply(tokens=["Now [1].", *CALL], finish_reason="tool_calls"))
    upstream.say("Yes [1].")
    async with model_on(upstream) as model:
        agent = build_agent(model, protocol="message", tools=[tool])
        state = await agent.ainvoke({"messages": TALK})
    before = ["Is [1] so?", earlier, "[2]"]
    assert said(upstream) == [before, [*before, "Now [1]."]]
    assert [each.text for each in state["messages"]][:4] == [text for _, text in TALK]
    assert state["messages"][-1].text == "Yes [1]."


def test_nor_in_a_sync_call(upstream) -> None:
    parts = ("assistant", [{"type": "text", "text": "[1]"}])
    with sync_model_on(upstream) as model:
        agent = build_agent(model, protocol="message", tools=[SEARCH])
        agent.invoke({"messages": [*TALK[:3], parts, TALK[3]]})
        agent.invoke({"messages": TALK[2:3]})
    first, alone = said(upstream)
    assert first[1] == BARE
    assert alone == ["Cats purr [1]."], "nobody has asked since"
