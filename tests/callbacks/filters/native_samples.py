"""Replies with native tool calls, thoughts beside them, and every way to interleave them."""

from hypothesis import strategies as st

from tests.callbacks.filters import json_chat_samples as json_chat
from tests.callbacks.filters.json_chat_reference import joined
from tests.callbacks.filters.reading import Sample
from tests.callbacks.filters.tape import Tape, call, phase, text, thought

DECOY = '{"answer": "no"}'

words = st.one_of(
    st.text(json_chat.ANY_CHARACTER, max_size=8),
    st.sampled_from(["Let me see.", DECOY, "Final Answer: no", "```json\n" + DECOY, "思考", "\n"]),
)
plain_words = words.filter(lambda said: "{" not in said)  # of which no grammar makes a document
extra_members = st.sampled_from(
    [
        '"thought": "answer"',
        f'"example": {DECOY}',
        '"n": -1.5e3',
        '"t": [true, {"answer": null}]',
        '"answe": "no"',
        '"answer_": "no"',
    ]
)


@st.composite
def documents(draw, key: str = "answer") -> tuple[str, str]:
    """The source of a JSON object, and what its field says."""
    source, value = draw(st.one_of(json_chat.strings(), json_chat.sources()))
    space = json_chat.space
    before = [extra + draw(space) + "," for extra in draw(st.lists(extra_members, max_size=2))]
    after = ["," + extra for extra in draw(st.lists(extra_members, max_size=2))]
    after += draw(st.sampled_from([[], [f',"{key}": "no"']]))
    body = "".join(before) + draw(space) + f'"{key}"' + draw(space) + ":" + draw(space)
    return "{" + draw(space) + body + source + draw(space) + "".join(after) + "}", value


@st.composite
def shuffled(draw, *tapes: Tape) -> Tape:
    """Interleaved in stretches, each tape in its own order."""
    rest, out = [tape for tape in tapes if tape], Tape()
    while rest:
        index = draw(st.integers(0, len(rest) - 1))
        size = draw(st.integers(1, len(rest[index])))
        out, rest[index] = out + rest[index][:size], rest[index][size:]
        rest = [tape for tape in rest if tape]
    return out


@st.composite
def other_calls(draw) -> list[Tape]:
    names = st.sampled_from(["search", "calculator", "final_answer_", "Final_Answer", ""])
    sources = st.sampled_from([DECOY, '{"q": "x"}', "", '{"answer', "[]", "null", "not JSON"])
    return [
        call(at, draw(names), draw(sources), draw(st.sampled_from(["", f"call_{at}"])))
        for at in draw(st.lists(st.sampled_from([1, 2, 7, "lc_1", None]), max_size=2, unique=True))
    ]


@st.composite
def tool_answers(draw) -> Sample:
    source, value = draw(documents())
    at = draw(st.sampled_from([0, 3, "lc_0", None]))
    answer = call(at, "final_answer", source, draw(st.sampled_from(["", "call_0"])))
    tapes = [thought(draw(words)), text(draw(words)), *draw(other_calls())]
    late = call(9, "final_answer", DECOY)
    reply = draw(shuffled(answer, *tapes)) + (late if draw(st.booleans()) else Tape())
    return Sample(reply, value, None, 0, len(reply))


@st.composite
def tool_actions(draw) -> Sample:
    tapes = [thought(draw(words)), text(draw(words)), *draw(other_calls())]
    reply = draw(shuffled(*tapes)) if any(tapes) else Tape()
    return Sample(reply, None, None, 0, 0)


