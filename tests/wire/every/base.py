"""What a test asks of every wire."""

from abc import ABC, abstractmethod
from contextlib import ExitStack
from functools import cached_property
from typing import Any, ClassVar

import requests

from tests.node import Node, running
from tests.serving import Lastword, wait_for
from tests.wire.ag_ui.client import AgUi
from tests.wire.every.told import Told
from tests.wire.helpers import JSON, Client, get, only_run


class Clients:
    """Processes that many tests use, begun by the first: where there is no Node, it skips."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    @cached_property
    def ai_sdk(self) -> Node:
        return self._stack.enter_context(running("ai_sdk.mjs"))

    @cached_property
    def ag_ui(self) -> AgUi:
        return AgUi(self._stack.enter_context(running("ag_ui.mjs")))


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

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    def _get(self, path: str) -> requests.Response:
        return get(self.lastword, path, headers=self.headers)

    def _leave_unheard(self, heard: str, path: str, **body: Any) -> None:
        """Where an answer comes whole, only the server knows how far it is."""
        key = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        with Client(self.lastword, JSON, path=path, headers=key, **body):
            wait_for(lambda: self.lastword.active == 1)
            run = f"/runs/{only_run(self.lastword)}"
            wait_for(lambda: self._get(run).json()["answer"] == heard)


def asking(text: str, thread: str) -> dict[str, Any]:
    return {"text": text} | ({"thread_id": thread} if thread else {})
