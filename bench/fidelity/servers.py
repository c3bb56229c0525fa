"""What is compared: six ways to show a user the answer.

What a server has put where its client reads is taken as shown: connections and races are
not part of this.
"""

import os
from collections.abc import Callable
from unittest import mock

from langchain_classic.callbacks.streaming_aiter_final_only import AsyncFinalIteratorCallbackHandler
from langchain_classic.callbacks.streaming_stdout_final_only import (
    FinalStreamingStdOutCallbackHandler,
)

from bench.fidelity.base import Server
from bench.fidelity.cuts import Cut
from bench.fidelity.others import Buffering, Messages, Queue, StdOut
from bench.fidelity.ours import Grammar, Lastword

with mock.patch.dict(os.environ, OPENAI_API_KEY="none"):  # it makes its model when imported
    from bench.tutorial import FinalAnswerHandler as TutorialHandler

_MARKERS = {
    "json_chat": '"Final Answer",\n    "action_input": "',
    "conversational": "AI:",
    "xml": "<final_answer>",
}


def _prefix(name: str, cut: Cut) -> list[str]:
    """As the documentation wants it: the tokens of this very model."""
    return cut(_MARKERS.get(name, "Final Answer:"))


SERVERS: dict[str, Callable[[str, Cut], Server]] = {
    "tutorial's handler": lambda name, cut: Queue(TutorialHandler()),
    "FinalStreamingStdOut": lambda name, cut: StdOut(
        FinalStreamingStdOutCallbackHandler(answer_prefix_tokens=_prefix(name, cut))
    ),
    "AsyncFinalIterator": lambda name, cut: Queue(
        AsyncFinalIteratorCallbackHandler(answer_prefix_tokens=_prefix(name, cut))
    ),
    "LangGraph messages": lambda name, cut: Messages(),
    "buffering": lambda name, cut: Buffering(name),
    "Lastword": lambda name, cut: Lastword(name),
}
PARTS: dict[str, Callable[[str, Cut], Server]] = {
    "Lastword's grammar alone": lambda name, cut: Grammar(name),
}
"""What is of interest only for its cost."""
OWN = {
    "tutorial's handler": ["json_chat"],
    "FinalStreamingStdOut": ["react", "react_json"],
    "AsyncFinalIterator": ["react", "react_json"],
    "LangGraph messages": ["message"],
}
"""The formats that a server is meant for; the others are meant for all of them."""
