"""What every grammar is given, and what comes of what it says."""

import pytest

from callbacks.filters.base import ActionRead, CallDelta, Chunk, Reply, understand
from stream.events import AnswerConfirmed, AnswerDelta, AnswerRetracted, ThoughtDelta


@pytest.mark.parametrize(
    "chunk",
    [Chunk("a"), Chunk(thought="a"), Chunk(calls=(CallDelta(0),)), Chunk(phase="commentary")],
)
def test_a_chunk_is_true_if_it_carries_anything(chunk: Chunk) -> None:
    assert chunk
    assert not Chunk()


MAYBE = AnswerDelta("b", certain=False)
CALL = ActionRead("f", "x")


@pytest.mark.parametrize(
    ("deltas", "reply"),
    [
        ([], Reply(None, None)),
        ([ThoughtDelta("a")], Reply(None, None)),
        ([AnswerDelta("")], Reply("", None)),
        ([AnswerDelta("a"), AnswerDelta("b")], Reply("ab", None)),
        ([MAYBE, AnswerRetracted()], Reply(None, None)),
        ([MAYBE, AnswerConfirmed(), MAYBE, AnswerRetracted()], Reply("b", None)),
        ([AnswerDelta("a"), MAYBE, AnswerRetracted()], Reply("a", None)),
        ([MAYBE, AnswerRetracted(), CALL], Reply(None, CALL)),
        ([CALL, ActionRead("g", "y")], Reply(None, CALL)),
    ],
)
def test_what_the_deltas_come_to(deltas, reply: Reply) -> None:
    assert understand(deltas) == reply
