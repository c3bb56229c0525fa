"""One answer out of what several calls say, without any model."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbacks.answer import Answer, Speaker
from callbacks.filters.base import ActionRead
from callbacks.filters.message import MessageFilter
from stream.errors import UnreadableReply, UpstreamTruncated
from stream.events import AnswerConfirmed, AnswerDelta, AnswerRetracted, ThoughtDelta


@pytest.fixture
def answer() -> Answer:
    return Answer()


def speaker() -> Speaker:
    return Speaker(MessageFilter())


def sure(text: str) -> AnswerDelta:
    return AnswerDelta(text)


def unsure(text: str) -> AnswerDelta:
    return AnswerDelta(text, certain=False)


NO, YES = AnswerRetracted(), AnswerConfirmed()


def test_what_is_certain_passes(answer) -> None:
    one = speaker()
    assert answer.hear(one, [ThoughtDelta("Hm"), sure("a")]) == [ThoughtDelta("Hm"), sure("a")]
    assert answer.hear(one, [sure("b")]) == [sure("b")]
    assert answer.hear(one, [sure("")]) == answer.hear(one, [unsure("")]) == []
    assert answer.hear(one, [sure("c"), sure("d")]) == [sure("c"), sure("d")]
    action = ActionRead("tool", "input")
    assert answer.hear(one, [action]) == [action]
    assert answer.end(one, [sure("e")], "reply") == [sure("e")]
    assert answer.finish("abcde") == answer.keep() == []
    assert answer.text == "abcde"


@given(st.text(min_size=1, max_size=20), st.data())
def test_a_text_told_again_is_told_once(text: str, data) -> None:
    """However often it breaks off, and however it is cut."""
    answer, heard = Answer(), ""
    for last in [False] * data.draw(st.integers(0, 3)) + [True]:
        teller = speaker()
        at, end = 0, len(text) if last else data.draw(st.integers(0, len(text)))
        while at < end:
            to = data.draw(st.integers(at + 1, end))
            heard += "".join(d.text for d in answer.hear(teller, [sure(text[at:to])]))
            at = to
        assert text.startswith(heard)
        assert answer.text == heard
        if last:
            answer.end(teller, [], "reply")
        else:
            answer.take_back(teller)
    assert answer.finish("reply") == []
    assert heard == text


@pytest.mark.parametrize("second", ["x", "Helicopter", "Hel"])
def test_another_text_after_a_broken_one_is_a_truncation(answer, second: str) -> None:
    answer.hear(speaker(), [sure("Hello")])
    again = speaker()
    with pytest.raises(UpstreamTruncated):
        answer.end(again, [sure(second)], second)
    for retry in (
        answer.check,
        lambda: answer.finish("Hello"),
        lambda: answer.hear(again, [sure("Hello")]),
    ):
        with pytest.raises(UpstreamTruncated):
            retry()
    assert answer.text == "Hello"


def test_another_text_after_a_whole_one_is_two_answers(answer) -> None:
    answer.end(speaker(), [sure("Hello")], "")
    with pytest.raises(UnreadableReply):
        answer.hear(speaker(), [sure("Good-bye")])


def test_a_broken_text_must_be_finished(answer) -> None:
    answer.hear(speaker(), [sure("Hel")])
    for returned in (None, "Sorry", ""):
        with pytest.raises(UpstreamTruncated):
            Answer.finish(answer, returned)
        answer.failure = None
    assert answer.finish("Hello") == [sure("lo")], "the agent has it from somewhere else"


def test_a_broken_text_is_kept_when_nobody_wants_the_rest(answer) -> None:
    answer.hear(speaker(), [sure("Hel")])
    assert answer.keep() == []
    assert answer.text == "Hel"


@pytest.mark.parametrize("returned", ["Hi", None, "reply"])
def test_what_the_agent_returns_confirms(answer, returned: str | None) -> None:
    one = speaker()
    assert answer.hear(one, [unsure("H")]) == [unsure("H")]
    assert answer.end(one, [unsure("i"), YES], "reply") == [unsure("i")]
    assert answer.text == ""
    assert answer.finish(returned) == [YES]
    assert answer.text == "Hi"


@pytest.mark.parametrize("returned", ["", "Hi there", "Ho"])
def test_what_the_agent_returns_retracts(answer, returned: str) -> None:
    answer.end(speaker(), [unsure("Hi"), YES], "Hi")
    assert answer.finish(returned) == [NO, *([sure(returned)] if returned else [])]
    assert answer.text == returned


def test_where_nothing_was_said_the_agent_has_the_word(answer) -> None:
    assert answer.finish("Hi") == [sure("Hi")]
    assert Answer().finish(None) == Answer().finish("") == []


def test_what_was_retracted_may_be_the_answer_all_the_same(answer) -> None:
    one = speaker()
    answer.end(one, [unsure("Hi"), NO], "Hi")
    assert answer.finish("Hi") == [sure("Hi")]


def test_the_last_to_begin_has_the_floor(answer) -> None:
    one, two = speaker(), speaker()
    assert answer.hear(one, [unsure("a")]) == [unsure("a")]
    assert answer.hear(two, [unsure("x")]) == [NO, unsure("x")]
    assert answer.hear(one, [unsure("b")]) == []
    assert answer.hear(one, [NO]) == [], "it has nothing to take back"
    assert answer.hear(two, [unsure("y")]) == [unsure("y")]
    assert answer.finish("xy") == [YES]


def test_the_reply_of_who_lost_the_floor_confirms_nothing(answer) -> None:
    one, two = speaker(), speaker()
    answer.hear(one, [unsure("a")])
    answer.end(two, [unsure("x")], "x")
    answer.end(one, [unsure("b")], "ab")
    assert answer.finish("ab") == [NO, sure("ab")]


def test_certain_text_takes_the_place_of_uncertain(answer) -> None:
    one = speaker()
    answer.end(one, [unsure("Maybe")], "Maybe")
    assert answer.hear(speaker(), [sure("Surely")]) == [NO, sure("Surely")]


def test_of_one_call_too(answer) -> None:
    one = speaker()
    answer.hear(one, [unsure("Maybe")])
    assert answer.hear(one, [sure("Surely")]) == [NO, sure("Surely")]


def test_uncertain_text_is_not_shown_behind_certain_text(answer) -> None:
    """As of a fallback whose provider does not label its text."""
    answer.hear(speaker(), [sure("Hel")])
    assert answer.end(speaker(), [unsure("Hello")], "Hello") == []
    assert answer.finish("Hello") == [sure("lo")]


def test_what_a_labelled_message_says_beside_its_answer_is_not_the_answer(answer) -> None:
    answer.end(speaker(), [sure("Nine."), ThoughtDelta("Done.")], "Nine.Done.")
    assert answer.finish("Nine.Done.") == []


def test_what_is_added_to_a_certain_answer_is_part_of_it(answer) -> None:
    answer.end(speaker(), [sure("Nine.")], "Nine.")
    assert answer.finish("Nine. Yours") == [sure(" Yours")]


def test_a_certain_answer_cannot_be_reworded(answer) -> None:
    answer.end(speaker(), [sure("Nine.")], "Nine.")
    with pytest.raises(UnreadableReply):
        answer.finish("9")
    assert answer.text == "Nine."


def test_white_space_around_it_is_no_other_answer(answer) -> None:
    answer.end(speaker(), [sure("Nine. ")], "Nine. ")
    assert answer.finish("Nine.") == []


def test_the_finish_reason_is_that_of_who_told_the_answer(answer) -> None:
    assert answer.finish_reason == "stop"
    writer, critic = speaker(), speaker()
    writer.finish_reason = "length"
    answer.end(writer, [sure("Nin")], "Nin")
    answer.end(critic, [], "")
    assert answer.finish_reason == "length"


def test_the_finish_reason_is_that_of_the_reply_that_the_agent_returned(answer) -> None:
    writer, critic = speaker(), speaker()
    writer.finish_reason = "length"
    answer.end(writer, [unsure("Nin")], "Nin")
    answer.end(critic, [unsure("Good.")], "Good.")
    assert answer.finish("Nin") == [NO, sure("Nin")]
    assert answer.finish_reason == "length"


def test_cut_short_what_was_said_is_kept(answer) -> None:
    answer.hear(speaker(), [unsure("Hel")])
    assert answer.keep() == [YES]
    assert answer.text == "Hel"
