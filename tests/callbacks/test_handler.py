"""The handler, with real agents on a scripted model: what gets through, and in what order."""

import asyncio
import itertools
import json
from uuid import uuid4

import pytest
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, Generation, LLMResult
from langchain_core.runnables import RunnableGenerator
from langchain_core.tools import tool

from agent.build import build_agent
from agent.offline.model import OfflineChatModel
from callbacks.filters.json_chat import JsonChatFilter
from callbacks.handler import FinalAnswerHandler, drain, finish_reason_of, message_of, usage_of
from callbacks.stdout import StdoutHandler
from stream.events import (
    AnswerConfirmed,
    AnswerDelta,
    RunCompleted,
    ThoughtDelta,
    ToolFinished,
    ToolStarted,
    Usage,
)
from tests.agent.models import bare_model_on, model_on
from tests.replies import Gate, Reply, blob, cut_text, final

pytestmark = pytest.mark.anyio
SECRET = "sk-secret in /etc/path"


@tool
def echo(text: str) -> str:
    """Says it again."""
    return f"<{text}>"


@tool
def broken(text: str) -> str:
    """Raises."""
    raise RuntimeError(SECRET)


async def events_of(model, *, tools=(echo, broken), size: int = 256) -> list:
    """All that a run puts into the queue, in order, and how it ends."""
    queue = asyncio.Queue(size)
    handler = FinalAnswerHandler(queue, JsonChatFilter)

    async def run() -> None:
        try:
            agent = build_agent(model, protocol="json_chat", tools=tools)
            result = await agent.ainvoke({"messages": "Hi"}, {"callbacks": [handler]})
            await handler.finish(result["messages"][-1].text)
        finally:
            await queue.put(RunCompleted(handler.finish_reason, handler.usage))

    task = asyncio.create_task(run())
    events = [event async for batch in drain(queue) for event in batch]
    await task
    assert handler.answer == text_of(events)
    return events


def text_of(events: list) -> str:
    return "".join(event.text for event in events if isinstance(event, AnswerDelta))


def kinds(events: list) -> list[str]:
    """The kinds of events, without repetitions."""
    return [kind for kind, _ in itertools.groupby(event.type for event in events)]


async def test_tool_then_answer(upstream) -> None:
    upstream.say(blob("echo", "Hm"), usage=(10, 1))
    upstream.say(final("Well: Hm."), cut=2, usage=(20, 2))
    async with model_on(upstream) as model:
        started, finished, *answer, end = await events_of(model)
    assert (started.name, json.loads(started.input)) == ("echo", {"text": "Hm"})
    assert finished == ToolFinished(started.call_id, "echo", "<Hm>")
    assert text_of(answer) == "Well: Hm."
    assert kinds(answer) == ["answer_delta"]
    assert end == RunCompleted("stop", Usage(30, 3))


async def test_tool_events_carry_the_id_of_the_call(upstream) -> None:
    upstream.say(blob("echo", "a"))
    upstream.say(blob("echo", "b"))
    async with model_on(upstream) as model:
        events = await events_of(model)
    tools = [event for event in events if isinstance(event, ToolStarted | ToolFinished)]
    assert [event.type for event in tools] == ["tool_started", "tool_finished"] * 2
    first, second = {event.call_id for event in tools[:2]}, {event.call_id for event in tools[2:]}
    assert len(first) == len(second) == 1
    assert first != second


async def test_a_tool_that_raises_keeps_its_words(upstream) -> None:
    upstream.say(blob("broken", "x"))
    async with model_on(upstream) as model:
        started, finished, *rest = await events_of(model)
    assert finished == ToolFinished(
        started.call_id, "broken", "The tool failed (RuntimeError).", failed=True
    )
    assert text_of(rest) == "Hello there."
    told = json.dumps(upstream.requests[1].body)
    assert "The tool failed (RuntimeError)." in told
    assert SECRET not in told


async def test_a_tool_that_says_it_failed() -> None:
    queue = asyncio.Queue()
    handler = FinalAnswerHandler(queue, JsonChatFilter)
    run_id = uuid4()
    await handler.on_tool_start({"name": "t"}, "in", run_id=run_id)
    await handler.on_tool_end(ToolMessage("No.", tool_call_id="1", status="error"), run_id=run_id)
    assert queue.get_nowait() == ToolStarted(str(run_id), "t", "in")
    assert queue.get_nowait() == ToolFinished(str(run_id), "t", "No.", failed=True)


