"""The wires of others: OpenAI, AI SDK, AG-UI."""

import itertools
import json
from typing import Any

import openai

from tests.wire.ag_ui.client import Told as AgUiTold
from tests.wire.ag_ui.client import user
from tests.wire.ai_sdk.chat import Chat, text_of
from tests.wire.every.base import Wire
from tests.wire.every.told import Told, refused
from tests.wire.openai.clients import MODEL, PATH, python, reasons, said

NUMBERS = itertools.count()
OPENAIS = {"invalid_api_key": "unauthorized", "rate_limit_exceeded": "busy"}
"""Its own names for two of our codes."""


class OpenAi(Wire):
    name, complete = "openai", "stop"

    def ask(self, text: str = "hi", thread: str = "") -> Told:
        chunks: list[Any] = []
        with python(self.lastword, self.key or "none") as client:
            try:
                with client.chat.completions.create(**self._asked(text, thread)) as stream:
                    for chunk in stream:
                        chunks.append(chunk)  # noqa: PERF402  those before a failure count too
            except openai.APIError as error:
                return of_openai_error(error, chunks)
        return Told(said(chunks), reasons(chunks), seen=str(chunks))

    def leave(self, heard: str, thread: str = "") -> None:
        chunks: list[Any] = []
        with (
            python(self.lastword, self.key or "none") as client,
            client.chat.completions.create(**self._asked("hi", thread)) as stream,
        ):
            while said(chunks) != heard:
                chunks.append(next(stream))

    def _asked(self, text: str, thread: str, stream: bool = True) -> dict[str, Any]:
        asked = {"model": MODEL, "messages": [{"role": "user", "content": text}], "stream": stream}
        return asked | ({"metadata": {"thread_id": thread}} if thread else {})


class OpenAiWhole(OpenAi):
    name = "openai whole"

    def ask(self, text: str = "hi", thread: str = "") -> Told:
        with python(self.lastword, self.key or "none") as client:
            try:
                whole = client.chat.completions.create(**self._asked(text, thread, stream=False))
            except openai.APIError as error:
                return of_openai_error(error, [])
        (choice,) = whole.choices
        return Told(choice.message.content, [choice.finish_reason], seen=str(whole))

    def leave(self, heard: str, thread: str = "") -> None:
        self._leave_unheard(heard, PATH, **self._asked("hi", thread, stream=False))


def of_openai_error(error: openai.APIError, chunks: list[Any]) -> Told:
    code, kind = OPENAIS.get(error.code or "", error.code or ""), type(error).__name__
    seen = f"{chunks} {error} {error.body}"
    return Told(said(chunks), [*reasons(chunks), kind], code, kind, seen)


class AiSdk(Wire):
    name, complete = "ai_sdk", "finish"
    keeps = True

    def ask(self, text: str = "hi", thread: str = "") -> Told:
        return of_chat(self.chat(thread).ask(text))

    def leave(self, heard: str, thread: str = "") -> None:
        chat = self.chat(thread).send("hi").until(heard)
        chat.call("stop")
        chat.settled()

    def chat(self, thread: str) -> Chat:
        name = thread or f"chat-of-all-{next(NUMBERS)}"
        return Chat(self.clients.ai_sdk, self.lastword, name, key=self.key)


def of_chat(state: Any) -> Told:
    seen = json.dumps(state, ensure_ascii=False)
    message, chunks = state["messages"][-1:], [chunk["type"] for chunk in state["chunks"]]
    if (error := state.get("error")) and not chunks:
        return refused(json.loads(error["message"]))
    ends = [kind for kind in chunks if kind in {"finish", "error", "abort"}]
    codes = [part["data"]["code"] for part in state["data"] if part["type"] == "data-error"]
    answer = "".join(text_of(each) for each in message if each["role"] == "assistant")
    return Told(answer, ends, "".join(codes), (ends or [None])[-1], seen)


class AgUiWire(Wire):
    name, complete = "ag_ui", "RUN_FINISHED success"
    keeps = True

    def ask(self, text: str = "hi", thread: str = "") -> Told:
        return of_run(self.run(user(text), thread=thread))

    def leave(self, heard: str, thread: str = "") -> None:
        self.run(user("hi"), thread=thread, abortAt=heard)

    def run(self, *messages: Any, thread: str, **options: Any) -> AgUiTold:
        config = {"threadId": thread or f"thread-of-all-{next(NUMBERS)}"}
        url = self.lastword.url
        return self.clients.ag_ui.run(url, *messages, key=self.key, config=config, **options)


def of_run(told: AgUiTold) -> Told:
    seen, error = json.dumps(told, ensure_ascii=False), told["error"]
    if error and "status" in error:
        return refused(json.loads(error["payload"]))
    failed = [event["code"] for event in told.of("RUN_ERROR")]
    finished = [f"RUN_FINISHED {each['outcome']['type']}" for each in told.of("RUN_FINISHED")]
    ends = finished + ["RUN_ERROR"] * len(failed)
    return Told(told.text, ends, "".join(failed), (ends or [None])[-1], seen)
