"""The text formats: against a naive reader, against LangChain's parsers, example by example."""

import itertools
import re
import tracemalloc
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.agents import AgentFinish
from langchain_core.exceptions import OutputParserException

from callbacks.filters.base import ActionRead, Chunk
from callbacks.filters.conversational import ConversationalFilter
from callbacks.filters.react import ReactFilter
from callbacks.filters.react_json import ReactJsonFilter
from callbacks.filters.registry import FILTERS, grammar
from stream.events import AnswerDelta
from tests.callbacks.filters.reading import Reading, certain, common_prefix, cuts, read
from tests.callbacks.filters.text_reference import NAIVE
from tests.callbacks.filters.text_samples import BLOB, FORMATS, WRITTEN, noise

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of what it imports along
    from langchain_classic.agents.conversational.output_parser import ConvoOutputParser
    from langchain_classic.agents.output_parsers import (
        ReActJsonSingleInputOutputParser,
        ReActSingleInputOutputParser,
        XMLAgentOutputParser,
    )

PARSERS = {
    "react": ReActSingleInputOutputParser(),
    "react_json": ReActJsonSingleInputOutputParser(),
    "conversational": ConvoOutputParser(),
    "xml": XMLAgentOutputParser(),
}
every_format = pytest.mark.parametrize("name", FORMATS)


def reply(name: str, text: str) -> str | ActionRead | None:
    whole = read(FILTERS[name](), [text])
    assert read(FILTERS[name](), text) == whole
    return whole.answer if whole.action is None else whole.action


def langchain(name: str, text: str) -> str | ActionRead | None:
    try:
        result = PARSERS[name].parse(text)
    except (OutputParserException, ValueError):
        return None
    if isinstance(result, AgentFinish):
        return result.return_values["output"]
    return ActionRead(result.tool, result.tool_input)


@every_format
@settings(max_examples=100, deadline=None)
@given(noise, st.data())
def test_agrees_with_a_naive_reader_on_any_text(name, text, data):
    assert read(FILTERS[name](), data.draw(cuts(text))) == NAIVE[name](text)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("react", ["Final Answer:", "Action:", "Action Input:", "\n", " ", "x", "\nObservation"]),
        ("conversational", ["AI:", "Action:", "Action Input:", "\n", " ", "x", "\nObservation"]),
        (
            "react_json",
            ["Final Answer:", BLOB, BLOB[:-5], "\n", "x", "\nObservation", '```{"x": 1}'],
        ),
        ("xml", ["<final_answer>", "</final_answer>", "<tool>", "</tool>", "x", "</"]),
        ("xml", ["<tool>", "</tool>", "<tool_input>", "</tool_input>", "<final_answer>", "x"]),
    ],
)
def test_agrees_with_a_naive_reader_on_every_arrangement(name, parts):
    for count in range(6 if name == "xml" else 5):
        for arrangement in itertools.product(parts, repeat=count):
            text = "".join(arrangement)
            naive = NAIVE[name](text)
            assert read(FILTERS[name](), [text]) == naive, text
            assert read(FILTERS[name](), arrangement) == naive, text


STOPS = [
    [],
    [""],
    ["\nObs", "\nObservation"],
    ["ab", "xabc", "bc"],
    ["\n😀", "😀x", "a "],
    ["]", "^-", "\\d"],
    ["Final Answer:", "Action:", "AI: "],
]


@pytest.mark.parametrize("stops", STOPS, ids=repr)
@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("react", ReactFilter),
        ("react_json", ReactJsonFilter),
        ("conversational", ConversationalFilter),
    ],
)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_the_stop_sequences_are_a_setting(name, make, stops, data):
    parts = ["a", "b", "c", "x", " ", "\n", "\ud83d", "\ude00", "😀", "]", "^", "-", "\\", "d"]
    parts += ["\nObservation", "\nFinal Answer: ", "\nAI: ", WRITTEN, BLOB, *stops]
    text = "".join(data.draw(st.lists(st.sampled_from(parts), max_size=12)))
    text = data.draw(st.sampled_from(["", "Final Answer: ", "AI: "])) + text
    pieces = data.draw(cuts(text))
    assert read(make(stops), pieces) == NAIVE[name](text, stops)


