"""Models that `create_agent`'s middleware asks for itself."""

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import (
    AgentMiddleware,
    LLMToolEmulator,
    LLMToolSelectorMiddleware,
    SummarizationMiddleware,
    TodoListMiddleware,
    hook_config,
)
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool

from agent.protocols.middleware import Speak
from stream.errors import UnreadableReply
from tests.agent.models import model_on
from tests.callbacks.nested.asking import ask, attempt
from tests.callbacks.nested.test_tools import call, calls
from tests.replies import final

pytestmark = pytest.mark.anyio


@tool
async def echo(query: str) -> str:
    """Says it again."""
    return query


async def test_a_summary(upstream) -> None:
    upstream.say("Secret summary.")
    upstream.say("It is nine.")
    async with model_on(upstream) as model:
        summarize = SummarizationMiddleware(model, trigger=("messages", 2), keep=("messages", 1))
        agent = create_agent(model, middleware=[summarize])
        talk = RunnableLambda(lambda _: {"messages": ["One", "Two", "Three"]})
        ran = await ask(talk | agent)
    assert len(upstream.requests) == 2
    assert ran.shown == ["+It is nine."]


async def test_a_choice_of_tools(upstream) -> None:
    upstream.say('{"tools": ["echo"]}')
    upstream.say("It is nine.")
    async with model_on(upstream) as model:
        select = LLMToolSelectorMiddleware(model=model, max_tools=1)
        ran = await ask(create_agent(model, [echo], middleware=[select]))
    assert len(upstream.requests) == 2
    assert ran.shown == ["+It is nine."]


async def test_an_emulated_tool(upstream) -> None:
    async with model_on(upstream) as model:
        calls(upstream, call("echo", "x"))
        upstream.say("Secret.")
        upstream.say("It is nine.")
        ran = await ask(create_agent(model, [echo], middleware=[LLMToolEmulator(model=model)]))
    assert ran.shown == ["+It is nine."]


async def test_a_list_of_things_to_do(upstream) -> None:
    async with model_on(upstream) as model:
        function = {"name": "write_todos", "arguments": '{"todos": []}'}
        calls(
            upstream,
            "Let me plan.",
            {"tool_calls": [{"index": 0, "id": "1", "type": "function", "function": function}]},
        )
        upstream.say("It is nine.")
        ran = await ask(create_agent(model, middleware=[TodoListMiddleware()]))
    assert ran.shown == ["-Let me plan.", "+It is nine."]


class Asking(AgentMiddleware):
    """Somebody's own middleware, which asks a model wherever it can and marks nothing."""

    def __init__(self, model) -> None:
        super().__init__()
        self.model = model

    async def abefore_agent(self, state, runtime) -> None:
        await self.model.ainvoke("before_agent")

    async def abefore_model(self, state, runtime) -> None:
        inner = create_agent(self.model)
        await inner.ainvoke({"messages": "before_model"})

    async def aafter_model(self, state, runtime) -> None:
        await self.model.ainvoke("after_model")

    async def aafter_agent(self, state, runtime) -> None:
        await self.model.ainvoke("after_agent")

    async def awrap_tool_call(self, request, handler) -> ToolMessage:
        await self.model.ainvoke("wrap_tool_call")
        return await handler(request)


async def test_middleware_that_marks_nothing(upstream) -> None:
    async with model_on(upstream) as model:
        for _ in range(2):
            upstream.say("Secret.")
        calls(upstream, "Let me see.", call("echo", "x"))
        for _ in range(3):
            upstream.say("Secret.")
        upstream.say("It is nine.")
        for _ in range(2):
            upstream.say("Secret.")
        ran = await ask(create_agent(model, [echo], middleware=[Asking(model)]))
    assert len(upstream.requests) == 9
    assert ran.shown == ["-Let me see.", "+It is nine."]
    assert ran.tools == ["echo"]


class Rewording(AgentMiddleware):
    """Puts a signature under the answer."""

    async def aafter_agent(self, state, runtime) -> dict:
        last = state["messages"][-1]
        return {"messages": [AIMessage(f"{last.text}\nYours", id=last.id)]}


@pytest.mark.parametrize("format", ["message", "json_chat"])
async def test_middleware_that_adds_to_the_answer(upstream, format: str) -> None:
    upstream.say(final("Nine.") if format == "json_chat" else "Nine.")
    async with model_on(upstream) as model:
        ran = await ask(create_agent(model, middleware=[Rewording(), Speak(format)]), format)
    assert ran.returned == "Nine.\nYours"


class Sending(AgentMiddleware):
    """Sends the first answer back."""

    @hook_config(can_jump_to=["model"])
    async def aafter_model(self, state, runtime) -> dict | None:
        if len(state["messages"]) > 2:
            return None
        return {"messages": [HumanMessage("Try again")], "jump_to": "model"}


async def test_an_answer_that_was_sent_back(upstream) -> None:
    upstream.say("Eight.")
    upstream.say("Nine.")
    async with model_on(upstream) as model:
        ran = await ask(create_agent(model, middleware=[Sending()]))
    assert ran.shown == ["-Eight.", "+Nine."]


async def test_a_certain_answer_cannot_be_sent_back(upstream) -> None:
    upstream.say(final("Eight."))
    upstream.say(final("Nine."))
    async with model_on(upstream) as model:
        agent = create_agent(model, middleware=[Sending(), Speak("json_chat")])
        ran = await attempt(agent, "json_chat")
    assert isinstance(ran.error, UnreadableReply)
    assert ran.answer == "Eight."
