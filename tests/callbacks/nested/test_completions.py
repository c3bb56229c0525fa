"""Completion models: text in, text out, in plain chains and in LangChain's classic agents."""

import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import LLM
from langchain_core.outputs import GenerationChunk, LLMResult
from langchain_core.prompts import PromptTemplate
from langchain_core.tools import tool

from callbacks.handler import finish_reason_of, message_of
from tests.callbacks.nested.asking import ask, attempt
from tests.replies import final

pytestmark = pytest.mark.anyio
PROMPT = "{tools} {tool_names} {input} {agent_scratchpad}"


class Completing(LLM):
    """Says one reply after the other."""

    replies: list[str]
    streams: bool = True

    @property
    def _llm_type(self) -> str:
        return "completing"

    def _call(self, prompt: str, stop: Any = None, run_manager: Any = None, **_: Any) -> str:
        return self.replies.pop(0)

    def _stream(
        self,
        prompt: str,
        stop: Any = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **_: Any,
    ) -> Iterator[GenerationChunk]:
        for letter in self.replies.pop(0):
            chunk = GenerationChunk(text=letter)
            run_manager.on_llm_new_token(letter, chunk=chunk)
            yield chunk
            if letter == "!":
                raise ConnectionError


def streamed(model: Completing):
    """A chain that asks it for a stream."""

    async def pieces(_: Any) -> str:
        return "".join([piece async for piece in model.astream("Hi")])

    return pieces


async def test_a_plain_chain() -> None:
    model = Completing(replies=["It is nine."])
    ran = await ask(PromptTemplate.from_template("{messages}") | model)
    assert ran.shown == ["+It is nine."]


async def test_a_format() -> None:
    model = Completing(replies=[final("It is nine.")])
    ran = await attempt(PromptTemplate.from_template("{messages}") | model, "json_chat")
    assert ran.error is None
    assert ran.answer == "It is nine."


async def test_a_stream() -> None:
    from langchain_core.runnables import RunnableLambda

    model = Completing(replies=["It is nine."])
    ran = await ask(RunnableLambda(streamed(model)))
    assert ran.shown == ["+It is nine."]
    assert len(ran.events) == len("It is nine.") + 2


async def test_a_stream_that_breaks() -> None:
    from langchain_core.runnables import RunnableLambda

    model = Completing(replies=["Oh!", "It is nine."])
    chain = RunnableLambda(streamed(model)).with_retry(wait_exponential_jitter=False)
    ran = await ask(chain)
    assert ran.shown == ["-Oh!", "+It is nine."]


async def test_a_classic_agent() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from langchain_classic.agents import AgentExecutor, create_react_agent

    @tool
    async def echo(query: str) -> str:
        """Says it again."""
        return query

    model = Completing(
        replies=[
            "Thought: Hm.\nAction: echo\nAction Input: 3*3",
            "Thought: I know.\nFinal Answer: It is nine.",
        ]
    )
    agent = create_react_agent(model, [echo], PromptTemplate.from_template(PROMPT))
    executor = AgentExecutor(agent=agent, tools=[echo])
    chain = (lambda given: {"input": given["messages"]}) | executor | (lambda end: end["output"])
    ran = await ask(chain, "react")
    assert ran.returned == ran.answer == "It is nine."
    assert ran.tools == ["echo"]


def test_why_it_stopped() -> None:
    cut = GenerationChunk(text="It is", generation_info={"finish_reason": "length"})
    assert finish_reason_of(message_of(LLMResult(generations=[[cut]]))) == "length"
