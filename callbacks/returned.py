"""What the text that an agent returns comes to: an answer, or nothing that can be read.

An agent's own parser may have left the format around the answer, or a thought before
it. So what was not streamed is read like a reply.
"""

from collections.abc import Callable

from callbacks.filters.base import AnswerFilter, TextFilter, read_reply
from callbacks.filters.message import MessageFilter
from callbacks.filters.stops import StopAt
from callbacks.filters.think import ThinkFilter
from stream.errors import UnreadableReply


def answer_in(returned: str, grammar: Callable[[], AnswerFilter]) -> str:
    """Raises `UnreadableReply` for a reply in the format that has no answer."""
    reader = grammar()
    answer, action = read_reply(reader, returned)
    if answer is not None:
        return answer
    if action or (isinstance(reader, TextFilter) and reader.attempted):
        raise UnreadableReply
    answer, _ = read_reply(plain(grammar()), returned)
    if answer is None and returned.strip():
        raise UnreadableReply  # nothing but thoughts
    return answer or ""


def plain(grammar: AnswerFilter) -> AnswerFilter:
    """A grammar that takes all text for the answer, under the same layers."""
    if isinstance(grammar, ThinkFilter | StopAt):
        return grammar.over(plain(grammar.inner))
    return MessageFilter()
