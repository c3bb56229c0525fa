"""What each grammar is tried on. A new grammar is one line here, and gets every property test."""

from collections.abc import Callable
from typing import NamedTuple

from hypothesis.strategies import SearchStrategy

from tests.callbacks.filters import harmony_samples as harmony
from tests.callbacks.filters import json_chat_samples as json_chat
from tests.callbacks.filters import native_samples as native
from tests.callbacks.filters import text_samples as text
from tests.callbacks.filters import think_samples as think
from tests.callbacks.filters.reading import Sample, Text


class Samples(NamedTuple):
    answers: SearchStrategy[Sample]
    actions: SearchStrategy[Sample]
    noise: SearchStrategy[Text]
    endless: Callable[[int], list[Text]]


def thinking(inner: Samples, *, opened: bool = False) -> Samples:
    return Samples(
        think.after_thoughts(inner.answers, opened=opened),
        think.after_thoughts(inner.actions, opened=opened),
        think.noise_of(inner.noise),
        think.endless,
    )


_JSON_CHAT = Samples(json_chat.answers(), json_chat.actions(), json_chat.noise, json_chat.endless)
SAMPLES: dict[str, Samples] = {
    "json_chat": _JSON_CHAT,
    "structured_chat": _JSON_CHAT,
    **{name: Samples(*text.samples(name)) for name in text.FORMATS},
    "tool": Samples(
        native.tool_answers(), native.tool_actions(), native.noise, native.tool_endless
    ),
    "message": Samples(
        native.message_answers(), native.message_actions(), native.noise, native.message_endless
    ),
    "structured": Samples(
        native.structured_answers(),
        native.structured_actions(),
        native.noise,
        native.structured_endless,
    ),
    "harmony": Samples(harmony.answers(), harmony.actions(), harmony.noise, harmony.endless),
    "think+json_chat": thinking(_JSON_CHAT),
    "think_opened+json_chat": thinking(_JSON_CHAT, opened=True),
}
