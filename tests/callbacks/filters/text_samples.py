"""Replies in the text formats, in every style that they allow, and noise made of their parts.

The registry's tests cut replies short. Where a reply does not say itself where it ends,
half an input looks like an input, and a marker in mid-line like an answer: there the
`tame` strategies leave out both, and `test_text_formats` tries the others.
"""

import json
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from hypothesis import strategies as st

from callbacks.filters.base import ActionRead
from tests.callbacks.filters.json_chat_reference import joined
from tests.callbacks.filters.reading import Sample
from tests.callbacks.filters.text_reference import STOPS, unescaped

Strategy: TypeAlias = Callable[..., st.SearchStrategy[Sample]]
MARKERS = {"react": "Final Answer:", "react_json": "Final Answer:", "conversational": "AI:"}
ANY_CHARACTER = st.characters(exclude_categories=())  # surrogates too
BLOB = '```json\n{"action": "f", "action_input": "x"}\n```\n'
WRITTEN = "Action: f\nAction Input: x\n"

thoughts = [
    "Thought: I now know the final answer\n",
    "Thought: Do I need to use a tool? No\n",
    "思考中…\r\n",
    "Action: none is needed\n",
    "FINAL ANSWER: no\nfinal answer: no\nFinal Answer : no\nai: no\nAI : no\n",
    "Observation: 4\n",
    "```python\nx = {}\n```\n",
    '{"action": "Final Answer", "action_input": "no"}\n',
    "\ud83d\n\n",
]
tempting = {
    "react": ["So the Final Answer: no\n", "**Final Answer:** no\n"],
    "react_json": ["So the Final Answer: no\n", "Action:\n" + BLOB, "Action:\n" + BLOB[:-4]],
    "conversational": ["OpenAI: no\n", "> AI: no\n", WRITTEN, WRITTEN[:-3] + "\n"],
}
blanks = st.sampled_from(["", "", " ", "\t", "\ufeff"])
space = st.sampled_from(["", " ", " ", "\n", " \r\n\t", "\u3000"])
pieces = st.one_of(
    st.text(ANY_CHARACTER, max_size=12),
    st.sampled_from(["\nObs", "\nObservatio", "\n", "  ", " \n \n", "é", "😀", "\ud83d", "\ude00"]),
    st.sampled_from(["\nFinal Answer: again", "\nAI: again", WRITTEN, "\n" + BLOB, "**", "O"]),
    st.sampled_from(["</final_answe", "</", "<", "<tool>", "[[tool]]", "[[/tool_input]]", "[["]),
    st.sampled_from(["[[\\<]]", "[[\\[]]", "[[\\", "[tool]]"]),
)
texts = st.lists(pieces, max_size=6).map("".join)
afterwords = st.sampled_from(
    ["", "", "\n", " \n\n", "\nObservation: 4\nFinal Answer: no\nAI: no", "\n\nObservation"]
)


def preambles(name: str, *, tame: bool) -> st.SearchStrategy[str]:
    lines = thoughts if tame else thoughts + tempting[name]
    # An observation after an action ends the reply.
    lines = [line for line in lines if tame or name == "react" or "Observation" not in line]
    return st.lists(st.sampled_from(lines), max_size=3).map("".join)


@st.composite
def answers(draw, name: str, *, tame: bool = False) -> Sample:
    before = draw(preambles(name, tame=tame)) + draw(blanks) + MARKERS[name]
    lead, said, after = draw(space), draw(texts), draw(afterwords)
    if not after and said[-1:] and (said[-1] >= "\ud800" or "\nObservation".find(said[-1]) >= 0):
        said += "."  # so that the end does not wait for more
    said = said.replace("Observation", "observation") if STOPS[0] in lead + said else said
    start = len(before) + len(lead)
    return Sample(
        before + lead + said + after, joined(said).strip(), None, start, start + len(said)
    )


names = st.sampled_from(["calculator", "Final Answer", "計算 é", "two words", "\ud83d"])
ends_of_line = st.sampled_from(["\n", "\r\n", "\n\n", " "])
numbers = st.sampled_from(["", "", " ", " 1", "2 "])


@st.composite
def written_actions(draw, name: str, *, tame: bool = False) -> Sample:
    tool = draw(names)
    before = draw(preambles(name, tame=tame).filter(lambda text: "Action" not in text))
    before += draw(st.sampled_from(["", "Thought: so\n", "x "]))
    before += f"Action{draw(numbers)}:{draw(space)}{tool}{draw(ends_of_line)}"
    before += f"Action{draw(numbers)}Input{draw(numbers)}:"
    lead, said, after = draw(space), draw(texts), draw(afterwords)
    if tame:
        return Sample(before + draw(space), None, ActionRead(_clean(tool), ""), 0, len(before))
    if name == "conversational":
        said = said.replace("AI:", "ai:")
    said = said.replace("Observation", "observation") if STOPS[0] in lead + said else said
    given = joined(lead + said + after.partition(STOPS[0])[0])
    given = given.lstrip().strip(" ").strip('"')
    start = len(before) + len(lead)
    action = ActionRead(_clean(tool), given)
    return Sample(before + lead + said + after, None, action, start, start + len(said))


