"""Runs agents as the server does, and sees that readers were told what the agent returned."""

import asyncio
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import BaseMessage

from callbacks.filters.registry import grammar
from callbacks.handler import FinalAnswerHandler, drain
from stream.events import (
    AnswerConfirmed,
    AnswerDelta,
    AnswerRetracted,
    Event,
    RunCompleted,
    ToolStarted,
)
from stream.transcript import Transcript


@dataclass
class Ran:
    """A run: what it put into the queue, and what the agent returned or raised."""

    events: list[Event]
    returned: str | None = None
    error: Exception | None = None

    @property
    def answer(self) -> str:
        """What a reader who can take text back ends with."""
        return _transcript(self.events).answer

    @property
    def shown(self) -> list[str]:
        """The pieces of uncertain text between its verdicts, each with its verdict."""
        shown, piece = [], ""
        for event in self.events:
            match event:
                case AnswerDelta(text=text, certain=False):
                    piece += text
                case AnswerRetracted():
                    shown.append(f"-{piece}")
                    piece = ""
                case AnswerConfirmed():
                    shown.append(f"+{piece}")
                    piece = ""
                case _:
                    pass
        assert not piece, "no verdict came"
        return shown

    @property
    def tools(self) -> list[str]:
        return [event.name for event in self.events if isinstance(event, ToolStarted)]


async def ask(agent: Any, format: str = "message", size: int = 256) -> Ran:
    """Asks, and holds that the answer is exactly what was returned."""
    ran = await attempt(agent, format, size)
    if ran.error:
        raise ran.error
    assert ran.answer == ran.returned
    for n in range(len(ran.events)):
        so_far = _transcript(ran.events[:n]).answer
        assert ran.returned.startswith(so_far), "what is certain stays"
    return ran


async def attempt(agent: Any, format: str = "message", size: int = 256) -> Ran:
    queue: asyncio.Queue[Event] = asyncio.Queue(size)
    handler = FinalAnswerHandler(queue, grammar(format))
    ran = Ran([])

    async def run() -> None:
        try:
            result = await agent.ainvoke({"messages": "Hi"}, {"callbacks": [handler]})
            last = result["messages"][-1] if isinstance(result, dict) else result
            ran.returned = last.text if isinstance(last, BaseMessage) else last
            await handler.finish(ran.returned)
        except Exception as error:
            ran.error = error
            await handler.stop()
        finally:
            await queue.put(RunCompleted())

    task = asyncio.create_task(run())
    async for batch in drain(queue):
        ran.events += batch
    await task
    assert queue.empty()
    assert handler.answer == ran.answer
    return ran


def _transcript(events: list[Event]) -> Transcript:
    transcript = Transcript()
    for event in events:
        transcript.add(event)
    return transcript
