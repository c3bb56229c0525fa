"""The `json_chat` grammar: against a naive reader, against LangChain's, and example by example."""

import itertools
import tracemalloc
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.agents import AgentFinish
from langchain_core.exceptions import OutputParserException

from callbacks.filters.base import ActionRead, Chunk
from callbacks.filters.json_chat import JsonChatFilter
from stream.events import AnswerDelta
from tests.callbacks.filters.json_chat_reference import read_whole
from tests.callbacks.filters.json_chat_samples import DECOY, answers, noise
from tests.callbacks.filters.reading import Reading, Sample, certain, common_prefix, cuts, read

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of what it imports along
    from langchain_classic.agents.output_parsers import JSONAgentOutputParser

START = '{"action": "Final Answer", "action_input": '


def reply(text: str) -> Reading:
    whole = read(JsonChatFilter(), [text])
    assert read(JsonChatFilter(), text) == whole
    return whole


def answer(text: str) -> str | None:
    assert reply(text).action is None
    return reply(text).answer


def action(text: str) -> ActionRead | None:
    assert reply(text).answer is None
    return reply(text).action


@settings(max_examples=200, deadline=None)
@given(noise, st.data())
def test_agrees_with_a_naive_reader_on_any_text(text, data):
    naive = read_whole(text)
    pieces = data.draw(cuts(text))
    assert read(JsonChatFilter(), pieces) == Reading(naive.answer, naive.action)


def test_agrees_with_a_naive_reader_on_every_arrangement_of_fences():
    parts = ["`", "```", "json", "x", "\n", " ", "[", DECOY]
    for count in range(5):
        for arrangement in itertools.product(parts, repeat=count):
            text = "".join(arrangement)
            naive = read_whole(text)
            got = read(JsonChatFilter(), [text])
            assert got == Reading(naive.answer, naive.action), text
            assert read(JsonChatFilter(), arrangement) == got, text


# What may come in the middle of a string: each ends or spoils some escape or surrogate pair.
INSERTIONS = (
    ["", "x", "9", "n", "u", '"', "\\", "\\\\", "zz", "zzzz"]
    + [digits + "x" for digits in ("0", "00", "000", "0000", "041", "0041", "u0041")]
    + ["\ude00", "\\ude00", "ude00", "de00", "e00", "00x", "Dc00", "\\n", "n"]
)


def certain_after(sample: Sample, place: int) -> str:
    """What all ways to go on from there have in common, as far as it has been read."""
    prefix, rest, end = sample.text[:place], sample.text[place:], sample.text[sample.end - 1 :]
    source = sample.text[sample.start : sample.end]
    ways = [rest.replace("Final Answer", "calculator", 1), rest.replace(source, "7", 1)]
    for insertion in INSERTIONS:
        ways += [insertion + rest] + [insertion + end] * (place < sample.end)
    readings = [read_whole(prefix + way) for way in ways]
    possible = [reading.answer or "" for reading in readings if reading.whole]
    return common_prefix([*possible, read_whole(prefix).answer or ""])


@settings(max_examples=120, deadline=None)
@given(answers(), st.data())
def test_a_character_is_out_as_soon_as_nothing_can_change_it(sample, data):
    near = st.integers(sample.start - 1, sample.end + 1)
    place = data.draw(near | st.integers(0, len(sample.text)))
    assert certain(JsonChatFilter(), sample.text[:place]) == certain_after(sample, place)


def test_a_character_is_out_as_soon_as_possible_at_every_place():
    units = ["\\ud83d", "\\uDE00", "\\u0041", "\\n", "\ud83d", "\ude00", "\\s", "x"]
    for first, second in itertools.product(units, units):
        text = f'{START}"{first}{second}"}}'
        sample = Sample(text, None, None, len(START), len(text) - 1)
        for place in range(len(START), len(text) + 1):
            assert certain(JsonChatFilter(), text[:place]) == certain_after(sample, place), text


