"""Every wire, each by a real client of its own that asks, and leaves in mid-answer."""

import itertools
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar, NamedTuple

import grpc
import httpx
import openai
import requests
from httpx_sse import ServerSentEvent, connect_sse
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.node import Node
from tests.serving import Lastword, wait_for
from tests.wire.ag_ui.client import AgUi, user
from tests.wire.ag_ui.client import Told as AgUiTold
from tests.wire.ai_sdk.chat import Chat, text_of
from tests.wire.helpers import EVENTS, JSON, TEXT, TIMEOUT, Client, get, only_run
from tests.wire.openai.clients import MODEL, PATH, python, reasons, said
from tests.wire.rpc.clients import Told as Called
from tests.wire.rpc.clients import calling, text_of as text_of_answers
from tests.wire.websocket.talk import LAST
from wire.rpc.lastword.v1.chat_pb2 import FinishReason

NUMBERS = itertools.count()
OPENAIS = {"invalid_api_key": "unauthorized", "rate_limit_exceeded": "busy"}
"""Its own names for two of our codes."""


class Told(NamedTuple):
    """What a client has in the end."""

    text: str
    ends: list[str]
    """What told it that it was over, by the protocol's own names."""
    code: str = ""
    """Of our catalogue, if it failed."""
    own: Any = None
    """By what the protocol itself says so."""
    seen: str = ""
    """Everything that came."""


class Clients(NamedTuple):
    """Processes that many tests use."""

    ai_sdk: Node
    ag_ui: AgUi


class Wire(ABC):
    name: ClassVar[str]
    complete: ClassVar[str]
    """What ends a whole answer."""
    keeps: ClassVar[bool] = False
    """Whether its clients keep the conversation, and so interrupt what they left."""

    def __init__(self, lastword: Lastword, clients: Clients, key: str = "") -> None:
        self.lastword, self.clients, self.key = lastword, clients, key

    @abstractmethod
    def ask(self, text: str = "hi", thread: str = "") -> Told: ...

    @abstractmethod
    def leave(self, heard: str, thread: str = "") -> None:
        """Ask, and go away once so much of the answer has been heard."""

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    def _get(self, path: str) -> requests.Response:
        return get(self.lastword, path, headers=self._headers())

    def _leave_unheard(self, heard: str, path: str, **body: Any) -> None:
        """Where an answer comes whole, only the server knows how far it is."""
        key = "".join(f"{name}: {value}\r\n" for name, value in self._headers().items())
        with Client(self.lastword, JSON, path=path, headers=key, **body):
            wait_for(lambda: self.lastword.active == 1)
            run = f"/runs/{only_run(self.lastword)}"
            wait_for(lambda: self._get(run).json()["answer"] == heard)


# /chat


class Text(Wire):
    name, complete = "text", "last chunk"

    def ask(self, text: str = "hi", thread: str = "") -> Told:
        heard = b""
        with self._post(text, thread) as response:
            if not response.ok:
                return refused(response.json())
            try:
                for piece in response.iter_content(None):
                    heard += piece
            except requests.ConnectionError:
                return Told(heard.decode(), ["cut off"], seen=heard.decode())
        return Told(heard.decode(), [self.complete], seen=heard.decode())

    def leave(self, heard: str, thread: str = "") -> None:
        so_far = b""
        with self._post("hi", thread) as response:
            pieces = response.iter_content(None)
            while so_far != heard.encode():
                so_far += next(pieces)

    def _post(self, text: str, thread: str) -> requests.Response:
        return requests.post(
            f"{self.lastword.url}/chat",
            json=asking(text, thread),
            headers={"Accept": TEXT, **self._headers()},
            stream=True,
            timeout=TIMEOUT,
        )


class Whole(Wire):
    name, complete = "json", "stop"

    def ask(self, text: str = "hi", thread: str = "") -> Told:
        url, asked = f"{self.lastword.url}/chat", asking(text, thread) | {"stream": False}
        response = requests.post(url, json=asked, headers=self._headers(), timeout=TIMEOUT)
        answer = response.json()
        if not response.ok:
            return refused(answer)
        return Told(answer["output"], [answer["finish_reason"]], seen=str(answer))

    def leave(self, heard: str, thread: str = "") -> None:
        self._leave_unheard(heard, "/chat", **asking("hi", thread))


