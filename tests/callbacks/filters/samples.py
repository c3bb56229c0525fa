"""What each grammar is tried on. A new grammar is one line here, and gets every property test."""

from collections.abc import Callable
from typing import NamedTuple

from hypothesis.strategies import SearchStrategy

from tests.callbacks.filters import json_chat_samples as json_chat
from tests.callbacks.filters.reading import Sample


class Samples(NamedTuple):
    answers: SearchStrategy[Sample]
    actions: SearchStrategy[Sample]
    noise: SearchStrategy[str]
    endless: Callable[[int], list[str]]


_JSON_CHAT = Samples(json_chat.answers(), json_chat.actions(), json_chat.noise, json_chat.endless)
SAMPLES: dict[str, Samples] = {"json_chat": _JSON_CHAT, "structured_chat": _JSON_CHAT}
