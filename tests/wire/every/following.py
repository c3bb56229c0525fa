"""Every way to follow a run that is there already, and every way to stop one."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import grpc

from stream.log import Run
from tests.serving import Lastword
from tests.wire.every.base import Clients, Wire
from tests.wire.every.others import AgUiWire, AiSdk, of_chat, of_run
from tests.wire.every.ours import Socket, Sse, of_call
from tests.wire.every.told import Told
from tests.wire.helpers import delete
from tests.wire.rpc.clients import calling


class Follower(ABC):
    """Hears a run from its start to its end."""

    wire: ClassVar[type[Wire]]
    by_thread: ClassVar[bool] = False
    """Knows a run only as its thread's present one; where there is none it is told nothing."""

    def __init__(self, lastword: Lastword, clients: Clients, key: str = "") -> None:
        self.lastword, self.clients, self.key = lastword, clients, key

    @abstractmethod
    def hear(self, run: Run) -> Told: ...

    def _client(self) -> Any:
        return self.wire(self.lastword, self.clients, self.key)


class BySse(Follower):
    wire = Sse

    def hear(self, run: Run) -> Told:
        client: Sse = self._client()
        return client.read("GET", f"/runs/{run.id}/events", headers=client.headers)


class BySocket(Follower):
    wire = Socket

    def hear(self, run: Run) -> Told:
        client: Socket = self._client()
        return client.say("resume", run_id=run.id)


class ByGrpc(Follower):
    wire = None  # type: ignore[assignment]  # its client needs no more than a channel

    def hear(self, run: Run) -> Told:
        with calling(self.lastword) as client:
            return of_call(client.resume(run.id, key=self.key))


class ByAgUi(Follower):
    wire = AgUiWire

    def hear(self, run: Run) -> Told:
        client: AgUiWire = self._client()
        props = {"forwardedProps": {"lastword": {"run_id": run.id}}}
        return of_run(client.run(thread=run.thread_id, parameters=props))


class ByAiSdk(Follower):
    wire = AiSdk
    by_thread = True

    def hear(self, run: Run) -> Told:
        client: AiSdk = self._client()
        chat = client.chat(run.thread_id)
        chat.call("resume")
        return of_chat(chat.settled())


FOLLOWERS: dict[str, type[Follower]] = {
    "sse": BySse,
    "websocket": BySocket,
    "grpc": ByGrpc,
    "ag_ui": ByAgUi,
    "ai_sdk": ByAiSdk,
}


# Stopping one; each returns the code of what is wrong, or nothing.


def by_delete(lastword: Lastword, clients: Clients, key: str, run: Run) -> str:
    response = delete(lastword, f"/runs/{run.id}", headers={"Authorization": f"Bearer {key}"})
    return "" if response.status_code == 204 else str(response.json()["code"])


def by_socket(lastword: Lastword, clients: Clients, key: str, run: Run) -> str:
    return Socket(lastword, clients, key).say("cancel", run_id=run.id).code


def by_grpc(lastword: Lastword, clients: Clients, key: str, run: Run) -> str:
    try:
        with calling(lastword) as client:
            client.cancel(run.id, key)
    except grpc.RpcError as error:
        trailers: Any = error.trailing_metadata()  # type: ignore[attr-defined]  # a call, too
        return str(dict(trailers)["lastword-code"])
    return ""


CANCELLERS = {"DELETE": by_delete, "websocket": by_socket, "grpc": by_grpc}
