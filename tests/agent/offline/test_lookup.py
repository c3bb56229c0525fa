"""What the offline model makes of passages: quotations, or an honest no."""

import pytest

from agent.offline.lookup import LONGEST_QUOTE, NOT_FOUND, QUOTING, quoting, whole
from agent.offline.rules import NO_MORE_SEARCHES, Answer, Conversation, Exchange, ToolCall, decide
from agent.tools.search import MAX_QUESTION, NOTHING, written
from stream.events import SourceFound


def result(*passages: str) -> str:
    return written(SourceFound(n, "T", "t.md", text, 1.0) for n, text in enumerate(passages, 1))


def test_it_quotes_the_sentence_with_its_number() -> None:
    found = result("Fog is rare. It comes in May.", "The ferry leaves\nat nine. Bring a coat.")
    assert quoting("When does the ferry leave?", found) == (
        f'{QUOTING}\n\n"The ferry leaves at nine." [2]'
    )


def test_several_quotes() -> None:
    found = result("- **Dogs** need tickets.", "Fog. Tickets for dogs cost three.", "Cats.")
    assert quoting("Do dogs need tickets?", found) == (
        f'{QUOTING}\n\n"Dogs need tickets." [1]\n\n"Tickets for dogs cost three." [2]'
    )


def test_a_heading_that_has_the_words() -> None:
    source = SourceFound(1, "Bees › Autumn", "b.md", "Feed fifteen kilograms. Stop then.", 1.0)
    answer = quoting("What do bees get in autumn?", written([source]))
    assert answer == f'{QUOTING}\n\n"Feed fifteen kilograms." [1]\n\n"Stop then." [1]'


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("What is the capital of Mongolia?", result("The ferry leaves at nine.")),
        ("Anything?", NOTHING),
        ("?", result("The ferry leaves at nine.")),
        ("茶", ""),
    ],
)
def test_an_honest_no(question: str, found: str) -> None:
    assert quoting(question, found) == NOT_FOUND


def test_a_quotation_cites_nothing_itself() -> None:
    long = f"Cats [7] purr【2, 3】{'x' * 1000}."
    answer = quoting("Do cats purr?", result(long))
    assert answer.startswith(f'{QUOTING}\n\n"Cats (7) purr(2, 3)xxx')
    assert answer.endswith('…" [1]')
    assert len(answer) < LONGEST_QUOTE + 60


def test_a_long_conversation_leaves_a_query_that_can_be_asked() -> None:
    query = whole(["And dogs?"] * 5000, "It " + "?" * 30_000 + " and the cat?")
    assert query.endswith("the cat?")
    assert len(query) == MAX_QUESTION


@pytest.mark.parametrize(
    ("earlier", "said", "query"),
    [
        ([], "And dogs?", "And dogs?"),
        (["May I bring cats?"], "And dogs?", "May I bring cats? And dogs?"),
        (["A ferry?", "Is it late?"], "Why is it?", "A ferry? Is it late? Why is it?"),
        (["May I bring cats?"], "When does the ferry leave?", "When does the ferry leave?"),
        (["茶は何度ですか"], "それはいつ?", "茶は何度ですか それはいつ?"),
    ],
)
def test_a_question_is_made_whole(earlier: list[str], said: str, query: str) -> None:
    assert whole(earlier, said) == query


def talk(said: str, **known: object) -> Conversation:
    return Conversation(said=said, calculator="calculator", search="search", **known)  # type: ignore[arg-type]  # any


def test_what_it_decides() -> None:
    assert decide(talk("6 * 7")) == ToolCall("calculator", "6 * 7")
    assert decide(talk("Do cats purr?")) == ToolCall("search", "Do cats purr?")
    earlier = [Exchange("Do cats purr?", "Yes.")]
    follow_up = decide(talk("And dogs?", earlier=earlier))
    assert follow_up == ToolCall("search", "Do cats purr? And dogs?")
    assert decide(talk("Do cats purr?", must_answer=True)) == Answer(NO_MORE_SEARCHES)
    call = ToolCall("search", "Do cats purr?")
    found = decide(talk("Well?", call=call, result=result("Cats purr.")))
    assert found == Answer(f'{QUOTING}\n\n"Cats purr." [1]')
    said = decide(talk("Hello"))
    assert isinstance(said, Answer)
    assert "quote from the documents" in said.text
