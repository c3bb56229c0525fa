"""gRPC clients, and what they make of a call."""

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import grpc

from tests.serving import Lastword
from wire.rpc.lastword.v1 import chat_pb2 as pb
from wire.rpc.lastword.v1.chat_pb2_grpc import ChatStub

TIMEOUT = 60
HERE = Path(__file__).parent
ROOT = HERE.parent.parent.parent
GENERATED = ROOT / "wire" / "rpc"
"""Where `lastword.v1` can be imported from."""


class Told(NamedTuple):
    """A call that is over."""

    answers: list[pb.Answer]
    code: grpc.StatusCode
    details: str
    trailers: dict[str, Any]
    names: dict[str, Any]
    """The initial metadata."""

    @property
    def text(self) -> str:
        return text_of(self.answers)

    @property
    def kinds(self) -> list[str]:
        return [str(answer.WhichOneof("event")) for answer in self.answers]


class Client:
    """Calls with what is checked in, as this key's owner."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel
        self.stub = ChatStub(channel)

    def sending(self, text: str = "hi", key: str = "", **fields: Any) -> Any:
        """A call that goes on."""
        asked = pb.SendRequest(text=text, **fields)
        return self.stub.Send(asked, timeout=TIMEOUT, metadata=bearer(key))

    def send(self, text: str = "hi", key: str = "", **fields: Any) -> Told:
        return told(self.sending(text, key, **fields))

    def resume(self, run_id: str, after: str = "", key: str = "", **fields: Any) -> Told:
        asked = pb.ResumeRequest(run_id=run_id, after=after, **fields)
        return told(self.stub.Resume(asked, timeout=TIMEOUT, metadata=bearer(key)))

    def cancel(self, run_id: str, key: str = "") -> Any:
        asked = pb.CancelRequest(run_id=run_id)
        return self.stub.Cancel(asked, timeout=TIMEOUT, metadata=bearer(key))


@contextmanager
def calling(lastword: Lastword) -> Iterator[Client]:
    with grpc.insecure_channel(address(lastword)) as channel:
        yield Client(channel)


def address(lastword: Lastword) -> str:
    return f"127.0.0.1:{lastword.app.state.grpc_port}"


def bearer(key: str) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {key}")] if key else []


def told(call: Any) -> Told:
    """The whole call, whether it fails or not."""
    answers: list[pb.Answer] = []
    try:
        for answer in call:
            answers.append(answer)  # noqa: PERF402  those before a failure count too
    except grpc.RpcError:
        assert call.code() is not grpc.StatusCode.OK
    return Told(
        answers,
        call.code(),
        call.details(),
        dict(call.trailing_metadata()),
        dict(call.initial_metadata()),
    )


def text_of(answers: Iterable[pb.Answer]) -> str:
    return "".join(answer.delta.text for answer in answers)


def run_of(call: Any) -> str:
    """The id of the run that a call is of."""
    return str(dict(call.initial_metadata())["x-run-id"])


def client_process(where: str, *arguments: str, generated: Path = GENERATED) -> Any:
    """`client.py`, a process of its own, which prints what it is told."""
    return subprocess.Popen(
        [sys.executable, str(HERE / "client.py"), where, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(generated), "PYTHONWARNINGS": "error"},
    )
