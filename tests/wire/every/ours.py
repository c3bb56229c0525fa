"""The wires that speak this server's own words: `/chat`, `/ws` and gRPC."""

import json
from typing import Any

import grpc
import httpx
import requests
from httpx_sse import ServerSentEvent, connect_sse
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.wire.every.base import Wire, asking
from tests.wire.every.told import Told, of_events, refused
from tests.wire.helpers import EVENTS, JSON, TEXT, TIMEOUT
from tests.wire.rpc.clients import Told as Called
from tests.wire.rpc.clients import calling
from tests.wire.rpc.clients import text_of as text_of_answers
from tests.wire.websocket.talk import LAST
from wire.rpc.lastword.v1.chat_pb2 import FinishReason


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
            except requests.exceptions.ChunkedEncodingError:
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
            headers={"Accept": TEXT, **self.headers},
            stream=True,
            timeout=TIMEOUT,
        )


class Whole(Wire):
    name, complete = "json", "stop"

    def ask(self, text: str = "hi", thread: str = "") -> Told:
        url, asked = f"{self.lastword.url}/chat", asking(text, thread) | {"stream": False}
        response = requests.post(url, json=asked, headers=self.headers, timeout=TIMEOUT)
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
        headers = {"Content-Type": JSON, "Accept": EVENTS, **self.headers}
        content = json.dumps(asking(text, thread))
        return self.read("POST", "/chat", content=content, headers=headers)

    def read(self, method: str, path: str, **options: Any) -> Told:
        url = self.lastword.url + path
        with (
            httpx.Client(timeout=TIMEOUT) as client,
            connect_sse(client, method, url, **options) as source,
        ):
            if source.response.is_error:
                return refused(json.loads(source.response.read()))
            return of_events((each.event, each.json()) for each in source.iter_sse())

    def leave(self, heard: str, thread: str = "") -> None:
        so_far: list[ServerSentEvent] = []
        url, body = f"{self.lastword.url}/chat", asking("hi", thread)
        with (
            httpx.Client(timeout=TIMEOUT, headers=self.headers) as client,
            connect_sse(client, "POST", url, json=body) as source,
        ):
            events = source.iter_sse()
            while of_events((each.event, each.json()) for each in so_far).text != heard:
                so_far.append(next(events))


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
        return connect(url, additional_headers=self.headers, proxy=None, open_timeout=TIMEOUT)


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