@st.composite
def blob_actions(draw, *, tame: bool = False) -> Sample:
    before = draw(preambles("react_json", tame=True))
    before += draw(st.sampled_from(["", "the Final Answer: no\n"][: 1 if tame else 2]))
    before += draw(st.sampled_from(["Action:\n", ""])) + draw(
        st.sampled_from(["```\n", "```json\n", "```JSON "])
    )
    tool = draw(st.sampled_from(["calculator", "Final Answer", "計算 é", ""]))
    given = draw(
        st.one_of(
            st.text(max_size=9),
            st.integers(),
            st.just({"q": [1, {"action": "x"}]}),
            st.sampled_from([True, "a\nFinal Answer", "Final Answer: no"][: 2 if tame else 3]),
        )
    )
    blob = json.dumps({"action": tool, "action_input": given}, ensure_ascii=draw(st.booleans()))
    after = draw(st.sampled_from(["", "\n```", "\n```\n", "```\nObservation: 4\nFinal Answer: 4"]))
    action = ActionRead(tool, given)
    return Sample(before + blob + after, None, action, len(before), len(before) + len(blob))


def _clean(name: str) -> str:
    return joined(name).strip()


xml_thoughts = st.lists(
    st.sampled_from(
        [
            *["I know.\n", "Final Answer: no\n", "<final_answer\n>", "< b", "</final_answer>"],
            *["<tool >x</tool >", "[[tool]]x[[/tool]]", "<FINAL_ANSWER>", "<tool_inpu", "\ud83d"],
        ]
    ),
    max_size=3,
).map("".join)
xml_texts = texts.map(lambda text: text.replace("</final_answer>", "").replace("</tool", ""))


@st.composite
def xml_answers(draw, *, tame: bool = False) -> Sample:
    before = draw(xml_thoughts)
    if not tame:
        before += draw(
            st.sampled_from(["", "<tool>", "<tool_input>no</tool_input>", "<tool_input>"])
        )
    before += "<final_answer>"
    said = draw(xml_texts)
    closing = draw(st.sampled_from(["</final_answer>", "</final_answer>\n<tool>x</tool>", ""]))
    said += "" if closing else "."  # so that the end does not wait for more
    end = len(before) + len(said)
    return Sample(before + said + closing, unescaped(said), None, len(before), end)


@st.composite
def xml_actions(draw, *, tame: bool = False) -> Sample:
    before = draw(xml_thoughts)
    tool = draw(st.sampled_from(["calculator", " f\n", "a[[tool]]b", "計算 é"]))
    before += f"<tool>{tool}</tool>"
    name = unescaped(tool).strip()
    if tame:
        after = draw(st.sampled_from(["", "\n", "<final_answer>no</final_answer>", "</tool>"]))
        return Sample(before + after, None, ActionRead(name, ""), 0, len(before))
    before += draw(space) + "<tool_input>"
    given = draw(xml_texts)
    closing = draw(st.sampled_from(["</tool_input>", "</tool_input><observation>4", "", "</tool"]))
    given += "" if closing else "."
    end = len(before) + len(given)
    action = ActionRead(name, unescaped(given))
    return Sample(before + given + closing, None, action, len(before), end)


noise = st.lists(
    st.one_of(
        st.sampled_from(
            [*"\n\n \t:<>/[]x'\"1", "\r\n", "\ufeff", "Final ", "Answer", "Action", "Input"]
        ),
        st.sampled_from(["Final Answer:", "\nFinal Answer: ", "AI:", "\nAI: ", "Action:", "I"]),
        st.sampled_from(["Action: f\nAction Input:", "\nAction 1: ", "Action 1 Input 2 :", "A"]),
        st.sampled_from(["Observation", "\nObservation: ", "\nObs", "ervation", "\nO", "\n \n"]),
        st.sampled_from([BLOB, "```json\n{", "```\n", '{"action": "f"', '"action_input": "', "}"]),
        st.sampled_from(["<tool>", "</tool>", "<tool_input>", "</tool_input>", "</", "input>"]),
        st.sampled_from(["<final_answer>", "</final_answer>", "</final_", "answer>", "final_"]),
        st.sampled_from(
            ["[[tool]]", "[[/tool", "_input]]", "[[", "\ud83d", "\ude00", "😀", "tool]]"]
        ),
        st.text(ANY_CHARACTER, max_size=3),
    ),
    max_size=25,
).map("".join)


_STARTS = {
    "react": ["Final Answer: a", "x Final Answer: a", "Action: a", "Action: a\nAction Input: b"],
    "react_json": ["x Final Answer: a", '```\n{"action": "a', '```\n{"x": "', BLOB],
    "conversational": ["AI: a", "x AI: a", "Action: a", "Action: a\nAction Input: b"],
    "xml": ["<final_answer>a", "<tool>", "<tool>f</tool><tool_input>a", ""],
}
_STRETCHES = ["\n", "\nObs", "\ud83d", "Final Answer: ", "Action ", "AI:"]
_XML_STRETCHES = ["<", "</final_answer", "</tool_inpu", "[[tool]]", "\ud83d", "a "]


def endless(name: str, size: int) -> list[str]:
    """Texts of about that size, each of which is one long stretch of something."""
    stretches = _XML_STRETCHES if name == "xml" else _STRETCHES
    return [s * (size // len(s)) for s in stretches[:3]] + [
        start + s * (size // len(s)) for start in _STARTS[name] for s in stretches
    ]


FORMATS: dict[str, tuple[Strategy, Strategy]] = {
    "react": (partial(answers, "react"), partial(written_actions, "react")),
    "react_json": (partial(answers, "react_json"), blob_actions),
    "conversational": (
        partial(answers, "conversational"),
        partial(written_actions, "conversational"),
    ),
    "xml": (xml_answers, xml_actions),
}
"""How to make answers and actions in each format."""


def samples(
    name: str,
) -> tuple[
    st.SearchStrategy[Sample],
    st.SearchStrategy[Sample],
    st.SearchStrategy[str],
    Callable[[int], list[str]],
]:
    """What the registry's tests try a format on."""
    answers_of, actions_of = FORMATS[name]
    return answers_of(tame=True), actions_of(tame=True), noise, partial(endless, name)
