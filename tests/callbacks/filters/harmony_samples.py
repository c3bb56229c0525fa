"""Replies in the `harmony` format, in every style that it allows, and noise made of its parts."""

import json

from hypothesis import strategies as st

from callbacks.filters.base import ActionRead
from tests.callbacks.filters import json_chat_samples as json_chat
from tests.callbacks.filters.harmony_reference import TOKEN, value_of
from tests.callbacks.filters.json_chat_reference import joined
from tests.callbacks.filters.reading import Sample

ENDS = ["<|end|>", "<|return|>", "<|call|>"]
PARTS = [
    "<|channel|>",
    "<|constrain|>",
    "<|start|>",
    "<|message|>",
    "<",
    "<|",
    "<|en",
    "|>",
    "<|retur",
]
DECOY = "<|channel|>final<|message|>no"

contents = (
    st.lists(
        st.one_of(
            st.text(json_chat.ANY_CHARACTER, max_size=6),
            st.sampled_from([*PARTS, DECOY, "analysis", "final", "你好", "😀", "\ud83d", "\ude00"]),
        ),
        max_size=5,
    )
    .map("".join)
    .filter(lambda text: not any(end in text for end in ENDS))
)


@st.composite
def headers(draw, rest: str, *, first: bool) -> str:
    """With or without what the prompt may have said already."""
    starts = ["<|start|>assistant", "<|start|>assistant"]
    starts += ["", "assistant"] if first else [" \n<|start|>assistant", ""]
    return draw(st.sampled_from(starts)) + rest + "<|message|>"


@st.composite
def thoughts(draw, *, first: bool) -> str:
    rests = ["<|channel|>analysis", "<|channel|>commentary", "<|channel|>analysis ", ""]
    rests += ["<|channel|>commentary to=all", "<|channel|>finally"]
    header = draw(headers(draw(st.sampled_from(rests)), first=first))
    foreign = "<|start|>" + draw(
        st.sampled_from(
            ["user", "functions.x to=assistant<|channel|>commentary", "system<|channel|>final"]
        )
    )
    header = foreign + "<|message|>" if draw(st.integers(0, 5)) == 0 else header
    return header + draw(contents) + draw(st.sampled_from(["<|end|>", "<|end|>", "<|return|>"]))


@st.composite
def before(draw) -> str:
    count = draw(st.integers(0, 3))
    return "".join(draw(thoughts(first=index == 0)) for index in range(count))


@st.composite
def answers(draw) -> Sample:
    lead = draw(before())
    rest = draw(st.sampled_from(["<|channel|>final", "<|channel|>final <|constrain|>json"]))
    lead += draw(headers(rest, first=not lead))
    content = draw(contents)
    end = draw(st.sampled_from(ENDS))
    after = draw(st.sampled_from(["", "<|start|>assistant" + DECOY, " more"]))
    text = lead + content + end + after
    return Sample(text, joined(content), None, len(lead), len(lead) + len(content))


@st.composite
def actions(draw) -> Sample:
    lead = draw(before())
    name = draw(st.sampled_from(["calculator", "browser.search", "計算"]))
    to = f" to=functions.{name}" if draw(st.booleans()) else f" to={name}"
    channel = draw(st.sampled_from(["<|channel|>commentary", "<|channel|>analysis"]))
    kind = draw(st.sampled_from(["", " <|constrain|>json", " json", "<|constrain|>json"]))
    rest = draw(st.sampled_from([channel + to, to + channel]))
    lead += draw(headers(rest + kind, first=not lead))
    given = draw(
        st.one_of(
            st.dictionaries(st.sampled_from("ab"), json_chat.json_values, max_size=2).map(
                lambda value: json.dumps(value, ensure_ascii=False)
            ),
            contents,
        )
    )
    end = draw(st.sampled_from(ENDS))
    if given.strip().startswith("{") and isinstance(value_of(given), dict):
        end = draw(st.sampled_from([end, ""]))
    after = draw(st.sampled_from(["", "<|start|>assistant" + DECOY])) if end else ""
    text = lead + given + end + after
    complete = len(lead) + len(given.rstrip())
    return Sample(text, None, ActionRead(name, value_of(given)), len(lead), complete)


noise = st.lists(
    st.one_of(
        st.sampled_from([*ENDS, "<|start|>", "<|message|>", "<|channel|>", *PARTS]),
        st.sampled_from(["assistant", "user", "final", "analysis", "commentary", " ", "\n", "{}"]),
        st.sampled_from([" to=functions.f", " to=all", "to=", "{", "}", '{"a": 1}', "json"]),
        st.sampled_from([DECOY, "<|channel|>analysis<|message|>", "<|end|><|start|>assistant"]),
        st.text(json_chat.ANY_CHARACTER, max_size=3),
    ),
    max_size=20,
).map("".join)


def endless(size: int) -> list[str]:
    final = "<|channel|>final<|message|>"
    return [
        "x " * (size // 2),
        "<" * size,
        "<|start|>" * (size // 9),
        "<|channel|>analysis<|message|>x<|end|>" * (size // 38),
        "<|channel|>analysis<|message|>" + "<|en" * (size // 4),
        "<|channel|>analysis<|message|>" + "\ud83d" * size,
        "<|channel|>commentary to=f<|message|>" + "x" * size,
        final + "a" * size,
        final + "<|" * (size // 2),
        final + "é<" * (size // 2),
        final + "<|end|>" * (size // 7),
    ]


def tokens(text: str) -> list[str]:
    """Cut as gpt-oss says it: a special token is one token."""
    return [part for part in TOKEN.split(text) if part]