@every_format
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_an_answer_is_streamed_whatever_comes_before_it(name, data):
    sample = data.draw(FORMATS[name][0]())
    assert read(FILTERS[name](), data.draw(cuts(sample.text))) == Reading(sample.answer, None)


@every_format
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_an_action_is_read_with_its_input(name, data):
    sample = data.draw(FORMATS[name][1]())
    assert read(FILTERS[name](), data.draw(cuts(sample.text))) == Reading(None, sample.action)


@every_format
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_reply_cut_short_anywhere_is_read_as_what_is_left_of_it(name, data):
    sample = data.draw(st.one_of(make() for make in FORMATS[name]))
    for end in range(len(sample.text)):
        prefix = sample.text[:end]
        assert read(FILTERS[name](), [prefix]) == NAIVE[name](prefix)
        assert (sample.answer or "").startswith(certain(FILTERS[name](), prefix))


# What may come in the middle of an answer: each ends or spoils some mark, or some pair.
MARKS = ["\nObservation", "</final_answer>", "[[/tool_input]]", "[[observation]]", "Final Answer:"]
MARKS += [r"[[\<]]", r"[[\[]]"]
WAYS = [
    *["", "x", "z", " y", "\n", "\nx", "\ude00", "\ude00x", "\nFinal Answer: q", "\nAI: q"],
    *["<final_answer>q", "</tool>", "\n" + WRITTEN, "\n" + BLOB],
    *(mark[at:] + tail for mark in MARKS for at in range(len(mark)) for tail in ("", "w")),
]


@every_format
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_character_is_out_as_soon_as_nothing_can_change_it(name, data):
    sample = data.draw(FORMATS[name][0]())
    place = data.draw(st.integers(sample.start, sample.end) | st.integers(0, len(sample.text)))
    prefix = sample.text[:place]
    assert certain(FILTERS[name](), prefix) == sure(name, prefix)


def sure(name: str, text: str) -> str:
    """What no way to go on can change. An escaped `[` in xml is held until it is whole, though what
    it begins with is sure: it is `[`, too.
    """
    said = common_prefix([NAIVE[name](text + way).answer or "" for way in WAYS])
    held = name == "xml" and text.endswith((r"[[\[", r"[[\[]"))
    return said.removesuffix("[") if held else said


@pytest.mark.parametrize(
    ("name", "start", "units"),
    [
        ("react", "Final Answer:", ["\nObs", "\n", " ", "x", "\ud83d", "\ude00", "\nObservation"]),
        ("conversational", "\n AI:", ["\nObs", "\n", "ervation", "x", "\ud83d", "\ude00"]),
        (
            "xml",
            "<final_answer>",
            ["<", "</final", "_answer>", "[", "[tool", "_input]]", "]]", "x", "[[\\", "\\<"],
        ),
    ],
)
def test_a_character_is_out_as_soon_as_possible_at_every_place(name, start, units):
    for some in itertools.product(units, repeat=3):
        text = start + "".join(some)
        assert certain(FILTERS[name](), text) == sure(name, text), text


@every_format
@settings(max_examples=100, deadline=None)
@given(text=noise)
def test_agrees_with_langchain_where_both_read_one_answer(name, text):
    marker = {"conversational": "AI:", "xml": "<final_answer>"}.get(name, "Final Answer:")
    text = "".join(char for char in text if not "\ud800" <= char <= "\udfff")
    one_answer = text.count(marker) == 1 and not re.search("Action|```|<tool|\nObservation", text)
    theirs = langchain(name, text)
    if one_answer and theirs is not None:
        assert reply(name, text) == theirs


@settings(max_examples=100, deadline=None)
@given(text=noise)
def test_agrees_with_langchain_on_written_actions(text):
    text = "".join(char for char in text if not "\ud800" <= char <= "\udfff")
    theirs = langchain("react", text)
    if isinstance(theirs, ActionRead) and "\nObservation" not in text:
        assert reply("react", text) == theirs