@st.composite
def structured_answers(draw) -> Sample:
    source, value = draw(documents())
    thoughts = thought(draw(words))
    if draw(st.booleans()):
        comment = phase("commentary") + text(draw(words)) + phase("final_answer")
        fence = draw(st.sampled_from(["", "\n ", "```json\n", "Here you are:\n```\n"]))
        document = text(fence + source + draw(st.sampled_from(["", "\n```\n" + DECOY])))
        document = comment + document if draw(st.booleans()) else document
        reply = draw(shuffled(document, thoughts))
    else:
        at = draw(st.sampled_from([0, None]))
        answer = call(at, draw(st.sampled_from(["Answer", "search"])), source)
        reply = draw(shuffled(answer, thoughts, text(draw(plain_words))))
    return Sample(reply, value, None, 0, len(reply))


@st.composite
def structured_actions(draw) -> Sample:
    others = [
        call(at, "search", draw(st.sampled_from(['{"q": "x"}', "{}", "", '{"answe'])))
        for at in (0, 1)
    ]
    reply = draw(shuffled(thought(draw(words)), text(draw(plain_words)), *others))
    return Sample(reply, None, None, 0, 0)


@st.composite
def message_answers(draw) -> Sample:
    said = draw(words.filter(bool))
    if draw(st.booleans()):
        before = phase("commentary") + text(draw(words)) + phase("final_answer")
        reply = before + draw(shuffled(text(said), thought(draw(words))))
        if draw(st.booleans()):
            reply += call(0, "search", "{}") + text(draw(words))
        return Sample(reply, joined(said), None, 0, len(reply))
    reply = draw(shuffled(text(said), thought(draw(words))))
    return Sample(reply, joined(said), None, 0, len(reply))


@st.composite
def message_actions(draw) -> Sample:
    before = phase("commentary") + text(draw(words)) if draw(st.booleans()) else Tape()
    calls = [text(draw(words)), thought(draw(words)), *draw(other_calls())]
    reply = before + call(0, "search") + draw(shuffled(call(0, "", DECOY), *calls))
    return Sample(reply, None, None, 0, 0)


_CUTS = ["", "{", '"answer"', '"answer": "a', "b", '"', "}", ": ", "\\", "n", ", ", '{"answer": "']
_CUTS += ["[1]", "\\ud83d", "\\ude00", '{"answer": ', DECOY]

_pieces = st.one_of(
    words.map(text),
    st.sampled_from(["\ud83d", "\ude00", "é"]).map(text),
    words.map(thought),
    st.sampled_from(["commentary", "final_answer", "final_answer"]).map(phase),
    st.builds(
        call,
        st.sampled_from([0, 0, 1, "lc_0", None]),
        st.sampled_from(["", "", "final_answer", "search"]),
        st.sampled_from(_CUTS),
        st.sampled_from(["", "", "", "call_1", "call_2"]),
    ),
)
noise = st.lists(_pieces, max_size=12).map(lambda tapes: sum(tapes, Tape()))


def _without_surrogates(reply: Tape) -> bool:
    said = "".join(c.text + c.thought + "".join(d.args for d in c.calls) for c in reply)
    return said.isascii() and "\\u" not in said


structured_noise = noise.filter(_without_surrogates)


def tool_endless(size: int) -> list[Tape]:
    size //= 4  # a tape is slow to make
    start = '{"answer": '
    return [
        call(0, "search", "x" * size),
        call(0, "final_answer", start + '"' + "a" * size + '"}'),
        call(0, "final_answer", start + '"' + "\\n" * (size // 2) + '"}'),
        Tape(atom for _ in range(size // 4) for at in (0, 1) for atom in call(at, "", "a")),
        text("\ud83d" * size),
    ]


def structured_endless(size: int) -> list[Tape]:
    size //= 4  # a tape is slow to make
    start = '{"answer": "'
    return [
        call(0, "search", "x" * size),
        text("x" * size),
        text(start + "a" * size),
        text(start + "\\\\" * (size // 2)),
    ]


def message_endless(size: int) -> list[Tape]:
    size //= 4  # a tape is slow to make
    return [
        text("x" * size),
        call(0, "search", "x" * size),
        thought("\ud83d" * size),
        text("\ud83d" * size),
    ]
