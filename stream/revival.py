"""Whether a run can begin anew when the worker that ran it has died, and what its readers see.

Before the first word of its answer they notice nothing but a delay.
"""

from collections.abc import Iterable

from stream.events import (
    AnswerConfirmed,
    AnswerDelta,
    AnswerRetracted,
    Event,
    SourceFound,
    ToolFinished,
    ToolStarted,
)

LOST = "The tool was lost with the server that ran it."


def prelude(said: Iterable[Event], *, restart: bool = False) -> list[Event] | None:
    """What takes back all that was said of an answer; None if that cannot be taken back.

    With `restart` it is taken back even where it was certain.
    """
    uncertain = certain = sourced = False
    tools: dict[str, ToolStarted] = {}
    for event in said:
        match event:
            case AnswerDelta(certain=True):
                certain = True
            case AnswerDelta():
                uncertain = True
            case AnswerConfirmed():
                certain, uncertain = certain or uncertain, False
            case AnswerRetracted():
                certain, uncertain = certain and not event.certain, False
                sourced = sourced and not event.certain
            case SourceFound():
                sourced = True  # the numbers will be given anew
            case ToolStarted(call_id=call_id):
                tools[call_id] = event
            case ToolFinished(call_id=call_id):
                tools.pop(call_id, None)
            case _:
                pass
    if certain and not restart:
        return None
    finished = [ToolFinished(tool.call_id, tool.name, LOST, failed=True) for tool in tools.values()]
    retracted = [AnswerRetracted(certain or sourced)] if certain or uncertain or sourced else []
    return [*finished, *retracted]
