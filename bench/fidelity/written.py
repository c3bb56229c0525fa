"""The formats of plain text, each in the styles that models have, as templates.

`ANSWER` is where the answer goes, in JSON as the source of a string.
"""

import random
from collections.abc import Callable
from itertools import product
from typing import NamedTuple

from bench.fidelity.certainty import XML_ESCAPES, Certain, never, of_json, of_line, of_xml
from bench.fidelity.json_text import ESCAPES, sources_of

_FINAL = '"Final Answer"'
_OBJECTS = [
    '{\n    "action": "Final Answer",\n    "action_input": "ANSWER"\n}',
    '{\n\t"action": "Final Answer",\n\t"action_input": "ANSWER"\n}',
    '{"action": "Final Answer", "action_input": "ANSWER"}',
    '{"action":"Final Answer","action_input":"ANSWER"}',
    '{\n  "action_input": "ANSWER",\n  "action": "Final Answer"\n}',
    '{"thought": "Final Answer: {", "action": "Final Answer", "action_input": "ANSWER"}',
    '{"action": "Final Answer", "action_input": "ANSWER", "more": [{"action_input": "no"}]}',
    '[\n  {"action": "Final Answer", "action_input": "ANSWER"}\n]',
]
_AROUND = [
    "```json\nOBJECT\n```",
    "```\nOBJECT\n```",
    "OBJECT",
    "```JSON\nOBJECT\n```\n",
    "```json\r\nOBJECT\r\n```",
    "```json\nOBJECT",
    "I have all that I need.\n\n```json\nOBJECT\n```",
    "This was the query:\n```sql\nSELECT 1;\n```\nSo:\n```json\nOBJECT\n```",
    "```json\nOBJECT\n```\n\nIs there anything else?",
    "```json\nOBJECT\n```\nObservation: none\n",
]
_MID_LINE = "I am sure. MARK ANSWER"
_LINES = [
    "Thought: I now know the final answer.\nMARK ANSWER",
    "I now know the final answer\n\nMARK ANSWER\n",
    "MARK ANSWER",
    " \nMARK\nANSWER",
    "Thought: 现在我知道了。\nMARK ANSWER\n\n",
    "Thought: no tool is needed: {1, 2}.\r\nMARK ANSWER",
    "Thought: it is **clear** now.\n\nMARK  ANSWER\nObservation: none\nThought: done",
    _MID_LINE,
]
_TAGS = [
    "<final_answer>ANSWER</final_answer>",
    "<final_answer>\nANSWER\n</final_answer>",
    "I know it now: 3 < 4.\n<final_answer>ANSWER</final_answer>\n",
    "<final_answer>ANSWER",
    "<thinking>Final Answer: soon</thinking>\n\n<final_answer>ANSWER</final_answer> Done.",
]


class Written(NamedTuple):
    text: str
    answer: str
    certain: Certain


Write = Callable[[random.Random, str, str], Written]


def json_chat(chance: random.Random, template: str, answer: str) -> Written:
    before, _, after = template.partition("ANSWER")
    sources = sources_of(answer, chance.choice(list(ESCAPES)))
    said = "".join(sources)
    known_at = template.rindex(_FINAL) + len(_FINAL)
    if known_at > len(before):
        known_at += len(said) - len("ANSWER")
    return Written(before + said + after, answer, of_json(before, sources, after, known_at))


def line(mark: str) -> Write:
    def write(chance: random.Random, template: str, answer: str) -> Written:
        if any(label in answer for label in (mark, "Action Input:", '"action"')):
            template = template.replace(_MID_LINE, _LINES[0])  # in mid-line the last one counts
        before, _, after = template.replace("MARK", mark).partition("ANSWER")
        text = before + answer + after
        certain = never(text) if template == _MID_LINE else of_line(text, len(before.rstrip(" \n")))
        return Written(text, answer.strip(), certain)

    return write


def xml(chance: random.Random, template: str, answer: str) -> Written:
    source = answer
    for escape, tag in XML_ESCAPES.items() if chance.random() < 0.5 else ():
        source = source.replace(tag, escape)
    before, _, after = template.partition("ANSWER")
    start = before.rindex(">") + 1
    said = before[start:] + answer + after.partition("</final_answer>")[0]
    return Written(before + source + after, said, of_xml(before + source + after, start))


STYLES: dict[str, tuple[Write, list[str]]] = {
    "json_chat": (
        json_chat,
        [around.replace("OBJECT", object_) for around, object_ in product(_AROUND, _OBJECTS)],
    ),
    "react": (line("Final Answer:"), _LINES),
    "react_json": (line("Final Answer:"), _LINES),
    "conversational": (line("AI:"), _LINES),
    "xml": (xml, _TAGS),
}
ACTIONS = {
    "json_chat": [
        '```json\n{\n    "action": "search",\n    "action_input": "capital of Australia"\n}\n```',
        '{"action": "calculator", "action_input": "37593 * 67"}',
        'The Final Answer needs a look.\n```json\n{"action": "search", "action_input": "x"}\n```',
        '```json\n{"action": "note", "action_input": "{\\"action\\": \\"Final Answer\\"}"}\n```',
        '```\n{"action_input": {"city": "北京"}, "action": "weather"}\n```',
    ],
    "react": [
        "Thought: I should search.\nAction: search\nAction Input: capital of Australia",
        "Thought: a product is needed.\nAction: calculator\nAction Input: 37593 * 67\n",
        "It is too early for a Final Answer.\nAction: weather\nAction Input: 北京\nObservation: 25",
        'Action: note\nAction Input: "the final answer is near"',
        "思考：先查一下。\nAction: search\nAction Input: Final Answer: what is it?",
    ],
    "react_json": [
        'Thought: search.\nAction:\n```json\n{"action": "search", "action_input": "x"}\n```',
        'Action:\n```\n{\n  "action": "calculator",\n  "action_input": "37593 * 67"\n}\n```',
        'No Final Answer yet.\n\nAction:\n```\n{"action": "search", "action_input": {"q": 1}}\n```',
        'Action:\n```json\n{"action": "note", "action_input": "final answer"}\n```\nObservation',
        '先查一下。\nAction:\n```json\n{"action": "weather", "action_input": "北京"}\n```',
    ],
    "conversational": [
        "Thought: Do I need to use a tool? Yes\nAction: search\nAction Input: capital of Australia",
        "Thought: Do I need to use a tool? Yes\nAction: calculator\nAction Input: 37593 * 67\n",
        "The AI needs a tool.\nAction: weather\nAction Input: 北京\nObservation: 25",
        'Action: note\nAction Input: "the AI said so"',
        "Thought: 需要工具\nAction: search\nAction Input: what is A.I.?",
    ],
    "xml": [
        "<tool>search</tool><tool_input>capital of Australia</tool_input>",
        "<tool>calculator</tool>\n<tool_input>37593 * 67",
        "The final_answer needs a look.\n<tool>weather</tool><tool_input>北京</tool_input>",
        "<tool>note</tool><tool_input>[[tool]]x[[/tool]] < Final Answer:</tool_input>",
        "<tool>clock</tool><tool_input></tool_input>",
    ],
}
"""Replies that call a tool, and show the user nothing."""
