"""Every grammar by name. A new output format is one new file and one line here."""

from collections.abc import Callable

from callbacks.filters.base import AnswerFilter
from callbacks.filters.json_chat import JsonChatFilter

FILTERS: dict[str, Callable[[], AnswerFilter]] = {
    "json_chat": JsonChatFilter,
    "structured_chat": JsonChatFilter,
}