SAME = [
    # (format, reply, answer or action): LangChain's parser reads these the same
    ("react", "Thought: I now know the final answer\nFinal Answer: Paris.", "Paris."),
    ("react", " I know.\nFinal Answer: 4\n", "4"),
    ("react", "Final Answer:\n\n| a | b |\n|---|---|\n\n", "| a | b |\n|---|---|"),
    ("react", "思考：我现在知道了\nFinal Answer: 巴黎是法国的首都。", "巴黎是法国的首都。"),
    ("react", "Gedanke: klar\r\nFinal Answer: Grüße aus Köln 😀\r\n", "Grüße aus Köln 😀"),
    ("react", "Thought: سهل\nFinal Answer: القاهرة\n", "القاهرة"),
    ("react", "Thought: यह आसान है\nFinal Answer: नई दिल्ली", "नई दिल्ली"),
    ("react", "I know the Final Answer: 4", "4"),
    ("react", "**Final Answer:** 42", "** 42"),
    ("react", "Final Answer: A\nB\nO", "A\nB\nO"),
    ("react", "Final Answer:", ""),
    ("react", "Final Answer:  \n ", ""),
    ("react", "Thought: hm\nAction: calc\nAction Input: 2+2", ActionRead("calc", "2+2")),
    ("react", "Thought: hm\nAction: calc\nAction Input:\n  2+2  ", ActionRead("calc", "2+2")),
    ("react", 'Action: search\nAction Input: "tour eiffel"', ActionRead("search", "tour eiffel")),
    ("react", "Action 1: a\nAction 1 Input 1: b\n", ActionRead("a", "b\n")),
    ("react", "I use Action: a Action Input: b", ActionRead("a", "b")),
    ("react", "Action: 検索\nAction Input: 東京の天気", ActionRead("検索", "東京の天気")),
    ("react", "Action: py\nAction Input: a = 1\nprint(a)", ActionRead("py", "a = 1\nprint(a)")),
    ("react", "Action: now\nAction Input:", ActionRead("now", "")),
    ("react", "Action: Final Answer\nAction Input: 4", ActionRead("Final Answer", "4")),
    ("react", "Action: none\nFinal Answer: 4", "4"),
    ("react", "I do not know.", None),
    ("react", "Action: calc", None),
    ("react", "Action Input: 2", None),
    ("react", "final answer: 4", None),
    ("react", "Final Answer : 4", None),
    ("react", "", None),
    ("react_json", "Thought: I know\nFinal Answer: Paris.\n", "Paris."),
    ("react_json", "Final Answer: use\n```\nx = 1\n```", "use\n```\nx = 1\n```"),
    ("react_json", "Thought: so\nAction:\n" + BLOB, ActionRead("f", "x")),
    (
        "react_json",
        '```\n{"action": "suche", "action_input": {"q": "Köln", "k": [1]}}\n```',
        ActionRead("suche", {"q": "Köln", "k": [1]}),
    ),
    ("react_json", '```{"action": "now"}```', ActionRead("now", {})),
    ("react_json", '```json\n{"action": "f", "action_input": ""}\n```', ActionRead("f", "")),
    (
        "react_json",
        '```json\n{"action": "Final Answer", "action_input": "4"}\n```',
        ActionRead("Final Answer", "4"),
    ),
    ("react_json", '```json\n{"x": 1}\n```\nFinal Answer: 4', "4"),
    ("react_json", '```json\n{"x": 1}\n```\nObservation: 3\nFinal Answer: 4', "4"),
    ("react_json", BLOB + "Final Answer: 4", "4"),
    ("react_json", BLOB + "So the Final Answer: 4", "4"),
    ("react_json", '```json\n{"action": null, "action_input": "x"}\n```', None),
    ("react_json", '```json\n{"action": "f", "action_inp\n```\nFinal Answer: 4', "4"),
    ("react_json", '```json\n{"action_input": "f"}\n```', None),
    ("react_json", '{"action": "f", "action_input": "x"}', None),
    ("react_json", '```json\n{"action": "f", "action_input": "x', None),
    ("conversational", "Thought: Do I need to use a tool? No\nAI: Hi there!\n", "Hi there!"),
    ("conversational", "Thought: Do I need to use a tool? No AI: Hi", "Hi"),
    ("conversational", "AI: 你好！", "你好！"),
    ("conversational", "AI:", ""),
    (
        "conversational",
        "Thought: Do I need to use a tool? Yes\nAction: search\nAction Input: Wetter in Köln",
        ActionRead("search", "Wetter in Köln"),
    ),
    ("conversational", WRITTEN + "Thought: no\nAI: it is x", "it is x"),
    ("conversational", "Action: f\nAction Input: say AI: x", "x"),
    ("conversational", "Hello there!", None),
    ("xml", "<final_answer>Paris.</final_answer>", "Paris."),
    ("xml", "I know.\n<final_answer>\n 4 < 5 & so </final_answer>\n", "\n 4 < 5 & so "),
    ("xml", "<final_answer></final_answer>", ""),
    ("xml", "<final_answer>Ça va 😀</final_answer> Hope that helps!", "Ça va 😀"),
    ("xml", "<final_answer>write [[tool]]x[[/tool]]</final_answer>", "write <tool>x</tool>"),
    ("xml", "<final_answer>[[observation]] [[x]]</final_answer>", "<observation> [[x]]"),
    ("xml", "<tool>search</tool><tool_input>天気</tool_input>", ActionRead("search", "天気")),
    ("xml", "<tool>f</tool>\n<tool_input>\n a \n</tool_input>", ActionRead("f", "\n a \n")),
    ("xml", "<tool_input>x</tool_input><tool>f</tool>", ActionRead("f", "x")),
    (
        "xml",
        "<tool>[[tool]]</tool><tool_input>[[/tool_input]]</tool_input>",
        ActionRead("<tool>", "</tool_input>"),
    ),
    ("xml", "<tool>now</tool>", ActionRead("now", "")),
    ("xml", "<tool>f</tool><tool_input>a</tool_input><final_answer>b</final_answer>",
     ActionRead("f", "a")),
    ("xml", "<tool>f</tool><tool_inp", ActionRead("f", "")),
    ("xml", "Use the <tool> tag.<final_answer>4</final_answer>", "4"),
    ("xml", "<Final_Answer>4</Final_Answer>", None),
    ("xml", "<tool>sear", None),
    ("xml", "4", None),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "expected"), SAME)