async def test_what_a_tool_does_inside_is_hidden(upstream) -> None:
    async with model_on(upstream) as model:

        @tool
        async def oracle(question: str) -> str:
            """Asks a model, and another tool."""
            answer = (await model.ainvoke(question)).text
            return await echo.ainvoke({"text": answer})

        upstream.say(blob("oracle", "Who?"), usage=(1, 1))
        upstream.say(final("Not for the user."), usage=(2, 2), finish_reason="length")
        upstream.say(final("For the user."), usage=(3, 3))
        events = await events_of(model, tools=[oracle])
    assert kinds(events) == ["tool_started", "tool_finished", "answer_delta", "run_completed"]
    assert text_of(events) == "For the user."
    assert events[1].output == f"<{final('Not for the user.')}>"
    assert events[-1] == RunCompleted("stop", Usage(6, 6)), "but its tokens are counted"


async def test_a_retriever_is_hidden_too() -> None:
    queue = asyncio.Queue()
    handler = FinalAnswerHandler(queue, JsonChatFilter)
    retriever, call = uuid4(), uuid4()
    await handler.on_retriever_start({}, "query", run_id=retriever)
    await handler.on_chat_model_start({}, [], run_id=call, parent_run_id=retriever)
    await handler.on_llm_new_token(final("Not for the user."), run_id=call)
    await handler.on_llm_end(result_of(AIMessage("x")), run_id=call)
    assert queue.empty()


@pytest.mark.parametrize("size", [1, 2, 256])
async def test_a_full_queue_slows_the_model_and_loses_nothing(upstream, size: int) -> None:
    answer = "".join(f"{n} " for n in range(300))
    upstream.say(final(answer), cut=3, coalesce=50)
    async with model_on(upstream) as model:
        events = await events_of(model, size=size)
    assert text_of(events) == answer


async def test_the_model_waits_for_a_full_queue(upstream) -> None:
    queue = asyncio.Queue(1)
    handler = FinalAnswerHandler(queue, JsonChatFilter)
    heard = Heard()
    gate = Gate()
    upstream.say(final("abcdefghij"), cut=1, gate=gate)
    async with model_on(upstream) as model:
        agent = build_agent(model, protocol="json_chat")
        run = asyncio.create_task(
            agent.ainvoke({"messages": "Hi"}, {"callbacks": [handler, heard]})
        )
        before = len(final("")) - 6  # tokens up to the opening quote of the answer
        gate.release(before + 3)
        await upstream.until(lambda: upstream.requests and upstream.requests[0].sent >= before + 2)
        await upstream.until(queue.full)
        stuck = heard.tokens
        gate.release(2)
        await upstream.until(lambda: upstream.requests[0].sent >= before + 4)
        assert heard.tokens <= stuck + 1, "at most the one that waits for room"
        assert not run.done()
        gate.release()
        text = ""
        while not run.done() or not queue.empty():
            text += (await queue.get()).text
            if text == "abcdefghij":
                break
        await run
    assert handler.answer == text == "abcdefghij"


class Heard(AsyncCallbackHandler):
    """Counts the tokens that LangChain has told of."""

    run_inline = True
    tokens = 0

    async def on_llm_new_token(self, token, **_) -> None:
        self.tokens += 1


async def test_a_failing_handler_fails_the_run() -> None:
    def no_grammar():
        raise LookupError("no grammar")

    handler = FinalAnswerHandler(asyncio.Queue(), no_grammar)
    agent = build_agent(OfflineChatModel(tokens_per_second=0))
    with pytest.raises(LookupError):
        await agent.ainvoke({"messages": "Hi"}, {"callbacks": [handler]})


async def test_a_model_that_was_not_told_to_stream_streams(upstream) -> None:
    upstream.say(final("One two three."), cut=1)
    async with bare_model_on(upstream) as model:
        events = await events_of(model)
        assert upstream.requests[0].body["stream"] is True
        assert len(events) > 3
        await build_agent(model, protocol="json_chat").ainvoke({"messages": "Hi"})
        assert not upstream.requests[1].body.get("stream"), "only because of the handler"


async def test_a_model_that_does_not_stream_is_heard_at_the_end(upstream) -> None:
    upstream.say(final("All at once."))
    async with bare_model_on(upstream, streaming=False) as model:
        assert text_of(await events_of(model)) == "All at once."
    assert not upstream.requests[0].body.get("stream")


async def test_what_the_agent_returns_counts_where_nothing_was_streamed(upstream) -> None:
    for _ in range(3):
        upstream.say("I just talk.")
    async with model_on(upstream) as model:
        events = await events_of(model)
    assert events == [AnswerDelta("I just talk."), RunCompleted("stop", Usage(36, 102))]


