"""For wires whose clients keep the conversation and send it whole."""

from collections.abc import Sequence

from agent.request import Message
from stream.errors import BadRequest

MAX_TEXT = 32_000
"""Characters of a question, on whatever wire."""


MAX_MESSAGES = 1000


def question_and_history(messages: Sequence[Message]) -> tuple[str, list[Message]]:
    """What is asked, and what came before it. Raises `BadRequest` that names the message."""
    for place, message in enumerate(messages):
        if reason := unsayable(message.content):
            raise BadRequest(reason, field=f"messages.{place}.content")
    if not messages:
        raise BadRequest("there are none", field="messages")
    *history, last = messages
    where = f"messages.{len(history)}"
    if last.role != "user":
        raise BadRequest("the last message must be the user's", field=f"{where}.role")
    if not last.content.strip():
        raise BadRequest("there is nothing in it", field=f"{where}.content")
    if len(last.content) > MAX_TEXT:
        raise BadRequest(f"has more than {MAX_TEXT} characters", field=f"{where}.content")
    return last.content, history


def unsayable(text: str) -> str | None:
    """Why this can be given to no model, nor be kept."""
    if "\0" in text:
        return "the character NUL is not text"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "half of a surrogate pair is not text"
    return None