def test_reads_what_langchain_reads(name, text, expected):
    assert langchain(name, text) == expected
    assert reply(name, text) == expected


INVENTED = "\nObservation: 4\nThought: I now know\nFinal Answer: no\nAI: no"
DIFFERENT = [
    # (format, reply, ours, LangChain's), and why
    # A second marker is text of the answer, which is out already. Theirs takes the last.
    ("react", "Final Answer: a\nFinal Answer: b", "a\nFinal Answer: b", "b"),
    ("conversational", "AI: a company, OpenAI: yes", "a company, OpenAI: yes", "yes"),
    # One in mid-line was just a word, if one at the start of a line follows ...
    ("react", "Final Answer: a, the Final Answer: b", "a, the Final Answer: b", "b"),
    # ... or an action does. Theirs gives up, or calls half a question an answer.
    ("react", "No Final Answer: yet\nAction: f\nAction Input: x", ActionRead("f", "x"), None),
    ("react_json", "No Final Answer: yet\n" + BLOB, ActionRead("f", "x"), "yet\n" + BLOB[:-1]),
    ("conversational", "As an AI: so.\n" + WRITTEN, ActionRead("f", "x\n"), "so.\n" + WRITTEN[:-1]),
    # Where both are, the format says which wins; theirs gives up.
    ("react", WRITTEN + "Final Answer: a", ActionRead("f", "x\nFinal Answer: a"), None),
    ("react", "Final Answer: a\n" + WRITTEN, "a\nAction: f\nAction Input: x", None),
    # A stop sequence ends the reply, as the server should have: what follows is made up.
    ("react", "Final Answer: a" + INVENTED, "a", "no\nAI: no"),
    ("react", "Action: f\nAction Input: x" + INVENTED, ActionRead("f", "x"), None),
    ("react_json", BLOB + INVENTED, ActionRead("f", "x"), "no\nAI: no"),
    ("conversational", "Action: f\nAction Input: x" + INVENTED, ActionRead("f", "x"), "no"),
    # Ours passes over a code block of another language, theirs takes the first fence there is.
    ("react_json", "```python\nx = {}\n```\n" + BLOB, ActionRead("f", "x"), None),
    ("conversational", "Action: f\nAction Input: say AI: x" + INVENTED, "x", "no"),
    ("react_json", BLOB + "So the Final Answer: x" + INVENTED, "x", "no\nAI: no"),
    # The fence after the blob may be missing, a whole blob is enough.
    ("react_json", BLOB[:-5], ActionRead("f", "x"), None),
    # Raw line feeds in strings are what models write.
    ("react_json", '```{"action": "f", "action_input": "a\nb"}```', ActionRead("f", "a\nb"), None),
    # Actions are read as in `react`; theirs wants exactly one blank after each colon.
    ("conversational", "Action:f\nAction Input:x", ActionRead("f", "x"), None),
    # Numbers and space around them end somewhere.
    ("react", "Action" + " " * 30 + ": f\nAction Input: x", None, ActionRead("f", "x")),
    # Servers strip the closing tag as a stop sequence.
    ("xml", "<final_answer>4", "4", None),
    ("xml", "<final_answer>4 <", "4 <", None),
    ("xml", "<final_answer>4</final_ans", "4", None),
    ("xml", "<tool>f</tool><tool_input>x", ActionRead("f", "x"), ActionRead("f", "")),
    ("xml", "<tool>f</tool><tool_input>x</tool_in", ActionRead("f", "x"), ActionRead("f", "")),
    # The first counts, as it is out already; theirs gives up.
    ("xml", "<final_answer>a</final_answer><final_answer>b</final_answer>", "a", None),
    ("xml", "<final_answer>a</final_answer><tool>f</tool>", "a", ActionRead("f", "")),
    (
        "xml",
        "<tool>f</tool><tool_input>a</tool_input><observation>4</observation><tool>g</tool>",
        ActionRead("f", "a"),
        None,
    ),
    # An answer may speak of tags.
    ("xml", "<final_answer>the <tool>f</tool> tag</final_answer>", "the <tool>f</tool> tag",
     ActionRead("f", "")),
    # No tool's name begins or ends with space.
    ("xml", "<tool>\nf\n</tool>", ActionRead("f", ""), ActionRead("\nf\n", "")),
    # Half a surrogate pair cannot be encoded, so it is not kept.
    ("react", "Final Answer: \ud83d", "\ufffd", "\ud83d"),
    ("react", "Action: f\nAction Input: \ud83d\ude00", ActionRead("f", "😀"),
     ActionRead("f", "\ud83d\ude00")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "ours", "theirs"), DIFFERENT)
