"""The same filter, printed: streaming to a terminal or a notebook in development.

build_agent().invoke({"messages": "What is 3 squared?"}, {"callbacks": [StdoutHandler()]})
"""

import sys
from collections.abc import Iterable
from typing import Any, TextIO
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import BaseMessage
from langchain_core.outputs import LLMResult

from callbacks.calls import Calls
from callbacks.chunks import chunks_of
from callbacks.filters.base import CallDelta, Chunk, Delta
from callbacks.filters.registry import grammar
from callbacks.handler import WantsTokens, message_of
from stream.events import AnswerConfirmed, AnswerDelta, AnswerRetracted
from stream.printable import printable


class StdoutHandler(WantsTokens, BaseCallbackHandler):
    """Prints the final answer as it is written, and a newline after it.

    Works in sync and async runs, with any model that streams. Serves one run at a time.
    """

    run_inline = True
    raise_error = True

    def __init__(self, format: str = "tool", file: TextIO | None = None) -> None:
        """`format` is the name of a `grammar`: how the agent talks. `tool` is `build_agent`'s.

        `file` is where to print, stdout by default.
        """
        self._grammar = grammar(format)
        self._calls = Calls(self._grammar)
        self._uncertain: list[str] = []
        self._file = file
        self._open_line = False

    def on_chain_start(
        self,
        serialized: dict[str, Any],
        inputs: dict[str, Any],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        self._begins(parent_run_id)
        self._calls.enter(run_id, parent_run_id, metadata=metadata)

    def on_chain_end(self, outputs: Any, *, parent_run_id: UUID | None = None, **_: Any) -> None:
        match outputs:
            case {"output": str(text)} | str(text):
                self._ends(parent_run_id, text)
            case {"messages": [*_, BaseMessage(text=text)]} | BaseMessage(text=text):
                self._ends(parent_run_id, str(text))
            case _:
                self._ends(parent_run_id)

    def on_chain_error(
        self, error: BaseException, *, parent_run_id: UUID | None = None, **_: Any
    ) -> None:
        self._end_line(parent_run_id)

    def on_tool_start(
        self,
        serialized: dict[str, Any],
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **_: Any,
    ) -> None:
        self._calls.enter(run_id, parent_run_id, hides=True)

    def on_retriever_start(
        self,
        serialized: dict[str, Any],
        query: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **_: Any,
    ) -> None:
        self._calls.enter(run_id, parent_run_id, hides=True)

    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        self._begins(parent_run_id)
        self._calls.begin(run_id, parent_run_id, tags, metadata)

    def on_llm_start(
        self,
        serialized: dict[str, Any],
        prompts: list[str],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        self._begins(parent_run_id)
        self._calls.begin(run_id, parent_run_id, tags, metadata)

    def on_llm_new_token(
        self, token: str | list[Any], *, chunk: Any = None, run_id: UUID, **_: Any
    ) -> None:
        self._print(self._calls.feed(run_id, token, getattr(chunk, "message", None)))

    def on_llm_end(
        self, response: LLMResult, *, run_id: UUID, parent_run_id: UUID | None = None, **_: Any
    ) -> None:
        message = message_of(response)
        self._print(self._calls.end(run_id, message.text, message))
        self._ends(parent_run_id)

    def on_llm_error(
        self,
        error: BaseException,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **_: Any,
    ) -> None:
        self._print(self._calls.fail(run_id))
        self._end_line(parent_run_id)

    def _begins(self, parent: UUID | None) -> None:
        """What has no parent is the run, and no step of it."""
        if parent is None:
            self._calls = Calls(self._grammar)
            self._uncertain.clear()

    def _ends(self, parent: UUID | None, returned: str | None = None) -> None:
        if parent is None:
            self._print(self._calls.finish(returned))
            self._end_line(parent)

    def _end_line(self, parent: UUID | None) -> None:
        if parent is None and self._open_line:
            self._write("\n")
            self._open_line = False

    def _print(self, deltas: list[Delta]) -> None:
        for delta in deltas:
            match delta:
                case AnswerDelta(text=text, certain=True):
                    self._say(text)
                case AnswerDelta(text=text):  # what is printed cannot be taken back
                    self._uncertain.append(text)
                case AnswerConfirmed():
                    self._say("".join(self._uncertain))
                    self._uncertain.clear()
                case AnswerRetracted():
                    self._uncertain.clear()
                case _:
                    pass

    def _say(self, text: str) -> None:
        self._write(text)
        self._open_line = True

    def _write(self, text: str) -> None:
        # Looked up late: notebooks and tests put another stream in its place.
        print(printable(text), end="", file=self._file or sys.stdout, flush=True)


class RawStdoutHandler(WantsTokens, BaseCallbackHandler):
    """Prints everything that every model call says, for debugging a prompt."""

    run_inline = True

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = file
        self._heard: set[UUID] = set()

    def on_llm_new_token(
        self, token: str | list[Any], *, chunk: Any = None, run_id: UUID, **_: Any
    ) -> None:
        self._heard.add(run_id)
        self._print(chunks_of(token, getattr(chunk, "message", None)))

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **_: Any) -> None:
        if run_id not in self._heard:  # a model that does not stream
            message = message_of(response)
            self._print(chunks_of(message.content, message))
        self._heard.discard(run_id)
        print(file=self._file or sys.stdout, flush=True)

    def _print(self, chunks: Iterable[Chunk]) -> None:
        for chunk in chunks:
            text = f"{chunk.thought}{chunk.text}{''.join(map(_written, chunk.calls))}"
            print(printable(text), end="", file=self._file or sys.stdout, flush=True)


def _written(call: CallDelta) -> str:
    return f"{call.name} {call.args}" if call.name else call.args
