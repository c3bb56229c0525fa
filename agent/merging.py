"""Frames that arrived in one read -> fewer frames that say the same.

Neighbours are joined where each carries a piece of one and the same thing, and nothing
else: text, a thought, or the arguments of one tool call. Nobody waits for it, and the
busier the server, the cheaper a token. A finish reason, usage and logprobs stay where
they are.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TypeAlias

from agent.frames import Frame, only_text

Piece: TypeAlias = tuple[str | int, str]
"""What of, the key of a text in the delta or the index of a call; and the characters."""


def merged(frames: Iterable[Frame]) -> Iterator[Frame]:
    """The first of the joined is changed in place. The other frames pass as they are."""
    pieces = ((piece_of(frame), frame) for frame in frames)
    for kind, group in groupby(pieces, lambda said: said[0] and said[0][0]):
        if kind is None:
            yield from (frame for _, frame in group)
        else:
            yield _joined(kind, [(piece[1], frame) for piece, frame in group if piece])


def piece_of(frame: Frame) -> Piece | None:
    """The piece of a well-formed frame that carries nothing else."""
    if (text := only_text(frame)) is not None:
        return "content", text
    choices = frame.get("choices")
    if not choices or len(choices) > 1 or frame.get("usage"):
        return None
    choice = choices[0]
    if choice.get("finish_reason") or choice.get("logprobs") or choice.get("index"):
        return None
    said = [(key, value) for key, value in choice["delta"].items() if value and key != "role"]
    match said:
        case [("reasoning_content" | "reasoning" as key, str(text))]:
            return key, text
        case [("tool_calls", [{"index": int(index), "function": function, **rest}])]:
            text = function.get("arguments")
            new = [value for key, value in (rest | function).items() if key not in _NOTHING_NEW]
            return (index, text) if isinstance(text, str) and not any(new) else None
        case _:
            return None


_NOTHING_NEW = ("type", "arguments")
"""In a frame of a call that has begun. One with an id or a name begins a call."""


def _joined(kind: str | int, said: list[tuple[str, Frame]]) -> Frame:
    first = said[0][1]
    if len(said) > 1:
        delta, text = first["choices"][0]["delta"], "".join(text for text, _ in said)
        if isinstance(kind, str):
            delta[kind] = text
        else:
            delta["tool_calls"][0]["function"]["arguments"] = text
    return first
