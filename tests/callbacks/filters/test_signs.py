"""What tells a reply that tried its format from plain text."""

import pytest

from callbacks.filters.base import Chunk, Reply, read_reply
from callbacks.filters.registry import FILTERS
from tests.callbacks.filters.text_samples import FORMATS

TEXT = [*FORMATS, "json_chat"]
JSON = ["json_chat", "react_json"]
LINES = ["react", "react_json", "conversational"]
every_text_format = pytest.mark.parametrize("name", TEXT)


def attempted(name: str, text: str) -> bool:
    whole, slow = FILTERS[name](), FILTERS[name]()
    assert read_reply(whole, text) == Reply(None, None)
    assert [delta for char in text for delta in slow.feed(Chunk(char))] == slow.close() == []
    assert slow.attempted == whole.attempted
    return whole.attempted


@every_text_format
@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "Paris.",
        "An action: go. My thought: none.",
        "Thoughts, then actions:\n1. go",
        "The 'action' of a play, the \"action\", and action_input",
        "Like so:\n```python\nx = {'a': [1]}\n```",
        "Like so:\n```python\nx = 1",
        "Like so:\n```python\nx = 1\n``` ",
        "Like so:\n```\nx = 1\n```\nand\n```\ny = 2\n```\n",
        "```json\n[1]\n```",
        "```json5\n{a: 1}\n```",
        '```json\n{"port": 8080}\n```',
        "Use ```x```",
        "Use ```x``` \n",
        "Use ``",
        "[1] says so",
        "if (x) {",
        "}",
        "a < b and b </ c",
        "<b>bold</b> <",
    ],
)
def test_plain_text_is_no_attempt(name, text):
    assert not attempted(name, text)


@pytest.mark.parametrize("name", JSON)
@pytest.mark.parametrize(
    "text",
    [
        "Well.\n```",
        "```json",
        "Well: ```json",
        "Well: ```js",
        "```\n",
        "```json\n[{",
        "```json\n[",
        "Well: ```\n[ ",
        "```\n{",
        '```json\n{"acti',
        "```json\n{'action': 'Final Answer', 'action_input': 'Hi'}\n```",
        '```json\n{"a": 1, b: 2}\n```',
        '```json\n{"action": 3, "action_input": "Hi"}\n```',
        '```json\n{"action_input": "Hi"}\n```',
        '```json\n{"a": 1}\n{"Action": "f"}\n```',
        'So: {"action": "Final Answer", "action_input": "Hi"}',
        "So: { 'Action",
        '"action": "f"\n"action_input"',
        '"{\\"action\\": \\"f\\"}"',
    ],
)
def test_an_object_that_has_only_begun_or_is_broken(name, text):
    assert attempted(name, text)


@pytest.mark.parametrize("text", ["{", "[{", " [ ", '{"x": ', "{x: 1}", '{"action": "f"'])
def test_a_bare_object(text):
    assert attempted("json_chat", text)
    assert not attempted("xml", text)


@pytest.mark.parametrize("name", LINES)
@pytest.mark.parametrize(
    "text",
    [
        "Thought: hm",
        "Well.\n  **Thought 1**: hm",
        "action: f",
        "- *Action* : f",
        "Well.\n> Action Input: x",
        "1. OBSERVATION: 4",
        "12345) **Action Input (123)** : x",
    ],
)
def test_a_label_at_the_start_of_a_line(name, text):
    assert attempted(name, text)


def test_each_format_has_its_own_label():
    assert attempted("react", "final answer: 4")
    assert attempted("react_json", "final answer: 4")
    assert not attempted("conversational", "final answer: 4")
    assert attempted("conversational", "ai: 4")
    assert not attempted("react", "ai: 4")


@pytest.mark.parametrize("name", ["react", "conversational"])
def test_an_action_anywhere(name):
    assert attempted(name, "I use Action: f")


@pytest.mark.parametrize(
    "text", ["<tool", "< b <TOOL>f", "f</tool>", "<tool_input>x</tool_input>", "Well. </final_a"]
)
def test_a_tag_anywhere(text):
    assert attempted("xml", text)
