"""What the offline model makes of passages: quotations, or an honest no."""

import time

import pytest

from agent.offline.lookup import FAILED, NOT_FOUND, NOT_NOW, QUOTING, quoting, whole
from agent.offline.quotation import LONGEST_QUOTE
from agent.offline.rules import NO_MORE_SEARCHES, Answer, Conversation, Exchange, ToolCall, decide
from agent.tools.search import LATER, MAX_QUESTION, NOTHING, written
from stream.events import SourceFound


def result(*passages: str) -> str:
    return written(SourceFound(n, "T", "t.md", text, 1.0) for n, text in enumerate(passages, 1))


def test_it_quotes_the_sentence_with_its_number() -> None:
    found = result("Fog is rare. It comes in May.", "The ferry leaves\nat nine. Bring a coat.")
    assert quoting("When does the ferry leave?", found) == (
        f'{QUOTING}\n\n"The ferry leaves at nine." [2]'
    )


def test_a_name_that_sounds_like_a_small_word() -> None:
    question, found = "Where is the IT room?", result("The HR room is up.", "The IT room is down.")
    assert quoting(question, found, question) == f'{QUOTING}\n\n"The IT room is down." [2]'


def test_several_quotes() -> None:
    found = result("- **Dogs** need tickets.", "Fog. Tickets for dogs cost three.", "Cats.")
    assert quoting("Do dogs need tickets?", found) == (
        f'{QUOTING}\n\n"Dogs need tickets." [1]\n\n"Tickets for dogs cost three." [2]'
    )


def test_a_heading_that_has_the_words() -> None:
    source = SourceFound(1, "Bees › Autumn", "b.md", "Feed fifteen kilograms. Stop then.", 1.0)
    answer = quoting("What do bees get in autumn?", written([source]))
    assert answer == f'{QUOTING}\n\n"Feed fifteen kilograms. Stop then." [1]'


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("What is the capital of Mongolia?", result("The ferry leaves at nine.")),
        ("Anything?", NOTHING),
        ("?", result("The ferry leaves at nine.")),
        ("A ferry?", written([SourceFound(1, "Ferry", "t.md", "***", 1.0)])),
    ],
)
def test_an_honest_no(question: str, found: str) -> None:
    assert quoting(question, found) == NOT_FOUND


def test_documents_that_are_not_read_yet() -> None:
    assert quoting("Cats?", LATER) == NOT_NOW


@pytest.mark.parametrize(
    ("question", "passages", "quotes"),
    [
        ("Is it cold in May?", ["Fog is rare. May is cold. June is not."], ['"May is cold." [1]']),
        (
            "May two share a ticket?",
            ["Fog. A ticket costs ten. It may be used by two. No dogs."],
            ['"A ticket costs ten. It may be used by two. No dogs." [1]'],
        ),
        ("Seasick people?", ["Sit below. Seasick? Eat."], ['"Seasick? Eat." [1]']),
        ("A calm seat?", ["Sit below. It is a seat."], ['"Sit below. It is a seat." [1]']),
        ("A calm seat?", ["A seat.", "The seat."], ['"A seat." [1]', '"The seat." [2]']),
        (
            "熊に会ったらどうすればいいですか",
            ["浴衣を着ます。熊を見たら、静かに。ゆっくり下がります。夕食は六時です。"],
            ['"熊を見たら、静かに。ゆっくり下がります。" [1]'],
        ),
    ],
)
def test_what_no_sentence_answers_alone(
    question: str, passages: list[str], quotes: list[str]
) -> None:
    """The rest of the answer may stand beside."""
    assert quoting(question, result(*passages)) == "\n\n".join([QUOTING, *quotes])


@pytest.mark.parametrize("told", ["", "Error: no such table", "I found nothing."])
def test_a_search_that_failed_has_not_found_nothing(told: str) -> None:
    call = ToolCall("search", "Cats?")
    assert decide(talk("Cats?", call=call, result=told)) == Answer(FAILED)


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
    query = whole(["x " * 700], "What does it say about dogs?")
    assert query.startswith("What does it say about dogs? x x")
    assert len(query) == MAX_QUESTION