TRANSCRIPTS = [
    # (reply, answer or action): LangChain's parser reads these the same
    ('```json\n{"action": "Final Answer", "action_input": "Paris."}\n```', "Paris."),
    ('{"action": "Final Answer", "action_input": "Paris."}', "Paris."),
    ('\n ```\n{\n  "action": "Final Answer",\n  "action_input": "4"\n}\n```\n', "4"),
    ('```json\n{"action_input": "Ελλάδα", "action": "Final Answer"}\n```', "Ελλάδα"),
    (
        'Let me see.\n```json\n{"action": "Final Answer", "action_input": "你好，世界"}\n```',
        "你好，世界",
    ),
    (
        '```json\n{"action": "Final Answer", "action_input": "שלום \\ud83d\\ude00 नमस्ते"}\n```',
        "שלום 😀 नमस्ते",
    ),
    ('```json\n{"action": "Final Answer", "action_input": "one\ntwo"}\n```', "one\ntwo"),
    ('[{"action": "Final Answer", "action_input": "first"}, {"action": "x"}]', "first"),
    ('{"action": "Final Answer", "action_input": ""}', ""),
    ('{"thought": {"action": "x"}, "action": "Final Answer", "action_input": "y"}', "y"),
    (
        '{"action": "Final Answer", "action_input": "```python\\nprint(1)\\n```"}',
        "```python\nprint(1)\n```",
    ),
    ('{"action": "Final Answer", "action_input": "He said \\"hi\\""}', 'He said "hi"'),
    ('{"action": "Calculator", "action_input": "2+2"}', ActionRead("Calculator", "2+2")),
    (
        '```json\n{"action": "find", "action_input": {"q": "é", "k": [1, 2.5]}}\n```',
        ActionRead("find", {"q": "é", "k": [1, 2.5]}),
    ),
    ('{"action": "now", "action_input": null}', ActionRead("now", {})),
    ('{"action": "now"}', ActionRead("now", {})),
    ('{"action": "now", "action_input": {}}', ActionRead("now", {})),
    ('{"action": "final answer", "action_input": "x"}', ActionRead("final answer", "x")),
    ('{"action": "Calculator", "action_input": "2+2"', ActionRead("Calculator", "2+2")),
    (START + '"hi"}\nHope that helps!', "hi"),
    (f'```json\n{START}"a"}}\n```\n```json\n{START}"b"}}\n```', "a"),
    ("I do not know.", None),
    ('{"action": "Final Answer"}', None),
    ('{"action_input": "x"}', None),
    ("```json\n```", None),
]


@pytest.mark.parametrize(("text", "expected"), TRANSCRIPTS)
def test_reads_what_langchain_reads(text, expected):
    assert langchain(text) == expected
    got = reply(text)
    assert (got.answer if got.action is None else got.action) == expected


DIFFERENCES = [
    # (reply, ours, LangChain's), and why
    # An answer is text: another value is its JSON source, so that it can be streamed.
    (START + '{"a": 1}}', '{"a": 1}', {"a": 1}),
    (START + "42}", "42", 42),
    (START + "null}", "null", None),
    # An escape that does not exist stays as it is.
    (START + '"It costs \\$5"}', "It costs \\$5", None),
    # Ours passes over a code block of another language, theirs takes the first fence there is.
    (f'```python\nx = {{}}\n```\n```json\n{START}"ok"}}\n```', "ok", None),
    # The first key counts, as it is out already; theirs is the last.
    (START + '"a", "action_input": "b"}', "a", "b"),
    # Half an input never runs; theirs closes the string and runs it.
    ('{"action": "rm", "action_input": "/tmp/lo', None, ActionRead("rm", "/tmp/lo")),
    # An unescaped quote ends the answer; theirs, by luck of the regex, loses it all.
    (START + '"say "hi" now"}', "say ", None),
    # A comma too many is forgiven.
    (START + '"x",}', "x", None),
    # Half a surrogate pair cannot be encoded, so it is not kept.
    (START + '"\\ud83d"}', "\ufffd", "\ud83d"),
    # A name is a string.
    ('{"action": 7, "action_input": "x"}', None, None),
]


@pytest.mark.parametrize(("text", "ours", "theirs"), DIFFERENCES)
def test_differs_from_langchain_on_purpose(text, ours, theirs):
    assert langchain(text) == theirs
    got = reply(text)
    assert (got.answer if got.action is None else got.action) == ours