def test_differs_from_langchain_on_purpose(name, text, ours, theirs):
    assert reply(name, text) == ours
    assert langchain(name, text) == theirs


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" \t\ufeffFinal Answer: a\nFinal Answer: b", "a\nFinal Answer: b"),
        ("x\r\n \tFinal Answer: a\nFinal Answer: b", "a\nFinal Answer: b"),
        ("> Final Answer: a", "a"),
        ("\u3000Final Answer: a, Final Answer: b", "b"),
        ("x\rFinal Answer: a, Final Answer: b", "b"),
        ("xFinal Answer: a\nObservation: b", "a"),
        ("xFinal Answer: a\nObservation: b, Final Answer: c", "c"),
        ("xFinal Answer: a\nFinal Answer:", ""),
        ("Final Answer: a\n Observation", "a\n Observation"),
        ("Final Answer: a, \n\nObservation", "a,"),
        ("Final Answer: \nObservation: b", ""),
        ("Final Answer: Observation: b", "Observation: b"),
        ("Final Answer: a\nObserved", "a\nObserved"),
        ("\nObservation: b\nFinal Answer: a", "a"),
    ],
)
def test_where_an_answer_begins_and_ends(text, expected):
    assert reply("react", text) == expected
    as_said_by_another = text.replace("Final Answer:", "AI:")
    assert reply("conversational", as_said_by_another) == expected.replace("Final Answer:", "AI:")


