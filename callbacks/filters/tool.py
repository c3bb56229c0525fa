"""`tool`: native tool calls, one of which is the answer: `final_answer(answer: str)`.

The answer is the argument of the first call of that tool, certain at once, read out
of the call's unfinished JSON. Other calls are LangChain's matter. Text beside calls
is what the model thinks aloud, and a reply with nothing but text has no answer: the
caller corrects it.
"""

from callbacks.filters.base import Chunk, Delta
from callbacks.filters.json_field import JsonField
from callbacks.filters.json_object import is_plain
from callbacks.filters.open_calls import OpenCalls
from callbacks.filters.thoughts import Thoughts
from stream.events import AnswerDelta

ANSWER_TOOL = "final_answer"
ANSWER_ARGUMENT = "answer"


class ToolFilter:
    """One reply with native tool calls, being read."""

    def __init__(self, tool: str = ANSWER_TOOL, argument: str = ANSWER_ARGUMENT) -> None:
        self._tool = tool
        self._answer = JsonField(argument)
        self._begun = False
        self._at: int | str | None = None  # of which call a plain piece is just itself
        self._calls = OpenCalls(self._begin)
        self._thoughts = Thoughts()

    def feed(self, chunk: Chunk) -> list[Delta]:
        text, thought, calls = chunk.text, chunk.thought, chunk.calls
        if self._at is not None and len(calls) == 1 and not text and not thought:
            at, name, args, id_ = calls[0]
            if at == self._at and not name and not id_ and is_plain(args):
                return [AnswerDelta(args)]  # nearly every token of an answer
        deltas = self._thoughts.feed(thought + text) if thought or text else []
        said: str | None = None
        for call in calls:
            reader = self._calls.reader(call)
            if reader and (more := reader.feed(call.args)) is not None:
                said = more if said is None else said + more
            if reader or call.at == self._at:
                self._at = call.at if reader and reader.takes_plain else None
        if said is not None:
            deltas.append(AnswerDelta(said))
        return deltas

    def close(self) -> list[Delta]:
        said = self._answer.close()
        return [*self._thoughts.close(), *([] if said is None else [AnswerDelta(said)])]

    def _begin(self, tool: str) -> JsonField | None:
        if tool != self._tool or self._begun:
            return None
        self._begun = True
        return self._answer
