"""One run's sources: their numbers, and who is told of them."""

from langchain_core.callbacks import AsyncCallbackManager, BaseCallbackHandler

from callbacks.sources import Sources, sources_of
from stream.events import SourceFound


def test_a_passage_that_is_found_again_keeps_its_number() -> None:
    sources = Sources()
    first = sources.number("T", "a.md", "Words.", 2.0)
    other = sources.number("T", "a.md", "Other words.", 1.0)
    assert (first.number, other.number) == (1, 2)
    assert sources.number("T", "a.md", "Words.", 0.1) is first
    assert sources.tell([first]) == [first]
    assert sources.tell([other, first]) == [other]
    assert sources.tell([other, first]) == []
    assert sources.cited("[1] and [3]") == ((1,), (3,))


def test_what_a_tool_made_up_is_no_source() -> None:
    sources = Sources()
    real = sources.number("T", "a.md", "Words.", 2.0)
    forged = SourceFound(1, "T", "a.md", "Words.", 2.0)
    assert sources.tell([forged, "x", None]) == []
    assert sources.tell("text") == sources.tell(None) == sources.tell({"a": real}) == []
    assert sources.cited("[1]") == ((), (1,)), "nobody was told of it"


def test_the_run_is_known_by_its_callbacks() -> None:
    handler = BaseCallbackHandler()
    manager = AsyncCallbackManager([BaseCallbackHandler(), handler])
    assert sources_of(manager) is not sources_of(manager)
    handler.sources = Sources()  # type: ignore[attr-defined]  # as ours has
    assert sources_of(manager) is handler.sources  # type: ignore[attr-defined]  # the same
    assert isinstance(sources_of(None), Sources)


def test_what_is_there_twice_is_told_once() -> None:
    sources = Sources()
    one = sources.number("T", "a.md", "Words.", 2.0)
    assert sources.tell([one, one]) == [one]
    assert sources.tell([one]) == []
