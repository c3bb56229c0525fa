"""Conversations that come with the request."""

import pytest

from agent.request import Message
from stream.errors import BadRequest
from wire.conversation import question_and_history

BEFORE = [Message("user", "Hi"), Message("assistant", "")]


def test_the_last_message_is_the_question():
    assert question_and_history([*BEFORE, Message("user", "And?")]) == ("And?", BEFORE)


@pytest.mark.parametrize(
    ("messages", "field"),
    [
        ([], "messages"),
        (BEFORE, "messages.1.role"),
        ([*BEFORE, Message("user", " \n")], "messages.2.content"),
        ([Message("system", "a\0b"), Message("user", "Hi")], "messages.0.content"),
    ],
)
def test_what_is_wrong_is_named(messages: list[Message], field: str):
    with pytest.raises(BadRequest) as refused:
        question_and_history(messages)
    assert refused.value.field == field
