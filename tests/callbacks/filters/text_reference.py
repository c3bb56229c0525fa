"""The text formats read naively: a whole text, by regular expressions, nothing kept.

Written apart from the filters and sharing nothing with them. Slow, but plain to see right.
"""

import re
from dataclasses import dataclass

from callbacks.filters.base import ActionRead
from tests.callbacks.filters.json_chat_reference import (
    Blob,
    Value,
    joined,
    object_start,
    tool_input,
)
from tests.callbacks.filters.reading import Reading

STOPS = ("\nObservation",)
NUMBER = r"\s{0,9}\d{0,9}\s{0,9}"
WRITTEN = re.compile(rf"Action{NUMBER}:(.*?)Action{NUMBER}Input{NUMBER}:", re.DOTALL)
TAG_NAMES = ("tool", "tool_input", "observation")


@dataclass
class Found:
    """An action: where it is known to be one, and where a stop sequence after it ends."""

    action: ActionRead
    at: int
    stop: int | None


def react(text: str, stops=STOPS) -> Reading:
    first = marker_at_line_start("Final Answer:", text)
    if written_action(text if first is None else text[:first], stops):
        # It came first, so all that follows is its input.
        return Reading(None, written_action(text, stops).action)
    return answer(text, first, "Final Answer:", stops)


def conversational(text: str, stops=STOPS) -> Reading:
    return unless_marked(text, "AI:", written_action, stops)


def react_json(text: str, stops=STOPS) -> Reading:
    return unless_marked(text, "Final Answer:", blob_action, stops)


def unless_marked(text, marker, find_action, stops) -> Reading:
    found = find_action(text, stops)
    said = text[: found.stop] if found else text
    first = marker_at_line_start(marker, said)
    if first is not None:
        return answer(text, first, marker, stops)
    if found and said.rfind(marker) < found.at:
        return Reading(None, found.action)
    return answer(said, None, marker, stops)


def answer(text: str, first: int | None, marker: str, stops) -> Reading:
    if first is None:
        if marker not in text:
            return Reading(None, None)
        first = text.rindex(marker) + len(marker)
    said = joined(text[first:])
    return Reading(said[: first_stop(said, stops)[0]].strip(), None)


def marker_at_line_start(marker: str, text: str) -> int | None:
    for found in re.finditer(re.escape(marker), text):
        line = text[: found.start()].split("\n")[-1]
        if all(char in " \t\r\ufeff" for char in line):
            return found.end()
    return None


def first_stop(text: str, stops) -> tuple[int, int] | tuple[None, None]:
    """Where the stop sequence stands that is complete first."""
    for end in range(1, len(text) + 1):
        for stop in sorted(filter(None, stops), key=len):
            if text.endswith(stop, 0, end):
                return end - len(stop), end
    return None, None


def written_action(text: str, stops) -> Found | None:
    found = WRITTEN.search(text)
    if not found:
        return None
    begin, end = first_stop(text[found.end() :], stops)
    given = joined(text[found.end() :][:begin])
    name = joined(found[1]).strip()
    action = ActionRead(name, given.lstrip().strip(" ").strip('"'))
    return Found(action, found.end(), None if end is None else found.end() + end)


def blob_action(text: str, stops) -> Found | None:
    blob = Blob("-\n" + text, object_start("-\n" + text) or 0)
    blob.read()
    name = blob.values.get("action", Value())
    if not blob.whole or not name.quoted:
        return None
    given = tool_input(blob.values.get("action_input", Value()))
    at = blob.at + 1 - len("-\n")
    _, end = first_stop(text[at:], stops)
    return Found(ActionRead(name.text, given), at, None if end is None else at + end)


def xml(text: str) -> Reading:
    tool = re.search("<tool>(.*?)</tool>", text, re.DOTALL)
    tag = text.find("<final_answer>")
    if tag >= 0 and not (tool and tool.end() <= tag):
        said = text[tag + len("<final_answer>") :]
        inside, closing, _ = said.partition("</final_answer>")
        return Reading(unescaped(inside if closing else cut("</final_answer>", said)), None)
    if not tool:
        return Reading(None, None)
    inside = re.compile("<tool_input>(.*?)</tool_input>", re.DOTALL)
    before, after = text[: tool.start()], text[tool.end() :]
    if given := inside.search(before) or inside.search(after):
        source = given[1]
    else:
        source = cut("</tool_input>", after.partition("<tool_input>")[2])
    return Reading(None, ActionRead(unescaped(tool[1]).strip(), unescaped(source)))


def cut(closing: str, text: str) -> str:
    """Without a closing tag that the end of the reply cut off."""
    for length in range(len(closing) - 1, 1, -1):
        if text.endswith(closing[:length]):
            return text[:-length]
    return text


def unescaped(text: str) -> str:
    meanings = {"[[\\<]]": "<", "[[\\[]]": "["}
    for name in TAG_NAMES:
        meanings |= {f"[[{tag}]]": f"<{tag}>" for tag in (name, "/" + name)}
    pieces = re.split(f"({'|'.join(map(re.escape, meanings))})", joined(text))
    return "".join(meanings.get(piece, piece) for piece in pieces)


NAIVE = {
    "react": react,
    "react_json": react_json,
    "conversational": conversational,
    "xml": xml,
}
