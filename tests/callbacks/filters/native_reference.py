"""Replies with native tool calls read naively: as a whole, each thing by itself."""

import re

from tests.callbacks.filters.json_chat_reference import Blob, Value, joined, object_start
from tests.callbacks.filters.tape import Tape


def calls(tape: Tape) -> list[tuple[str, str]]:
    """The name and the arguments of each call, in the order in which they began."""
    begun: list[list[str]] = []
    open_calls: dict[object, tuple[str, list[str]]] = {}
    for piece in (piece for chunk in tape for piece in chunk.calls):
        id_, call = open_calls.get(piece.at, ("", None))
        if piece.at is None or call is None or (piece.id and id_ and piece.id != id_):
            call = [piece.name, ""]
            begun.append(call)
            open_calls[piece.at] = (piece.id, call)
        call[1] += piece.args
    return [(name, args) for name, args in begun]


def field(source: str, key: str, at: int = 0) -> str | None:
    blob = Blob(source, at)
    blob.read()
    value = blob.values.get(key, Value())
    return value.text if value.text or value.complete else None


def tool(tape: Tape, name: str = "final_answer", argument: str = "answer") -> str | None:
    sources = [args for called, args in calls(tape) if called == name]
    return field(sources[0], argument) if sources else None


def structured(tape: Tape, key: str = "answer", name: str | None = None) -> str | None:
    """Of those that say something in the end, the one that was the first to do so."""
    for end in range(len(tape) + 1):
        for index, said in enumerate(_structured_fields(tape[:end], key, name)):
            if said is not None:
                return _structured_fields(tape, key, name)[index]
    return None


def _structured_fields(tape: Tape, key: str, name: str | None) -> list[str | None]:
    document, comments = "", False
    for chunk in tape:
        comments = chunk.phase == "commentary" if chunk.phase else comments
        document += "" if comments else chunk.text
    start = object_start(document)
    sources = [args if name in (None, called) else "" for called, args in calls(tape)]
    return [
        None if start is None else field(document, key, start),
        *(field(source, key) for source in sources),
    ]


def message(tape: Tape) -> tuple[str | None, str]:
    """The answer, and the thoughts."""
    runs: list[list[str]] = [["", ""]]  # a label, and the text under it
    thoughts, called = "", False
    for chunk in tape:
        thoughts += chunk.thought
        if chunk.phase and chunk.phase != runs[-1][0]:
            runs.append([chunk.phase, ""])
        if called or runs[-1][0] == "commentary":
            thoughts += chunk.text
        else:
            runs[-1][1] += chunk.text
        if chunk.calls and not called:
            called = True
            runs.append([runs[-1][0], ""])
    labels = [label for label, _ in runs]
    last_final = len(labels) - labels[::-1].index("final_answer") if "final_answer" in labels else 0
    answer = "".join(
        joined(text)
        for place, (label, text) in enumerate(runs, 1)
        if label == "final_answer" or (place > last_final and not called)
    )
    return answer or None, joined(thoughts)


def think(text: str, *, opened: bool = False) -> tuple[str, str]:
    """The thought, and what is left for the inner grammar."""
    begin = re.match(r"\s*<think>", text)
    if not begin and not opened:
        return "", text.lstrip()
    rest = text[begin.end() :] if begin else text.lstrip()
    thought, _, rest = rest.partition("</think>")
    return joined(thought), rest.lstrip()
