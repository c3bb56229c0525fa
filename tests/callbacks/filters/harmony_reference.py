"""The `harmony` format read naively: a whole text, split at every token."""

import json
import re

from callbacks.filters.base import ActionRead
from tests.callbacks.filters.json_chat_reference import clean, joined
from tests.callbacks.filters.reading import Reading

TOKEN = re.compile(r"(<\|(?:start|message|end|return|call)\|>)")


def read_whole(text: str) -> Reading:
    header, content, kind = "assistant ", "", ""
    thought, tool = "", ""
    for part in [*TOKEN.split(text), None]:
        if not kind and part == "<|start|>":
            header = ""
        elif not kind and part == "<|message|>":
            kind, tool = kind_of(header[:1000])
            content = ""
        elif not kind:
            header += part or ""
        elif part not in ("<|end|>", "<|return|>", "<|call|>", None):
            content += part
        else:
            ended = part is not None
            if kind == "final":
                said = content or ended
                return Reading(joined(content) if said else None, None, thought)
            if kind == "call" and (
                ended or (content.strip()[:1] == "{" and isinstance(value_of(content), dict))
            ):
                return Reading(None, ActionRead(tool, value_of(content)), thought)
            if kind == "thought":
                thought += joined(content)
            header, kind = "assistant ", ""
    return Reading(None, None, thought)


def kind_of(header: str) -> tuple[str, str]:
    if not re.match(r"\s*assistant(\W|$)", header):
        return "foreign", ""
    for word in re.split(r"[\s<]+", header):
        if re.fullmatch(r"(.*\W)?to=.+", word):
            whole = re.split(r"(?<!\w)to=", word, maxsplit=1)[1]
            tool = whole.removeprefix("functions.") or whole
            if tool not in ("all", "user", "assistant"):
                return "call", tool
            break
    final = re.search(r"<\|channel\|>\s*final(\W|$)", header)
    return ("final" if final else "thought"), ""


def value_of(source: str):
    try:
        value = json.loads(source.strip() or "null", strict=False)
    except (ValueError, RecursionError):
        return joined(source.strip())
    return {} if value is None else clean(value)
