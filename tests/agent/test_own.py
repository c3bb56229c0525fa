"""What one's own agent is given, and what its result comes to."""

import threading
from dataclasses import dataclass
from typing import Any, TypedDict

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.runnables import (
    ConfigurableField,
    RunnableLambda,
    RunnablePassthrough,
    RunnableSerializable,
)
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.runtime import Runtime
from pydantic import BaseModel

from agent.call_settings import CallSettings
from agent.own import OwnAgent, answer_of
from stream.errors import Internal

pytestmark = pytest.mark.anyio

HISTORY = [HumanMessage("Hi"), AIMessage("Hello.")]
QUESTION = HumanMessage("How are you?")
CONVERSATION = [
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello."},
    {"role": "user", "content": "How are you?"},
]


class Mine:
    """Where the agents of these tests are found."""

    agent: Any


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch):
    def make(found: Any) -> OwnAgent:
        monkeypatch.setattr(Mine, "agent", found, raising=False)
        return OwnAgent(f"{__name__}:Mine.agent")

    return make


async def call(agent: OwnAgent, config: Any = None, **settings: Any) -> Any:
    context = CallSettings(**settings)
    return await agent.ainvoke({"messages": CONVERSATION}, config, context=context)


async def test_it_finds_the_conversation_under_all_its_names(own) -> None:
    given = await call(own(RunnablePassthrough()))
    assert given == {
        "messages": [*HISTORY, QUESTION],
        "input": "How are you?",
        "chat_history": HISTORY,
    }


async def test_it_is_made_once_in_the_loop(own) -> None:
    made = []

    async def make() -> RunnablePassthrough:
        made.append(RunnablePassthrough())
        return made[-1]

    agent = own(make)
    assert made == []
    for _ in range(2):
        assert await agent.prepare() == set()
        assert (await call(agent))["input"] == "How are you?"
    assert len(made) == 1


async def test_sync_code_runs_in_a_thread(own) -> None:
    agent = own(RunnableLambda(lambda _: threading.current_thread()))
    assert await call(agent) is not threading.current_thread()


# What a request changes


class Tuned(RunnableSerializable[Any, str]):
    model: str = "own"
    temperature: float = 0.5

    def invoke(self, input, config=None, **_) -> str:  # noqa: A002  overrides LangChain's method
        assert config
        return f"{self.model} {self.temperature} {config['configurable'].get('thread_id')}"


async def test_it_takes_what_it_declares_as_configurable(own) -> None:
    agent = own(
        RunnablePassthrough()
        | Tuned().configurable_fields(
            model=ConfigurableField(id="model"), temperature=ConfigurableField(id="temperature")
        )
    )
    config = {"configurable": {"thread_id": "t"}}
    assert await agent.prepare() == {"model", "temperature"}
    assert await call(agent, config) == "own 0.5 t"
    assert await call(agent, config, temperature=0) == "own 0.0 t"
    assert await call(agent, model="openai:x", temperature=0.25) == "openai:x 0.25 None"
    assert config == {"configurable": {"thread_id": "t"}}


async def test_it_takes_no_more_than_it_declares(own) -> None:
    temperature = ConfigurableField(id="temperature")
    assert await own(Tuned().configurable_fields(temperature=temperature)).prepare() == {
        "temperature"
    }
    assert await own(Tuned()).prepare() == set()


@dataclass
class AsDataclass:
    user: "Nobody | str" = "nobody"  # noqa: F821  unresolvable on purpose
    temperature: float = 0.5


class AsModel(BaseModel):
    user: str = "nobody"
    temperature: float = 0.5


class AsDict(TypedDict, total=False):
    user: str
    temperature: float


@pytest.mark.parametrize("schema", [AsDataclass, AsModel, AsDict])
async def test_a_graph_takes_it_as_context(own, schema) -> None:
    def answer(_: MessagesState, runtime: Runtime[Any]) -> Any:
        context = runtime.context or {}  # LangGraph makes nothing of an empty dict
        given = context if isinstance(context, dict) else vars(context)
        return {"messages": [AIMessage(str(given.get("temperature", 0.5)))]}

    graph = StateGraph(MessagesState, context_schema=schema).add_node("answer", answer)
    agent = own(graph.add_edge(START, "answer").compile())
    assert await agent.prepare() == {"temperature"}
    assert answer_of(await call(agent)) == "0.5"
    assert answer_of(await call(agent, temperature=0.25)) == "0.25"


async def test_a_graph_without_a_context_takes_nothing(own) -> None:
    def answer(state: MessagesState, runtime: Runtime[Any]) -> Any:
        assert runtime.context is None
        assert state.keys() == {"messages"}
        return {"messages": [AIMessage("Hello.")]}

    graph = StateGraph(MessagesState).add_node("answer", answer).add_edge(START, "answer")
    agent = own(graph.compile())
    assert await agent.prepare() == set()
    assert answer_of(await call(agent)) == "Hello."


# What it returns


@pytest.mark.parametrize(
    ("result", "answer"),
    [
        ("text", "text"),
        ("", ""),
        (AIMessage("text"), "text"),
        (AIMessageChunk("text"), "text"),
        (AIMessage([{"type": "text", "text": "te"}, {"type": "text", "text": "xt"}]), "text"),
        ({"messages": [QUESTION, AIMessage("text")]}, "text"),
        ({"messages": [AIMessage("call"), ToolMessage("returned", tool_call_id="1")]}, "returned"),
        ({"output": "text"}, "text"),
        ({"output": AIMessage("text")}, "text"),
        ({"output": "text", "messages": [QUESTION], "input": "How are you?"}, "text"),
        ({"output": {"kind": "report"}, "messages": [AIMessage("text")]}, "text"),
        ({"messages": [AIMessage("text")], "__interrupt__": []}, "text"),
    ],
)
def test_an_answer(result: Any, answer: str) -> None:
    assert answer_of(result) == answer
    assert type(answer_of(result)) is str


@pytest.mark.parametrize(
    "result",
    [
        None,
        42,
        [],
        {},
        QUESTION,
        {"messages": []},
        {"messages": "text"},
        {"messages": [QUESTION]},
        {"messages": [{"role": "assistant", "content": "text"}]},
        {"output": {"answer": 42}},
        {"messages": [AIMessage("Returning: ...")], "structured_response": {"answer": "text"}},
    ],
)
def test_no_answer(result: Any) -> None:
    assert answer_of(result) is None


def test_a_graph_that_waits_for_somebody() -> None:
    with pytest.raises(Internal, match="waits for somebody"):
        answer_of({"messages": [AIMessage("May I?")], "__interrupt__": ["May I?"]})
