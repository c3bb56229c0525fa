"""Tool calls that LangChain would read for minutes: refused, and nothing else is."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.utils.json import parse_partial_json

from agent.arguments import MAX_BROKEN, MAX_CALLS, Arguments, _closed
from stream.errors import UpstreamMalformed

LONG = "x" * MAX_BROKEN


def deltas(*calls: dict) -> dict:
    return {"choices": [{"delta": {"tool_calls": list(calls)}}]}


def call(text: str | None, index: int | None = 0, **fields: str) -> dict:
    return {"index": index, "function": {"arguments": text}, **fields}


def check(*frames: dict) -> None:
    arguments = Arguments()
    for frame in frames:
        arguments.add(frame)
    arguments.check()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "garbage",
        "x" * MAX_BROKEN,
        json.dumps({"a": LONG, "b": [LONG, {"c": 1}]}),
        '{"a": "line\nline' + LONG,
        '{"a": "' + LONG,
        '{"a": "\\"' + LONG + "\\",
        '{"a": [{"b": "' + LONG + '"}, "}',
        '{"a": {"' + LONG + '": [1, 2]',
        "[" * 10**6,
        "1" * 10**5,
    ],
    ids=lambda text: f"{text[:12]}{text[-6:]}",
)
def test_what_is_read_quickly(text: str) -> None:
    check(deltas(call(text)))


@pytest.mark.parametrize(
    "text",
    [
        "xx" + LONG,
        '{"a": 1, "' + LONG,
        '{"a": "' + LONG + '" "' + LONG,
        '""' * MAX_BROKEN,
        "]" * 2 * MAX_BROKEN,
        '{"a": "\\x' + LONG,
    ],
    ids=lambda text: f"{text[:12]}{text[-6:]}",
)
def test_what_is_not(text: str) -> None:
    with pytest.raises(UpstreamMalformed):
        check(deltas(call(text)))


def test_each_call_for_itself() -> None:
    whole = json.dumps({"a": LONG})
    check(*(deltas(call(c, 0), call(c, 1)) for c in whole))
    check(deltas(call(whole, id="a")), deltas(call(whole, id="b")), deltas(call(whole, None)))
    check(deltas(call(None)), deltas(call(whole)), {"choices": None}, {"choices": [{"delta": {}}]})
    with pytest.raises(UpstreamMalformed):
        check(deltas(call(whole)), deltas(call(whole)))


def test_many_calls() -> None:
    calls = [call("{}", n) for n in range(MAX_CALLS)]
    check(deltas(*calls), deltas(*calls))
    with pytest.raises(UpstreamMalformed):
        check(deltas(*calls), deltas(call("{}", MAX_CALLS)))


VALUES = st.recursive(
    st.text(max_size=4),
    lambda inner: (
        st.dictionaries(st.text(max_size=2), inner, max_size=2) | st.lists(inner, max_size=2)
    ),
    max_leaves=4,
)


@settings(deadline=None)
@given(VALUES)
def test_closing_is_what_langchain_does(value: object) -> None:
    source = json.dumps({"a": value}, ensure_ascii=False)
    for end in range(1, len(source)):
        try:
            closed = json.loads(_closed(source[:end]))
        except ValueError:
            continue  # within a key, an escape, before a value: LangChain steps back further
        assert closed == parse_partial_json(source[:end])
