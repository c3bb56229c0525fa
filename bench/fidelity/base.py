"""What a server is here: LangChain's hooks on one side, what the user is shown on the other."""

import asyncio
import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, TypeVar
from uuid import UUID

from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, LLMResult

T = TypeVar("T")
RUN = UUID(int=1)
RESULT = LLMResult(generations=[[ChatGeneration(message=AIMessage(content=""))]])
PRINTED = io.StringIO()
"""Standard output has to be this while a server hears."""


class Server(ABC):
    """One run of an agent, being shown."""

    hear: Callable[..., Any]
    """The hook for a token itself, perhaps async, so that nothing else is timed."""

    async def begin(self) -> None:
        """A call of the model begins."""
        return

    async def end(self) -> None:
        """A call of the model is over."""
        return

    async def finish(self) -> None:
        """The agent has returned."""
        return

    @abstractmethod
    def take(self) -> str:
        """What has been shown since the last time."""


def taken(queue: asyncio.Queue[T]) -> Iterator[T]:
    while not queue.empty():
        yield queue.get_nowait()