@pytest.mark.parametrize(
    ("earlier", "said", "query"),
    [
        ([], "And dogs?", "And dogs?"),
        (["May I bring cats?"], "And dogs?", "And dogs? May I bring cats?"),
        (["A ferry?", "Is it late?"], "Why is it?", "Why is it? Is it late? A ferry?"),
        (["May I bring cats?"], "When does the ferry leave?", "When does the ferry leave?"),
        (["A dog?"], "Are there showers?", "Are there showers?"),
        (["A dog?"], "Is there a fee there?", "Is there a fee there? A dog?"),
        (["A dog?"], "Are there any?", "Are there any? A dog?"),
        (["Ein Hund?"], "Gibt es Duschen?", "Gibt es Duschen?"),
        (["Un chien ?"], "Y a-t-il des douches ?", "Y a-t-il des douches ?"),
        (["茶は何度ですか"], "それはいつ?", "それはいつ? 茶は何度ですか"),
        (["A dog?"], "WHAT MUST I PAY?", "WHAT MUST I PAY?"),
        (["A dog?"], "HOW MUCH?", "HOW MUCH? A dog?"),
        (["A dog?"], "Where is the IT room?", "Where is the IT room?"),
    ],
)
def test_a_question_is_made_whole(earlier: list[str], said: str, query: str) -> None:
    assert whole(earlier, said) == query


DECK = "Showers are on deck three.", "The dog ticket costs five. Dogs may bark."


@pytest.mark.parametrize(
    ("said", "quotes"),
    [
        ("And showers?", '"Showers are on deck three." [1]'),
        ("And how much is it?", '"The dog ticket costs five." [2]'),
        ("May they bark?", '"Dogs may bark." [2]'),
    ],
)
def test_a_follow_up_is_answered_for_itself(said: str, quotes: str) -> None:
    query = whole(["How much is the dog ticket?"], said)
    assert quoting(query, result(*DECK), said) == f"{QUOTING}\n\n{quotes}"


def test_what_only_the_earlier_question_asked_for_is_no_answer() -> None:
    query = whole(["How much is the dog ticket?"], "And saunas?")
    assert quoting(query, result(*DECK), "And saunas?") == NOT_FOUND


SEARCHED = """How do I use the spare key?
How do I set up the new printer model?
How do I rotate the API key?
What is the result of the audit?
What can you do against seasickness?
Who are you allowed to take along?
Thanks to whom was the ship named?
Bye-laws of the island?
How are you paid back for a late ferry?
Do you know what is my name tag for?
I am Anna. When does the ferry sail?
Hello, when does the ferry sail?"""
TALK = """Hello!
Hi, who are you?
What can you do?
How are you today?
Thank you very much!
ok, thanks
Bye, see you later
My name is Anna.
Hi, I'm Anna
What's my name?
What did I say?
Repeat that.
help"""


@pytest.mark.parametrize("said", SEARCHED.splitlines())
def test_what_documents_may_answer_is_searched(said: str) -> None:
    assert decide(talk(said)) == ToolCall("search", said)


@pytest.mark.parametrize("said", TALK.splitlines())
def test_small_talk_that_says_nothing_else(said: str) -> None:
    assert isinstance(decide(talk(said)), Answer)


@pytest.mark.parametrize("piece", ["hi ", "thanks ", "thanks", "bye!", " ", "?", "ok ", "a\n"])
def test_no_text_takes_long(piece: str) -> None:
    text = (piece * 10_000)[:10_000] + "x"
    started = time.process_time()
    call = decide(talk(text, earlier=[Exchange(text, text)]))
    assert isinstance(call, ToolCall)
    decide(talk(text, call=call, result=result(text, "**a " * 2000, "1. " * 3000)))
    assert time.process_time() - started < 1


def talk(said: str, **known: object) -> Conversation:
    return Conversation(said=said, calculator="calculator", search="search", **known)  # type: ignore[arg-type]  # any


def test_what_it_decides() -> None:
    assert decide(talk("6 * 7")) == ToolCall("calculator", "6 * 7")
    assert decide(talk("Do cats purr?")) == ToolCall("search", "Do cats purr?")
    earlier = [Exchange("Do cats purr?", "Yes.")]
    follow_up = decide(talk("And dogs?", earlier=earlier))
    assert follow_up == ToolCall("search", "And dogs? Do cats purr?")
    assert decide(talk("Do cats purr?", must_answer=True)) == Answer(NO_MORE_SEARCHES)
    call = ToolCall("search", "Do cats purr?")
    found = decide(talk("Well?", call=call, result=result("Cats purr.")))
    assert found == Answer(f'{QUOTING}\n\n"Cats purr." [1]')
    said = decide(talk("Hello"))
    assert isinstance(said, Answer)
    assert "quote from the documents" in said.text