def langchain(text: str):
    try:
        result = JSONAgentOutputParser().parse(text)
    except (OutputParserException, ValueError):
        return None
    if isinstance(result, AgentFinish):
        return result.return_values["output"]
    return ActionRead(result.tool, result.tool_input)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\ufeff \n" + DECOY, "no"),
        (" [ \n" + DECOY, "no"),
        ("So: ```" + DECOY, "no"),
        ("So: ```JsoN \r\n [\n" + DECOY, "no"),
        ("So:\n`````\n" + DECOY, "no"),
        ("```py\n``` ```" + DECOY, "no"),
        ("- like so\n    ```py\n    x\n    ```\n```" + DECOY, "no"),
        ("a ```js``` b\n```" + DECOY, "no"),
        ("[1] it is\n```" + DECOY, "no"),
        ("[```x\n```" + DECOY, "no"),
        ("```py\nx ```\n``` ```" + DECOY, "no"),
        ("```py\n``` ```x\n```" + DECOY, "no"),
        ("a ```\n```x\n```" + DECOY, None),
        ("a ```x `" + DECOY, None),
        ("```json5\n" + DECOY, None),
        ("```jso" + DECOY, None),
        ("```\nx\n" + DECOY, None),
        ("```py\nx = '```" + DECOY, None),
        ("```py\n```" + DECOY, None),
        ("[[" + DECOY, None),
        ("So: " + DECOY, None),
        ("json\n" + DECOY, None),
        ("``" + DECOY, None),
    ],
)
def test_where_the_object_may_stand(text, expected):
    assert answer(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (START + '"cut sho', "cut sho"),
        (START + '"cut \\', "cut "),
        (START + '"cut \\u00e', "cut "),
        (START + '"cut \\ud83d', "cut \ufffd"),
        (START + '"cut \\ud83d\\ude', "cut \ufffd"),
        (START + '["cut', '["cut'),
        (START + '"', None),
        (START, None),
        (START + "}", None),
        (START + "oops}", None),
        (START + "nope}", "n"),
        (START + '"done" oops', "done"),
        ('{"action_input": "held", "action": "Final Answer" oops', "held"),
        ('{"action_input": "held", "action": "Final Ans', None),
        ('{"action_input": "held" oops, "action": "Final Answer"}', None),
        ('{"action_input": "", "action": "Final Answer"}', ""),
        ('{"action": {"action": "Final Answer"}, "action_input": "x"}', None),
        ('{"action": true, "action_input": "x"}', None),
        ('{"action_input": "x", "action": "Final Answer", "x": "more', "x"),
        (START + '"x", "thought": "not the answer', "x"),
    ],
)
def test_an_answer_cut_short_or_broken(text, expected):
    assert answer(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"action": "f", "action_input": "x", "more": "unfin', ActionRead("f", "x")),
        ('{"action_input": {"a": 1}, "action": "f"', ActionRead("f", {"a": 1})),
        ('{"action_input": null, "action": "f"', ActionRead("f", {})),
        ('{"action": "f", "action_input": {"a": tru}}', ActionRead("f", '{"a": tru}')),
        ('{"action": "f", "action_input": 2024-05-01}', ActionRead("f", "2024-05-01")),
        (
            '{"action": "f", "action_input": ["a\nb", "\\ud83d"]}',
            ActionRead("f", ["a\nb", "\ufffd"]),
        ),
        ('{"action": "f", "action_input": ""}', ActionRead("f", "")),
        ('{"action": "f", "action_input": false}', ActionRead("f", False)),
        ('{"action": "f", "action_input": 1', None),
        ('{"action": "f", "action_input": "x', None),
        ('{"action": "f", "action_input": ["x"', None),
        ('{"action": "f"', None),
        ('{"action": "f", "action_input": "say "hi""}', None),
        ('{"action": "f", "action_input": "x"\n```', None),
        ('{"action": 7}', None),
        ("{}", None),
    ],
)
def test_an_action_runs_only_with_all_of_its_input(text, expected):
    assert action(text) == expected


@pytest.mark.parametrize(
    "start", ['{"action": 7, "action_input": "', '{"x": "', '{"x": [', '{"', DECOY]
)
def test_what_can_be_neither_answer_nor_action_is_not_kept(start):
    grammar = JsonChatFilter()
    grammar.feed(Chunk(start))
    tracemalloc.start()
    try:
        for _ in range(5_000):
            assert grammar.feed(Chunk("much more ")) == []
        assert tracemalloc.get_traced_memory()[1] < 20_000
    finally:
        tracemalloc.stop()


def test_an_answer_does_not_go_on_in_a_later_string():
    pieces = [START + '"yes", "thought": "I', " think", '"}']
    assert read(JsonChatFilter(), pieces) == Reading("yes", None)


def test_an_input_nested_too_deep_to_parse_stays_text():
    deep = "[" * 100_000 + "]" * 100_000
    text = f'{{"action": "f", "action_input": {deep}}}'
    assert read(JsonChatFilter(), [text]).action == ActionRead("f", deep)


@pytest.mark.parametrize(
    ("source", "text", "times"),
    [
        ("a", "a", 1_000_000),
        ("\\\\", "\\", 500_000),
        ("\\u00e9", "é", 170_000),
        ("\\ud83d\\ude00", "😀", 90_000),
        ("```\n", "```\n", 250_000),
    ],
)
def test_an_answer_of_a_megabyte_in_one_token(source, text, times):
    grammar = JsonChatFilter()
    assert grammar.feed(Chunk(f'{START}"{source * times}"}}')) == [AnswerDelta(text * times)]
    assert grammar.close() == []