class Sse(Wire):
    name, complete = "sse", "end"

    def ask(self, text: str = "hi", thread: str = "") -> Told:
        # Not by the package's own `json`: it would say a lone surrogate as it is.
        headers = {"Content-Type": JSON, "Accept": EVENTS, **self._headers()}
        content = json.dumps(asking(text, thread))
        return self.read("POST", "/chat", content=content, headers=headers)

    def read(self, method: str, path: str, **options: Any) -> Told:
        url = self.lastword.url + path
        with httpx.Client(timeout=TIMEOUT) as client:
            with connect_sse(client, method, url, **options) as source:
                if source.response.is_error:
                    return refused(json.loads(source.response.read()))
                return of_events((each.event, each.json()) for each in source.iter_sse())

    def leave(self, heard: str, thread: str = "") -> None:
        so_far: list[ServerSentEvent] = []
        url, body = f"{self.lastword.url}/chat", asking("hi", thread)
        with httpx.Client(timeout=TIMEOUT, headers={"Accept": EVENTS, **self._headers()}) as client:
            with connect_sse(client, "POST", url, json=body) as source:
                events = source.iter_sse()
                while of_events((each.event, each.json()) for each in so_far).text != heard:
                    so_far.append(next(events))


def asking(text: str, thread: str) -> dict[str, Any]:
    return {"text": text} | ({"thread_id": thread} if thread else {})


def refused(problem: Any) -> Told:
    return Told("", [str(problem["status"])], problem["code"], problem["status"], str(problem))


def of_events(events: Iterable[tuple[str, Any]]) -> Told:
    """As a client reads the events: what is uncertain may be taken back."""
    certain = uncertain = code = ""
    seen, ends = list[str](), list[str]()
    for name, data in events:
        seen.append(f"{name} {data}")
        if name == "delta" and data.get("certain", True):
            certain += data["text"]
        elif name == "delta":
            uncertain += data["text"]
        elif name == "confirm":
            certain, uncertain = certain + uncertain, ""
        elif name == "retract":
            certain, uncertain = "" if data.get("certain") else certain, ""
        elif name in {"end", "failed", "error"}:
            ends.append(name if name != "end" or data["finish_reason"] == "stop" else "cancelled")
            code = data.get("code", "")
    return Told(certain + uncertain, ends, code, ends[-1] if ends else None, "\n".join(seen))


# The wires of others


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
        with python(self.lastword, self.key or "none") as client:
            with client.chat.completions.create(**self._asked("hi", thread)) as stream:
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


class Socket(Wire):
    name, complete = "websocket", "end"

    def ask(self, text: str = "hi", thread: str = "") -> Told:
        return self.say("ask", **asking(text, thread))

    def say(self, kind: str, **fields: Any) -> Told:
        try:
            with self._open() as socket:
                socket.send(json.dumps({"type": kind, **fields}))
                frames = [hear(socket)]
                while frames[-1]["type"] not in LAST:
                    frames.append(hear(socket))
        except InvalidStatus as refusal:
            return refused(json.loads(refusal.response.body))
        return of_events((frame["type"], frame) for frame in frames)

    def leave(self, heard: str, thread: str = "") -> None:
        frames: list[Any] = []
        with self._open() as socket:
            socket.send(json.dumps({"type": "ask", **asking("hi", thread)}))
            while of_events((frame["type"], frame) for frame in frames).text != heard:
                frames.append(hear(socket))

    def _open(self) -> ClientConnection:
        url = self.lastword.url.replace("http", "ws") + "/ws"
        return connect(url, additional_headers=self._headers(), proxy=None, open_timeout=TIMEOUT)


def hear(socket: ClientConnection) -> Any:
    return json.loads(socket.recv(TIMEOUT))


class Grpc(Wire):
    name, complete = "grpc", "FINISH_REASON_STOP"

    def ask(self, text: str = "hi", thread: str = "") -> Told:
        with calling(self.lastword) as client:
            return of_call(client.send(text, self.key, thread_id=thread))

    def leave(self, heard: str, thread: str = "") -> None:
        answers: list[Any] = []
        with calling(self.lastword) as client:
            call = client.sending("hi", self.key, thread_id=thread)
            while text_of_answers(answers) != heard:
                answers.append(next(call))
            call.cancel()


def of_call(told: Called) -> Told:
    failed = [told.code.name] if told.code is not grpc.StatusCode.OK else []
    reasons = [each.end.finish_reason for each in told.answers if each.WhichOneof("event") == "end"]
    ends = [FinishReason.Name(reason) for reason in reasons] + failed
    code = told.trailers.get("lastword-code", "")
    return Told(told.text, ends, code, told.code.name, str(told))


WIRES: dict[str, type[Wire]] = {
    wire.name: wire
    for wire in (Text, Whole, Sse, OpenAi, OpenAiWhole, AiSdk, AgUiWire, Socket, Grpc)
}
