"""Which native tool call a piece belongs to, and who reads it."""

from collections.abc import Callable
from typing import NamedTuple

from callbacks.filters.base import CallDelta
from callbacks.filters.json_field import JsonField


class _Call(NamedTuple):
    id: str
    field: JsonField | None


class OpenCalls:
    """Calls told apart as LangChain does it: by index, and by id where an index is used again."""

    def __init__(self, begin: Callable[[str], JsonField | None]) -> None:
        """`begin` is given the name of a call, and says who reads its arguments, if anybody."""
        self._begin = begin
        self._calls: dict[int | str, _Call] = {}

    def reader(self, delta: CallDelta) -> JsonField | None:
        if delta.at is None:  # a call all in one piece
            return self._begin(delta.name)
        call = self._calls.get(delta.at)
        if call and (not delta.id or not call.id or delta.id == call.id):
            return call.field
        reader = self._begin(delta.name)
        self._calls[delta.at] = _Call(delta.id, reader)
        return reader

    def readers(self) -> list[JsonField]:
        """Of calls that may be unfinished."""
        return [call.field for call in self._calls.values() if call.field]
