"""What LangChain's messages carry, provider by provider, as the grammars read it."""

import json

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessageChunk
from langchain_core.messages.tool import invalid_tool_call, tool_call, tool_call_chunk
from langchain_openai.chat_models.base import _convert_responses_chunk_to_generation_chunk
from openai.types.responses import (
    ResponseFunctionCallArgumentsDeltaEvent,
    ResponseFunctionToolCall,
    ResponseOutputItemAddedEvent,
    ResponseOutputMessage,
    ResponseReasoningSummaryTextDeltaEvent,
    ResponseTextDeltaEvent,
)

from callbacks.chunks import chunks_of
from callbacks.filters.base import CallDelta, Chunk


def streamed(content="", **fields) -> list[Chunk]:
    message = AIMessageChunk(content=content, **fields)
    return list(chunks_of("not this", message))


def thought(text: str) -> Chunk:
    return Chunk(thought=text)


def test_a_token_without_a_message() -> None:
    assert chunks_of("Hi") == (Chunk("Hi"),)
    assert chunks_of("") == (Chunk(),)
    assert chunks_of(["a", {"type": "text", "text": "b"}]) == (Chunk("a"), Chunk("b"))
    assert chunks_of([]) == ()
    assert chunks_of("Hi", HumanMessageChunk(content="x")) == (Chunk("Hi"),)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("Hi", [Chunk("Hi")]),
        ("", [Chunk()]),
        ([], []),
        (["a", {"type": "text", "text": "b", "index": 0}], [Chunk("a"), Chunk("b")]),
        ([{"type": "text"}], [Chunk()]),
        ([{"type": "text", "text": 5}], [Chunk()]),
        # LangChain's own blocks.
        ([{"type": "reasoning", "reasoning": "Hm"}], [thought("Hm")]),
        ([{"type": "reasoning"}], [Chunk()]),
        # Anthropic's; the signature is none of it.
        ([{"type": "thinking", "thinking": "Hm", "signature": "x"}], [thought("Hm")]),
        ([{"type": "thinking", "signature": "x"}], [Chunk()]),
        # Bedrock's.
        ([{"type": "reasoning_content", "reasoning_content": {"text": "Hm"}}], [thought("Hm")]),
        # The Responses API's: a summary, or the whole of it.
        (
            [{"type": "reasoning", "id": "rs_1", "summary": [{"text": "H"}, {"text": "m"}]}],
            [thought("Hm")],
        ),
        (
            [{"type": "reasoning", "summary": [], "content": [{"text": "Hm"}]}],
            [thought("Hm")],
        ),
        (
            [
                {"type": "text", "text": "I look.", "phase": "commentary"},
                {"type": "text", "text": "4", "phase": "final_answer"},
            ],
            [Chunk("I look.", phase="commentary"), Chunk("4", phase="final_answer")],
        ),
        # No text: what is called comes by `tool_call_chunks`, other things not at all.
        ([{"type": "tool_use", "name": "f"}, {"type": "input_json_delta"}], []),
        ([{"type": "image_url", "image_url": "..."}, {"type": "refusal", "refusal": "No"}], []),
    ],
)
def test_content(content, expected: list[Chunk]) -> None:
    assert streamed(content) == expected
    assert list(chunks_of("not this", AIMessage(content))) == expected


@pytest.mark.parametrize(
    "extra",
    [
        {"reasoning_content": "Hm"},
        {"reasoning": "Hm"},
        {"reasoning": {"id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm"}]}},
    ],
)
def test_reasoning_in_extra_fields_comes_before_the_text(extra) -> None:
    assert streamed("4", additional_kwargs=extra) == [thought("Hm"), Chunk("4")]


def test_other_extra_fields_say_nothing() -> None:
    extra = {"reasoning": None, "refusal": "No", "audio": {}}
    assert streamed("4", additional_kwargs=extra) == [Chunk("4")]


def test_calls_that_are_streamed() -> None:
    pieces = [
        tool_call_chunk(name="f", args="", id="call_1", index=0),
        tool_call_chunk(name=None, args='{"a"', id=None, index=1),
        tool_call_chunk(name="g", args=None, id="x", index=None),
        {"type": "tool_call_chunk", "args": ": 1}", "index": "lc_1"},
    ]
    message = AIMessageChunk(content="I look.")
    message.tool_call_chunks = pieces
    calls = (
        CallDelta(0, "f", "", "call_1"),
        CallDelta(1, "", '{"a"'),
        CallDelta(None, "g", "", "x"),
        CallDelta("lc_1", "", ": 1}"),
    )
    assert list(chunks_of("", message)) == [Chunk("I look."), Chunk(calls=calls)]


def test_calls_of_a_whole_message() -> None:
    message = AIMessage(
        "I look.",
        tool_calls=[tool_call(name="f", args={"a": "é"}, id="call_1")],
        invalid_tool_calls=[
            invalid_tool_call(name="g", args='{"a": ', id="call_2", error=None),
            invalid_tool_call(name=None, args=None, id=None, error=None),
        ],
    )
    said, called = chunks_of("", message)
    assert said == Chunk("I look.")
    assert called.calls[1:] == (CallDelta(None, "g", '{"a": ', "call_2"), CallDelta(None))
    assert json.loads(called.calls[0].args) == {"a": "é"}
    assert called.calls[0]._replace(args="") == CallDelta(None, "f", "", "call_1")


def test_a_function_call_of_old() -> None:
    begun = {"function_call": {"name": "f", "arguments": None}}
    (_, first) = streamed(additional_kwargs=begun)
    (_, second) = streamed(additional_kwargs={"function_call": {"arguments": "{}"}})
    assert first.calls == (CallDelta("function_call", "f"),)
    assert second.calls == (CallDelta("function_call", "", "{}"),)


def test_the_responses_api_as_langchain_openai_passes_it_on() -> None:
    message = ResponseOutputMessage(
        id="msg_1", content=[], role="assistant", status="in_progress", type="message",
        phase="commentary",
    )  # fmt: skip
    called = ResponseFunctionToolCall(
        id="fc_1", call_id="call_1", name="f", arguments="", type="function_call"
    )
    where = {"item_id": "1", "sequence_number": 0}
    events = [
        ResponseReasoningSummaryTextDeltaEvent(
            **where, delta="Hm", output_index=0, summary_index=0,
            type="response.reasoning_summary_text.delta",
        ),
        ResponseOutputItemAddedEvent(
            item=message, output_index=1, sequence_number=0, type="response.output_item.added"
        ),
        ResponseTextDeltaEvent(
            **where, delta="I look.", content_index=0, output_index=1, logprobs=[],
            type="response.output_text.delta",
        ),
        ResponseOutputItemAddedEvent(
            item=called, output_index=2, sequence_number=0, type="response.output_item.added"
        ),
        ResponseFunctionCallArgumentsDeltaEvent(
            **where, delta="{}", output_index=2, type="response.function_call_arguments.delta"
        ),
    ]  # fmt: skip
    place, got = (-1, -1, -1), []
    for event in events:
        *place, generation = _convert_responses_chunk_to_generation_chunk(event, *place)
        got += chunks_of(generation.message.content, generation.message)
    assert [chunk for chunk in got if chunk] == [
        thought("Hm"),
        Chunk(phase="commentary"),
        Chunk("I look."),
        Chunk(calls=(CallDelta(2, "f", "", "call_1"),)),
        Chunk(calls=(CallDelta(2, "", "{}"),)),
    ]
