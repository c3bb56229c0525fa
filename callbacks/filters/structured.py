"""`structured`: the answer is a field of a structured output.

The output is the text, a JSON document as of `response_format`, which `json_blob`
finds and which a weaker server may fence; or it is the arguments of a tool call, as
of LangChain's `ToolStrategy`. Whichever speaks first is the answer, certain at once.
"""

from callbacks.filters.base import Chunk, Delta
from callbacks.filters.json_blob import BlobFinder
from callbacks.filters.json_field import JsonField
from callbacks.filters.json_object import is_plain
from callbacks.filters.open_calls import OpenCalls
from callbacks.filters.thoughts import Thoughts
from stream.events import AnswerDelta


class StructuredFilter:
    """One reply with a structured output, being read."""

    def __init__(self, field: str = "answer", tool: str | None = None) -> None:
        """`tool` is the name of the output's schema. Without it any call with the field will do."""
        self._field = field
        self._tool = tool
        self._finder = BlobFinder()
        self._document = JsonField(field)
        self._calls = OpenCalls(self._begin)
        self._speaker: JsonField | None = None  # who spoke first
        self._thoughts = Thoughts()
        self._comments = False

    def feed(self, chunk: Chunk) -> list[Delta]:
        text, thought, calls, phase = chunk.text, chunk.thought, chunk.calls, chunk.phase
        plain = self._speaker is self._document and self._document.takes_plain
        if plain and not (thought or calls or phase or self._comments) and is_plain(text):
            return [AnswerDelta(text)]
        deltas = self._thoughts.feed(thought) if thought else []
        if phase:
            self._comments = phase == "commentary"
        said: list[str] = []
        if text and self._comments:
            deltas += self._thoughts.feed(text)
        elif text:
            start = self._finder.find(text)
            if start >= 0:
                self._hear(self._document, text[start:], said)
        for call in calls:
            if reader := self._calls.reader(call):
                self._hear(reader, call.args, said)
        if said:
            deltas.append(AnswerDelta("".join(said)))
        return deltas

    def close(self) -> list[Delta]:
        readers = [self._speaker] if self._speaker else [self._document, *self._calls.readers()]
        said = [text for reader in readers if (text := reader.close()) is not None]
        return [*self._thoughts.close(), *map(AnswerDelta, said[:1])]

    def _begin(self, tool: str) -> JsonField | None:
        return JsonField(self._field) if self._tool in (None, tool) else None

    def _hear(self, reader: JsonField, source: str, said: list[str]) -> None:
        if self._speaker is not None and self._speaker is not reader:
            return
        if (text := reader.feed(source)) is not None:
            self._speaker = reader
            said.append(text)
