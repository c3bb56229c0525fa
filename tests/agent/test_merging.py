"""Merged frames say what the frames said, with LangChain's own summing up as the judge."""

import asyncio
import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk

from agent.merging import merged
from agent.models import OpenAICompatible, close, openai_compatible

TEXTS = st.text(max_size=3)


def frame(
    *, finish: str | None = None, usage: Any = None, choice: Any = None, **delta: Any
) -> dict:
    whole = {"index": 0, "delta": delta, "finish_reason": finish, **(choice or {})}
    return {"id": "1", "choices": [whole], "usage": usage}


def call(index: int, arguments: Any, **fields: Any) -> dict:
    """More of a call, or with `id` or `name` its beginning."""
    function = {"arguments": arguments} | {k: fields.pop(k) for k in ("name",) if k in fields}
    return {"index": index, "function": function, **fields}


def more(index: int, arguments: str) -> dict:
    return frame(tool_calls=[call(index, arguments)])


def begin(index: int, arguments: str = "", id: str = "a") -> dict:  # noqa: A002  OpenAI's name for the field
    return frame(tool_calls=[call(index, arguments, id=id, name="t", type="function")])


JOINING = {
    "text": (frame(content="a"), frame(content="b"), frame(content="ab")),
    "with a role": (
        frame(role="assistant", content="a"),
        frame(content="b", refusal=None, tool_calls=[]),
        frame(role="assistant", content="ab"),
    ),
    "a thought": (
        frame(reasoning_content="a"),
        frame(content="", reasoning_content="b"),
        frame(reasoning_content="ab"),
    ),
    "a thought by another name": (
        frame(reasoning="a"),
        frame(reasoning="b"),
        frame(reasoning="ab"),
    ),
    "arguments": (more(1, "a"), more(1, "b"), more(1, "ab")),
    "arguments with what is nothing new": (
        more(0, "a"),
        frame(content="", tool_calls=[call(0, "b", id=None, name="", type="function")]),
        more(0, "ab"),
    ),
}


@pytest.mark.parametrize(("first", "second", "both"), JOINING.values(), ids=list(JOINING))
def test_what_joins(first: dict, second: dict, both: dict) -> None:
    assert list(merged(copy.deepcopy([first, second]))) == [both]


APART = {
    "the end": frame(content="a", finish="stop"),
    "usage": frame(content="a", usage={"prompt_tokens": 1}),
    "logprobs": frame(content="a", choice={"logprobs": {"content": []}}),
    "another choice": frame(content="a", choice={"index": 1}),
    "two choices": {"choices": [frame(content="a")["choices"][0]] * 2},
    "text and a thought": frame(content="a", reasoning_content="b"),
    "two thoughts": frame(reasoning="a", reasoning_content="b"),
    "a thought that is no text": frame(reasoning=[{"text": "a"}]),
    "the end of a thought": frame(reasoning="a", finish="stop"),
    "usage and a thought": frame(reasoning="a", usage={"prompt_tokens": 1}),
    "content in parts": frame(content=[{"type": "text", "text": "a"}]),
    "a call begins": begin(0),
    "a call by name": frame(tool_calls=[call(0, "a", name="t")]),
    "calls of no index": frame(tool_calls=[{"function": {"arguments": "a"}}]),
    "no arguments": frame(tool_calls=[{"index": 0, "function": {}}]),
    "two calls": frame(tool_calls=[call(0, "a"), call(1, "b")]),
    "a call with more to say": frame(tool_calls=[call(0, "a", extra_content={"signature": "x"})]),
    "text and a call": frame(content="a", tool_calls=[call(0, "a")]),
    "a function": frame(function_call={"arguments": "a"}),
    "nothing": frame(),
    "usage alone": {"choices": [], "usage": {"prompt_tokens": 1}},
    "no choices": {"choices": None},
    "an empty frame": {},
}


@pytest.mark.parametrize("apart", APART.values(), ids=list(APART))
@pytest.mark.parametrize("other", [frame(content="x"), frame(reasoning="x"), more(0, "x")])
def test_what_stays_apart(apart: dict, other: dict) -> None:
    frames = [other, apart, apart, other]
    assert list(merged(copy.deepcopy(frames))) == frames


@pytest.mark.parametrize(
    "frames",
    [
        [frame(content="a"), frame(reasoning="b"), frame(content="c")],
        [frame(reasoning="a"), frame(reasoning_content="b")],
        [more(0, "a"), more(1, "b"), more(0, "c")],
    ],
)
def test_each_with_its_own_only(frames: list[dict]) -> None:
    assert list(merged(copy.deepcopy(frames))) == frames


# Whatever is merged says the same.

FRAMES = st.one_of(
    st.builds(lambda text: frame(content=text), TEXTS),
    st.builds(lambda text: frame(reasoning_content=text), TEXTS),
    st.builds(lambda text: frame(content="", reasoning=text), TEXTS),
    st.builds(lambda text, thought: frame(content=text, reasoning=thought), TEXTS, TEXTS),
    st.builds(begin, st.integers(0, 2), TEXTS, st.sampled_from("ab")),
    st.builds(more, st.integers(0, 2), TEXTS),
    st.builds(lambda a, b: frame(tool_calls=[call(0, a), call(1, b)]), TEXTS, TEXTS),
    st.builds(lambda text: frame(content=text, finish="stop"), TEXTS),
    st.builds(lambda text: frame(content=text, choice={"logprobs": {"content": [text]}}), TEXTS),
    st.just({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}),
)
GROUPS = st.lists(st.lists(FRAMES, max_size=8), max_size=4)


@pytest.fixture(scope="module")
def model() -> Iterator[OpenAICompatible]:
    model = openai_compatible("test", base_url="http://127.0.0.1:1/v1")
    yield model
    model.root_client.close()
    asyncio.run(close(model))


def summed_up(model: OpenAICompatible, frames: list[dict]) -> dict:
    end = ChatGenerationChunk(message=AIMessageChunk(content="", chunk_position="last"))
    chunks = [
        model._convert_chunk_to_generation_chunk(copy.deepcopy(each), AIMessageChunk, {})
        for each in frames
    ]
    whole: Any = end + [chunk for chunk in chunks if chunk]
    return whole.model_dump()


@settings(deadline=None)
@given(groups=GROUPS)
def test_says_the_same_in_any_grouping(model: OpenAICompatible, groups: list[list[dict]]) -> None:
    frames = [each for group in groups for each in group]
    said = [each for group in groups for each in merged(copy.deepcopy(group))]
    assert len(said) <= len(frames)
    assert summed_up(model, said) == summed_up(model, frames)