@pytest.mark.parametrize(
    ("pieces", "out"),
    [
        (
            ["Final Answer: ", "Par", "is", " ", "is \n", "\n", "big", " "],
            "Par|is|| is|| \n\nbig|",
        ),
        (["Final Answer:", " a", "\nObs", "e", "lete"], "a|||\nObselete"),
        (["Final Answer: a ", "\ud83d", "\ude00", "\ud83d", " "], "a| |😀||\ufffd"),
        (["Thought: a Final Answer: b\nFin", "al Answer: c", "d"], "|c|d"),
    ],
)
def test_what_leaves_with_which_token(pieces, out):
    grammar = ReactFilter()
    said = [grammar.feed(Chunk(piece)) for piece in pieces]
    assert "|".join("".join(d.text for d in deltas) for deltas in said).lstrip("|") == out.lstrip(
        "|"
    )


def test_an_action_is_out_with_the_stop_sequence():
    for make, text in [
        (ReactFilter, WRITTEN[:-1]),
        (ConversationalFilter, WRITTEN[:-1]),
        (ReactJsonFilter, BLOB),
    ]:
        grammar = make()
        assert grammar.feed(Chunk(text)) == []
        assert grammar.feed(Chunk("\nObservation")) == [ActionRead("f", "x")]
        assert grammar.feed(Chunk("\nFinal Answer: no\nAI: no")) == []
        assert grammar.close() == []


@every_format
def test_a_closed_grammar_says_no_more(name):
    for text in ("Final Answer: a", "x Final Answer: a", "AI: a", WRITTEN, BLOB, "<tool>f</tool>"):
        for reader, start in ((grammar(name)(), ""), (grammar(f"think_opened+{name}")(), "<th")):
            reader.feed(Chunk(start or text))
            reader.close()
            assert reader.close() == []


@every_format
@pytest.mark.parametrize(
    ("line", "times"),
    [("I think, therefore I am.\n", 300), ("AnswerAction ", 40), ("<``` Obs\nF", 40)],
)
def test_what_is_no_answer_is_not_kept(name, line, times):
    grammar = FILTERS[name]()
    tracemalloc.start()
    try:
        for _ in range(times):  # a new text each time: the same one costs nothing to keep
            assert grammar.feed(Chunk(line * (10_000 // len(line)))) == []
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("Final Answer:", " \n"),
        ("Final Answer: a\nObservation", "b"),
        ("x Final Answer: a\nObservation", "b"),
        ("x Final Answer: a", "bc Final Answer:"),
        ("Final Answer: a", "b"),
    ],
)
def test_of_an_answer_only_what_is_uncertain_is_kept(text, more):
    grammar = ReactFilter()
    grammar.feed(Chunk(text))
    tracemalloc.start()
    try:
        for _ in range(80):
            grammar.feed(Chunk(more * (5_000 // len(more))))
        assert tracemalloc.get_traced_memory()[1] < 150_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("said", ["a", "😀", "a\n", "\nObs ", "</final_answe", "[[tool "])
@every_format
def test_an_answer_of_a_megabyte_in_one_token(name, said):
    start = {"conversational": "AI: x", "xml": "<final_answer>x"}.get(name, "Final Answer: x")
    grammar = FILTERS[name]()
    text = said * (1_000_000 // len(said)) + "x"
    assert grammar.feed(Chunk(start + text)) == [AnswerDelta("x" + text)]
    assert grammar.close() == []