async def test_an_empty_answer_is_no_event(upstream) -> None:
    upstream.say(final(""))
    async with model_on(upstream) as model:
        assert kinds(await events_of(model)) == ["run_completed"]


@pytest.mark.parametrize(
    ("reported", "reason"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("content_filter", "content_filter"),
        ("tool_calls", "stop"),
        ("something new", "stop"),
    ],
)
async def test_finish_reasons(upstream, reported: str, reason: str) -> None:
    upstream.say(final("Cut")[:-6], finish_reason=reported)
    async with model_on(upstream) as model:
        events = await events_of(model)
    assert text_of(events) == "Cut"[: len(text_of(events))] != ""
    assert events[-1].finish_reason == reason


async def test_many_runs_at_once_do_not_mix(upstream) -> None:
    def reply(request) -> Reply:
        canary = request["temperature"]
        return Reply(tokens=cut_text(final(f"canary {canary} " * 20), 5))

    upstream.default = reply

    async def one(n: int) -> str:
        async with model_on(upstream, temperature=float(n)) as model:
            return text_of(await events_of(model))

    answers = await asyncio.gather(*map(one, range(10)))
    assert answers == [f"canary {float(n)} " * 20 for n in range(10)]


def result_of(message) -> LLMResult:
    return LLMResult(generations=[[ChatGeneration(message=message)]])


async def test_the_message_of_a_result() -> None:
    assert message_of(result_of(AIMessage("Hi"))).text == "Hi"
    assert message_of(LLMResult(generations=[[Generation(text="Hi")]])) == AIMessage("Hi")
    assert usage_of(AIMessage("Hi")) == Usage()
    assert finish_reason_of(AIMessage("Hi")) == "stop"


class Thinking:
    """A grammar that is never sure at once."""

    def feed(self, chunk):
        return [ThoughtDelta("Hm"), AnswerDelta(chunk.text, certain=False), AnswerDelta("")]

    def close(self):
        return [AnswerConfirmed()]


async def test_everything_a_grammar_says_gets_through_but_empty_text() -> None:
    queue = asyncio.Queue()
    handler = FinalAnswerHandler(queue, Thinking)
    run_id = uuid4()
    await handler.on_chat_model_start({}, [], run_id=run_id)
    await handler.on_llm_new_token("Hi", run_id=run_id)
    await handler.on_llm_end(result_of(AIMessage("Hi")), run_id=run_id)
    await handler.finish(None)
    events = [queue.get_nowait() for _ in range(queue.qsize())]
    assert events == [ThoughtDelta("Hm"), AnswerDelta("Hi", certain=False), AnswerConfirmed()]


async def test_a_tool_inside_a_hidden_step_is_hidden() -> None:
    queue = asyncio.Queue()
    handler = FinalAnswerHandler(queue, JsonChatFilter)
    retriever, inner = uuid4(), uuid4()
    await handler.on_retriever_start({}, "query", run_id=retriever)
    await handler.on_tool_start({"name": "t"}, "in", run_id=inner, parent_run_id=retriever)
    await handler.on_tool_end("out", run_id=inner)
    assert queue.empty()


async def same(chunks):
    async for chunk in chunks:
        yield chunk


async def test_other_streams_pass_through_unchanged() -> None:
    config = {"callbacks": [FinalAnswerHandler(asyncio.Queue(), JsonChatFilter)]}
    assert [chunk async for chunk in RunnableGenerator(same).astream("ab", config)] == ["ab"]
    sync_same = RunnableGenerator(lambda chunks: (yield from chunks))
    assert list(sync_same.stream("ab", {"callbacks": [StdoutHandler("json_chat")]})) == ["ab"]


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({}, "stop"),
        ({"finish_reason": "tool_calls"}, "stop"),
        ({"finish_reason": "lengthlength"}, "length"),
        ({"finish_reason": "MAX_TOKENS"}, "length"),
        ({"stop_reason": "max_tokens"}, "length"),
        ({"done_reason": "length"}, "length"),
        ({"status": "incomplete"}, "length"),
        ({"finish_reason": "SAFETY"}, "content_filter"),
        ({"stop_reason": "refusal"}, "content_filter"),
    ],
)
async def test_every_providers_word_for_it(metadata: dict, reason: str) -> None:
    assert finish_reason_of(AIMessage("Hi", response_metadata=metadata)) == reason
