"""Native tool calling: calls beside a few words, and an answer as a call or as a message."""

import random

from bench.fidelity.certainty import Certain, of_json
from bench.fidelity.json_text import ESCAPES, sources_of

PREAMBLES = [
    "Let me look that up.",
    "I'll check the current figures first.\n\n",
    "Ich sehe nach …",
    "先查一下。",
    'The final answer needs one more number: {"q": 1}.',
]
CALLS = [
    ("search", '{"query": "capital of Australia"}'),
    ("calculator", '{"expression":"37593 * 67"}'),
    ("weather", '{\n  "city": "北京",\n  "days": [1, 2]\n}'),
    ("note", '{"answer": "not this one"}'),
    ("clock", "{}"),
]
ANSWER_CALLS = [
    '{"answer": "ANSWER"}',
    '{"answer":"ANSWER"}',
    '{\n  "answer": "ANSWER"\n}',
    '{"thought": "The \\"answer\\": is clear.", "answer": "ANSWER"}',
    '{"answer": "ANSWER", "sources": [{"answer": "no"}]}',
]


def answer_call(chance: random.Random, style: str, answer: str) -> tuple[str, str, Certain]:
    """What is said beside the call, the call's arguments, and when what is certain."""
    text = chance.choice(["", "", chance.choice(PREAMBLES)])
    sources = sources_of(answer, chance.choice(list(ESCAPES)))
    before, _, after = style.partition("ANSWER")
    certain = of_json(text + before, sources, after, known_at=0)
    return text, before + "".join(sources) + after, certain
