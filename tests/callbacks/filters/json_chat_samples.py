"""Replies in the `json_chat` format, in every style that it allows, and noise made of its parts."""

import json

from hypothesis import strategies as st

from callbacks.filters.base import ActionRead
from tests.callbacks.filters.json_chat_reference import Value, joined, tool_input
from tests.callbacks.filters.reading import Sample

DECOY = '{"action": "Final Answer", "action_input": "no"}'
ANY_CHARACTER = st.characters(exclude_categories=())  # surrogates too
SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "/": "\\/", "'": "\\'"}
TEMPTING = [
    *["```", "```json\n", "\n```\n", '"', "Final Answer", DECOY, "\\", "\n", "}", "', "],
    *["é", "😀", "\ud83dx", "\ud83d", "\ude00"],
]
NOT_ESCAPES = [
    ("\\s", "\\s"),
    ("\\(", "\\("),
    ("\\'", "'"),
    ("\\\n", "\\\n"),
    ("\\u12\\n", "\\u12\n"),
]

space = st.sampled_from(["", "", " ", "\n", "\r\n\t"])


def hexed(char: str, template: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(template % int.from_bytes(units[i : i + 2]) for i in range(0, len(units), 2))


@st.composite
def written(draw, char: str) -> str:
    """One character as JSON string source, in one of the ways there are."""
    style = draw(st.sampled_from(["raw", "short", "\\u%04x", "\\u%04X"]))
    if style == "short" and char in SHORT:
        return SHORT[char]
    if style.startswith("\\"):
        return hexed(char, style)
    return SHORT[char] if char in '"\\' else char


@st.composite
def strings(draw) -> tuple[str, str]:
    """The source of a JSON string, and what it says."""
    texts = st.one_of(st.text(ANY_CHARACTER, max_size=12), st.sampled_from(TEMPTING))
    source, units = "", ""
    for part in draw(st.lists(st.one_of(texts, st.sampled_from(NOT_ESCAPES)), max_size=5)):
        if isinstance(part, tuple):
            source, units = source + part[0], units + part[1]
        else:
            source += "".join(draw(written(char)) for char in part)
            units += part
    return f'"{source}"', joined(units)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner | st.text(ANY_CHARACTER, max_size=5), max_size=3)
        | st.dictionaries(st.sampled_from(["action", "action_input", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@st.composite
def sources(draw) -> tuple[str, str]:
    """The source of a JSON value that is no string. It is its own meaning, surrogates apart."""
    value = draw(json_values)
    source = json.dumps(
        value, ensure_ascii=draw(st.booleans()), indent=draw(st.none() | st.just(1))
    )
    return source, joined(source)


keys = {
    "action": st.sampled_from(['"action"', '"\\u0061ction"', '"action"']),
    "action_input": st.sampled_from(['"action_input"', '"action\\u005finput"']),
}
extra_members = st.sampled_from(
    [
        '"thought": "action_input"',
        f'"example": {DECOY}',
        f'"list": [{DECOY}, "action", {{"action": {{"action": "x"}}}}]',
        '"number": -1.5e3',
        '"t": true',
        '"actio": "Final Answer"',
        '"action_input_": "no", "a\\"ction": null',
        '"' + "long" * 50 + '": ""',
    ]
)
preambles = st.lists(
    st.sampled_from(
        [
            "I know the Final Answer now.\n",
            "Final Answer: no\n",
            f"Thought: it is {DECOY}\n",
            f"```python\nprint('''{DECOY}''')\n```\n",
            f"   ```\nx = 1\n{DECOY}\n   ```\n",
            f"```json lines\n{DECOY}\n```\n",
            "Use `x`, ``y`` and ```z``` like [1].\n",
            "[1] says so.\n",
            "\ufeff\n",
            "思考中…\r\n",
        ]
    ),
    max_size=3,
).map(lambda lines: "So. " * bool(lines) + "\n".join(["", *lines]))
fences = st.sampled_from(
    ["```json\n", "```\n", "```JSON ", "```", "````json\n", "\n  ```Json\r\n\n"]
)
afterwords = st.sampled_from(
    ["", "\n```", f"\n```\nAnd:\n```json\n{DECOY}\n```", "\nObservation: 4", "}"]
)


@st.composite
def replies(draw, action: str, value: tuple[str, str]) -> tuple[str, int]:
    """A reply with that action and that input, and where the input's source begins."""
    name = json.dumps(action, ensure_ascii=draw(st.booleans()))
    members = [(draw(keys["action"]), name), (draw(keys["action_input"]), value[0])]
    if draw(st.booleans()):
        members.reverse()
    extras = draw(st.lists(extra_members, max_size=3))
    late = draw(
        st.lists(st.sampled_from(['"action": "Final Answer"', '"action_input": "no"']), max_size=2)
    )
    places = [draw(st.integers(0, 2)) for _ in extras]
    source, begin = "{" + draw(space), 0
    for index, (key, text) in enumerate(members):
        for extra, place in zip(extras, places, strict=True):
            source += extra + draw(space) + "," + draw(space) if place == index else ""
        source += key + draw(space) + ":" + draw(space)
        begin = len(source) if text is value[0] else begin
        source += text + draw(space) + "," * (index == 0) + draw(space)
    for extra in [e for e, place in zip(extras, places, strict=True) if place == 2] + late:
        source += "," + draw(space) + extra
    source += draw(st.sampled_from(["}", " }", "\n,}"]))
    before = draw(preambles)
    before += draw(fences) if before else draw(fences | st.sampled_from(["", "\n ", "\ufeff"]))
    if draw(st.booleans()):
        before, source = (
            before + "[" + draw(space),
            source + draw(st.sampled_from(["]", f", {DECOY}]"])),
        )
    return before + source + draw(afterwords), len(before) + begin


@st.composite
def answers(draw) -> Sample:
    value = draw(st.one_of(strings(), strings(), sources()))
    text, start = draw(replies("Final Answer", value))
    return Sample(text, value[1], None, start, start + len(value[0]))


@st.composite
def actions(draw) -> Sample:
    name = draw(st.sampled_from(["calculator", "final answer", "Final Answer ", "", "計算 é"]))
    value = draw(st.one_of(strings(), sources()))
    text, start = draw(replies(name, value))
    is_string = value[0].startswith('"')
    given = value[1] if is_string else tool_input(Value(value[1], complete=True))
    return Sample(text, None, ActionRead(name, given), start, start + len(value[0]))


noise = st.lists(
    st.one_of(
        st.sampled_from(
            [*'{}[]":,\\`\n x', "```", "```json", "json", "python", "\\u", "\\ud83d", "\\ude00"]
        ),
        st.sampled_from(
            ["d83d", "\ud83d", "\ude00", "\ufeff", "12", "-", "null", "tru", "e", "fa", "lse"]
        ),
        st.sampled_from(['"action"', '"action_input"', '"Final Answer"', '"calc"', ": ", ", "]),
        st.sampled_from(
            ['{"action": "Final Answer", "action_input": ', '{"action": "calc", "action_input": ']
        ),
        st.sampled_from(
            ['{"action_input": "', ', "action": "Final Answer"', "```json\n{", DECOY, '": "']
        ),
        st.text(ANY_CHARACTER, max_size=3),
    ),
    max_size=25,
).map("".join)


def endless(size: int) -> list[str]:
    """Texts of about that size, each of which is one long stretch of something."""
    answer = '{"action": "Final Answer", "action_input": '
    return [
        "x " * (size // 2),
        "`x" * (size // 2),
        "`" * size,
        "\n```" * (size // 4),
        "``` \n" + " \n" * (size // 2),
        "[" * size,
        '{"' + "k" * size,
        '{"x": "' + "\\" * size,
        '{"x": [' + '"", ' * (size // 4),
        '{"action": "' + "a" * (size // 2) + '", "action_input": "' + "b\\n" * (size // 6),
        '{"action_input": "' + "a\\n" * (size // 3) + '", "action": "Final Answer"}',
        answer + '"' + "a" * size + '"}',
        answer + '"' + "\\" * size,
        answer + '"' + "\\n" * (size // 2),
        answer + '"' + "\\ud83d\\ude00" * (size // 12),
        answer + '"' + "\ud83d" * size,
        answer + "[" * size + "]" * size,
        answer + "1" * size,
        "{" + '"a": 1,' * (size // 7),
    ]
