"""What an agent returns, as an answer."""

import pytest

from callbacks.filters.registry import grammar
from callbacks.returned import answer_in
from stream.errors import UnreadableReply
from tests.replies import blob, final


@pytest.mark.parametrize(
    ("format", "returned", "answer"),
    [
        ("message", "Hello", "Hello"),
        ("message", "", ""),
        ("think+message", "<think>secret</think>\n\nAnswer", "Answer"),
        ("think+message", "Answer", "Answer"),
        ("think+think_opened+message", "<think>a</think>b</think>Answer", "Answer"),
        ("json_chat", final("Hello"), "Hello"),
        ("json_chat", final(""), ""),
        ("json_chat", "Hello", "Hello"),
        ("react", "Thought: secret\nFinal Answer: Hello", "Hello"),
        ("react", "Agent stopped due to iteration limit.", "Agent stopped due to iteration limit."),
        ("xml", "<final_answer></final_answer>", ""),
        ("tool", "Hello", "Hello"),
        ("harmony", "Hello", "Hello"),
        ("harmony", "<|channel|>final<|message|>Hello", "Hello"),
    ],
)
def test_an_answer(format: str, returned: str, answer: str) -> None:
    assert answer_in(returned, grammar(format)) == answer


@pytest.mark.parametrize(
    ("format", "returned"),
    [
        ("think+message", "<think>all of it"),
        ("think+message", "<think>all</think>"),
        ("json_chat", blob("calculator", "1+1")),
        ("json_chat", '```json\n{"action": "Final'),
        ("react", "Thought: secret"),
        ("think+react", "<think>secret"),
        ("harmony", "<|channel|>analysis<|message|>secret"),
        ("harmony", "<|channel|>ana"),
    ],
)
def test_a_reply_without_one(format: str, returned: str) -> None:
    with pytest.raises(UnreadableReply):
        answer_in(returned, grammar(format))
