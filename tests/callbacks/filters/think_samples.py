"""Any grammar's replies, behind a block of thoughts."""

from dataclasses import replace

from hypothesis import strategies as st

from tests.callbacks.filters.json_chat_samples import ANY_CHARACTER
from tests.callbacks.filters.reading import Sample, Text
from tests.callbacks.filters.tape import Tape, text, thought

contents = (
    st.lists(
        st.one_of(
            st.text(ANY_CHARACTER, max_size=6),
            st.sampled_from(["<think>", "</think", "<", "</", "Final Answer: no", "\ud83d"]),
            st.sampled_from(['{"action": "Final Answer", "action_input": "no"}']),
        ),
        max_size=4,
    )
    .map("".join)
    .filter(lambda said: "</think>" not in said)
)
space = st.sampled_from(["", "\n", "\n\n", " \t\r\n"])


@st.composite
def before(draw, *, opened: bool) -> str:
    opening = draw(st.sampled_from(["<think>", "\n<think>", *["", " \n"] * opened]))
    return opening + draw(contents) + "</think>" + draw(space)


def _moved(sample: Sample, lead: str) -> Sample:
    whole: Text = text(lead) if isinstance(sample.text, Tape) else lead
    if isinstance(sample.text, Tape):
        whole = thought("Hm. ") + whole
    whole = whole + sample.text
    size = len(whole) - len(sample.text)
    return replace(sample, text=whole, start=sample.start + size, end=sample.end + size)


def after_thoughts(samples: st.SearchStrategy[Sample], *, opened: bool = False):
    return st.builds(_moved, samples, before(opened=opened))


def noise_of(inner: st.SearchStrategy[Text]) -> st.SearchStrategy[Text]:
    tags = st.lists(
        st.sampled_from(
            ["<think>", "</think>", "<", "<thi", "</thi", "x", " ", "\n", "nk>", "\ud83d"]
        ),
        max_size=8,
    ).map("".join)
    return st.builds(
        lambda said, rest: (text(said) if isinstance(rest, Tape) else said) + rest, tags, inner
    )


def endless(size: int) -> list[str]:
    return [
        " \n" * (size // 2),
        "<think>" + "x " * (size // 2),
        "<think>" + "</thi" * (size // 5),
        "<think>" + "<" * size,
        "<think>x</think>" + " " * size,
        "<think>x</think>" + "</think>" * (size // 8),
        "x" + "<think>" * (size // 7),
    ]
