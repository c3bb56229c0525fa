"""The chat page in a real browser, as people use it."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from stream.events import AnswerConfirmed, AnswerDelta, AnswerRetracted, Event, ToolStarted
from tests.replies import Gate, Reply, Stall, Status, Token, blob, final
from tests.serving import Lastword, wait_for
from tests.upstream import Upstream
from tests.web.page import SHIFT, Chat
from tests.web.screenshots import SOURCES
from tests.wire.helpers import TIMEOUT, get, spoken
from tests.wire.proxy import Proxy

CORPUS = Path(__file__).parent.parent / "corpus"
WORDS = ["One ", "two ", "**three", "** four.\n\nFive."]


def stalled(model: Upstream, *pieces: str, after: int = 1) -> Stall:
    return model.script(Stall(tokens=spoken(*pieces), after=after + 1))


def heard(model: Upstream) -> list[str]:
    """The conversation that the model was told last."""
    messages = model.requests[-1].body["messages"]
    return [message["content"] for message in messages if message["role"] != "system"]


# Asking


def test_tokens_come_one_by_one_and_nothing_moves(chat: Chat, model: Upstream):
    model.script(Reply(tokens=spoken("Long ago.\n\n" * 40)))
    chat.ask("Before")
    chat.wait_until_idle()
    gate = Gate(1)
    model.script(Reply(tokens=spoken(*WORDS), gate=gate))
    chat.ask("Count")
    where = "document.querySelectorAll('.question')[1].getBoundingClientRect().top"
    places = set()
    for shown in ("One", "One two", "One two three", "One two three four.\n\nFive."):
        gate.release(1)
        wait_for(lambda shown=shown: chat.answer.strip() == shown)
        places.add(chat.evaluate(where))
        assert chat.text("#send") == "Stop"
    assert len(places) == 1
    assert chat.texts(".text strong") == ["three"]
    gate.release()
    chat.wait_until_idle()
    assert "first words after" in chat.text(".timing")
    assert chat.evaluate("document.title") == "Before – Lastword"


def test_a_tools_call_is_a_step_that_opens(chat: Chat, model: Upstream):
    model.script(Reply(tokens=[blob("calculator", "6*7")]))
    model.script(Reply(tokens=[blob("calculator", "6/")]))
    chat.ask("What is 6 times 7?")
    chat.wait_until_idle()
    right, wrong = chat.texts(".step")
    assert right == "calculator 6*7 → 42"
    assert "Result" not in right
    chat.click(".step summary", "42")
    assert chat.texts(".step[open] dd") == ["6*7", "42"]
    assert wrong.startswith("calculator 6/ → ")
    assert chat.answer == "Hello there."


@pytest.mark.parametrize("whole", [False, True], ids=["streamed", "whole"])
def test_sources_are_numbers_that_open_the_passage(
    whole: bool, serve: Callable[..., Lastword], somebody: Callable[..., Chat]
):
    chat = somebody(serve(model="offline", documents=CORPUS))
    chat.wait_for_text("#about", "answers from this server's documents")
    if whole:
        chat.click("#options label", "Without streaming")
    chat.ask("How many bicycles are carried on one crossing?")
    chat.wait_until_idle()
    assert "at most 24 of them" in chat.answer
    assert chat.texts(".sources blockquote") == []
    assert chat.texts(".sources h3") == ["Sources"]
    chat.click(".cite", "1")
    assert "at most 24 of them" in chat.text(".sources blockquote")
    assert chat.text(".where") == "en/ferry.md"
    assert "Handbook of the island ferry" in chat.focused
    cited = len(chat.texts(".sources > ol > li"))
    assert cited == len(set(chat.texts(".cite"))), "what is not cited is folded"
    chat.click(".also > summary", "Also found (")
    assert len(chat.texts(".also li")) == int(chat.text(".also > summary").split("(")[1][:-1])
    if not whole:
        count = len(chat.texts(".sources li"))
        assert chat.text(".step").endswith(f"→ {count} passages")
        chat.click(".step summary")
        assert "> " in chat.texts(".step dd")[1], "as the model was told"


def test_a_number_that_no_source_has_is_text(chat: Chat, model: Upstream):
    model.script(Reply(tokens=[final("As said [7].")]))
    chat.ask("Says who?")
    chat.wait_until_idle()
    assert chat.answer == "As said [7]."


def test_stop_keeps_what_came(chat: Chat, model: Upstream, shared: Lastword):
    stalled(model, "This much", " and no more")
    chat.ask("Talk")
    chat.wait_for_text(".text", "This much")
    chat.click("#send")
    chat.wait_until_idle()
    assert (chat.answer, chat.text(".note")) == ("This much", "Stopped.")
    shared.wait_until_idle()
    assert model.cancelled == 1
    chat.reload()
    assert (chat.answer, chat.text(".note")) == ("This much", "Stopped.")
    chat.ask("Go on")
    chat.wait_until_idle()
    assert "This much" in heard(model)[1], "and the agent remembers it"


def test_stop_needs_no_connection(shared: Lastword, model: Upstream, somebody):
    with Proxy(shared.url) as proxy:
        chat = somebody(proxy)
        stalled(model, "This much", " and no more")
        chat.ask("Talk")
        chat.wait_for_text(".text", "This much")
    chat.network(there=False)
    chat.wait_for_text(".note", "Connection lost.")
    chat.press("Escape")
    chat.wait_until_idle()
    assert (chat.answer, chat.text(".note")) == ("This much", "Stopped.")


def test_stop_where_the_browser_has_no_connection_left(chat: Chat, model: Upstream):
    for n in range(6):
        stalled(model, "Some", " more")
        chat.click("#new")
        chat.ask(f"Number {n}")
        chat.wait_for_text(".text", "Some")
    chat.click("#send")
    chat.wait_until_idle()
    model.wait_for(lambda: model.cancelled == 1)


def test_answer_again_and_edit_go_back_in_the_conversation(chat: Chat, model: Upstream):
    for text in ("first", "second", "third"):
        chat.ask(text)
        chat.wait_until_idle()
    model.script(Reply(tokens=[final("Another.")]))
    chat.click(".bar button", "Answer again")
    chat.wait_for_text(".text", "Another.")
    assert [len(heard(model)), "third" in heard(model)[-1]] == [5, True]
    chat.click(".turn:nth-child(2) .asked button", "Edit")
    chat.page.call("Input.insertText", text=" (edited)")
    chat.press("Enter")
    chat.wait_until_idle()
    assert chat.texts(".question") == ["first", "second (edited)"]
    assert ["second (edited)" in heard(model)[-1], len(heard(model))] == [True, 3]
    chat.ask("fourth")
    chat.wait_until_idle()
    assert len(heard(model)) == 5, "the server forgot what was replaced"
    chat.click(".asked button", "Edit")
    chat.press("Escape")
    assert chat.texts(".question")[-1] == "fourth"
    chat.reload()
    assert chat.texts(".question") == ["first", "second (edited)", "fourth"]


def test_an_edit_while_it_is_being_answered(chat: Chat, model: Upstream):
    stalled(model, "Never", " seen")
    chat.ask("wrng")
    chat.wait_for_text(".text", "Never")
    chat.click(".asked button", "Edit")
    chat.evaluate("document.querySelector('.edit textarea').value = 'right'")
    chat.click(".edit button", "Ask again")
    chat.wait_for_text(".text", "Hello there.")
    chat.wait_until_idle()
    assert chat.texts(".question") == chat.texts("#list a") == ["right"]
    assert model.cancelled == 1
    chat.reload()
    assert chat.texts(".question") == ["right"]


def test_raw_text_and_copies(chat: Chat, model: Upstream):
    text = "# Title\n\n```py\nprint()\n```\n\n* **a** [b](javascript:c)"
    half = stalled(model, text[:20], text[20:])
    chat.ask("Markdown")
    chat.wait_for_text(".text", "print")
    assert half.gate
    half.gate.release()
    chat.wait_until_idle()
    assert chat.texts(".text h3, .text strong, .text pre") == ["Title", "print()", "a"]
    chat.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text }")
    chat.click(".turn > .bar button", "Copy")
    chat.wait_for_text(".turn > .bar", "Copied")
    assert chat.evaluate("copied") == text
    chat.click(".code button", "Copy")
    assert chat.evaluate("copied") == "print()"
    chat.click(".bar button", "Raw")
    assert (chat.texts(".raw"), chat.texts(".turn > .text")) == ([text], [])
    chat.click(".bar button", "Raw")
    assert (chat.texts(".raw"), len(chat.texts(".turn > .text"))) == ([], 1)


def test_thoughts_only_if_asked_for(chat: Chat, model: Upstream):
    thinking: list[Token] = [{"reasoning_content": "Hm, "}, {"reasoning_content": "yes."}]
    model.default = lambda _: Reply(tokens=[*thinking, final("So it is.")])
    chat.ask("Is it?")
    chat.wait_until_idle()
    assert chat.texts(".thoughts") == []
    chat.click("#options label", "thoughts")
    chat.ask("Is it?")
    chat.wait_until_idle()
    assert chat.texts(".thoughts") == ["Thoughts"]
    chat.click(".thoughts summary")
    assert chat.texts(".thoughts p") == ["Hm, yes."]
    assert chat.answer == "So it is."


def test_without_streaming_there_is_nothing_to_see(chat: Chat, model: Upstream):
    reply = model.script(Reply(tokens=spoken(*WORDS), gate=Gate(2)))
    assert reply.gate
    chat.click("#options label", "Without streaming")
    chat.ask("Count")
    chat.wait_for_text(".note", "Waiting for the whole answer")
    assert chat.answer == ""
    reply.gate.release()
    chat.wait_until_idle()
    assert chat.answer == "One two three four.\n\nFive."
    assert "without streaming" in chat.text(".timing")
    stalled(model, "a", "b")
    chat.ask("Again")
    chat.wait("document.getElementById('send').textContent === 'Stop'")
    model.wait_for(lambda: model.open)
    chat.press("Escape")
    chat.wait_until_idle()
    assert chat.texts(".note")[1].startswith("Stopped.")
    model.wait_for(lambda: model.cancelled)


# What may go wrong


def test_reloaded_in_mid_answer_it_goes_on(shared: Lastword, model: Upstream, somebody):
    """Also where the network cuts, again and again."""
    pieces = [f"w{n} " for n in range(200)]
    reply = model.script(Reply(tokens=spoken(*pieces), gate=Gate(101)))
    assert reply.gate
    with Proxy(shared.url, [400, 700, 1000, 500]) as proxy:
        chat = somebody(proxy)
        chat.ask("Count")
        chat.wait_for_text(".text", "w9 ")
        chat.reload()
        chat.wait_for_text(".text", "w99")
        chat.wait("!document.querySelector('.note').textContent")
        reply.gate.release()
        chat.wait_until_idle()
        assert chat.answer == "".join(pieces).strip()
        assert len(proxy.heads) >= 3
    assert len(model.requests) == 1


def test_what_goes_wrong_is_said_in_words_and_tried_again(chat: Chat, model: Upstream):
    model.script(Status(400))
    chat.ask("First")
    chat.wait_until_idle()
    assert chat.text(".note.failed").startswith("The model's server rejected the request.")
    chat.click(".note button", "Try again")
    chat.wait_for_text(".text", "Hello there.")
    chat.wait_until_idle()
    assert len(chat.texts(".turn")) == 1
    chat.network(there=False)
    chat.ask("Second")
    chat.wait_until_idle()
    assert chat.text(".note.failed").startswith("The server cannot be reached.")
    chat.network(there=True)
    chat.click(".note button", "Try again")
    chat.wait("document.querySelectorAll('.turn > .text > p').length === 2")
    chat.wait_until_idle()
    assert chat.texts(".turn > .text") == ["Hello there."] * 2
    assert len(heard(model)) == 3
    model.script(Status(400))
    for text in ("Third", "Fourth"):
        chat.ask(text)
        chat.wait_until_idle()
    assert chat.texts(".note.failed") != []
    assert chat.texts(".note button") == [], "what came after it would be lost"


def test_a_page_left_before_the_server_had_the_question(chat: Chat, model: Upstream):
    """And an answer that did not stream is lost with its page."""
    stalled(model, "never")
    chat.click("#options label", "Without streaming")
    chat.ask("Too soon")
    model.wait_for(lambda: model.open)
    chat.reload()
    chat.wait_for_text(".note.failed", "The page was left before")
    chat.click(".note button", "Try again")
    chat.wait_until_idle()
    assert chat.answer == "Hello there."


def test_a_run_that_the_server_has_lost(chat: Chat, model: Upstream):
    """As one without Redis that was started again."""
    stalled(model, "This much", "more")
    chat.ask("Talk")
    chat.wait_for_text(".text", "This much")
    chat.evaluate(
        "addEventListener('pagehide', () => { for (const key of Object.keys(localStorage))"
        " localStorage[key] = localStorage[key].replace(/runId.../, 'runId\":\"x') })"
    )
    chat.reload()
    chat.wait_until_idle()
    assert chat.text(".note").startswith("The server no longer has this answer")
    assert chat.answer == "This much"


# Keys


def test_a_key_is_asked_for_and_kept_for_the_tab(
    serve: Callable[..., Lastword], somebody: Callable[..., Chat]
):
    chat = somebody(serve(api_keys="sk-anne"))
    chat.wait("document.getElementById('key').open")
    chat.type("sk-ключ")
    chat.press("Enter")
    chat.ask("hi")
    chat.wait_for_text("#wrong", "That key was not accepted.")
    chat.type("sk-bob")
    chat.press("Enter")
    chat.wait("!document.getElementById('key').open")
    chat.wait_for_text("#wrong", "That key was not accepted.")
    chat.type("sk-anne")
    chat.press("Enter")
    chat.wait_until_idle()
    assert chat.answer == "Hello there."
    assert "sk-" not in chat.evaluate("JSON.stringify(localStorage)")
    chat.reload()
    chat.ask("again")
    chat.wait_until_idle()
    assert chat.texts(".turn > .text") == ["Hello there."] * 2
    other = Chat(chat.page.another(), chat.url)
    other.visit()
    other.wait("document.getElementById('key').open")
    other.press("Escape")
    other.ask("hi")
    other.wait("document.getElementById('key').open")
    other.click("#key button", "Not now")
    other.wait_until_idle()
    assert other.text(".note").startswith("Without its key this server does not answer.")


# Several conversations, several tabs


def test_conversations_are_kept_and_forgotten(chat: Chat, model: Upstream, shared: Lastword):
    chat.ask("First things")
    chat.wait_until_idle()
    chat.click("#new")
    assert chat.texts(".turn") == []
    half = stalled(model, "Half", " and half")
    chat.ask("Second things")
    chat.wait_for_text(".text", "Half")
    assert chat.texts("#list a") == ["Second things", "First things"]
    chat.click("#list a", "First")
    chat.wait("document.querySelector('.question').textContent === 'First things'")
    assert chat.text("#send") == "Ask"
    assert half.gate
    half.gate.release()
    shared.wait_until_idle()
    chat.reload()
    assert chat.texts(".question") == ["First things"]
    chat.evaluate("history.back()")
    chat.wait("document.querySelector('.question').textContent === 'Second things'")
    chat.wait_for_text(".text", "Half and half")
    thread = chat.evaluate("location.hash.slice(1)")
    assert get(shared, f"/threads/{thread}").ok
    for _ in range(2):  # it asks once more
        chat.click("li:first-child .delete")
    assert chat.texts("#list a") == ["First things"]
    wait_for(lambda: get(shared, f"/threads/{thread}").status_code == 404)
    assert chat.texts(".turn") == []


def test_two_tabs_show_the_same_and_do_not_mix(chat: Chat, model: Upstream):
    other = Chat(chat.page.another(), chat.url)
    other.visit()
    reply = stalled(model, "Half", " and half")
    chat.ask("Together")
    chat.wait_for_text(".text", "Half")
    other.wait("document.querySelector('#list a')")
    other.click("#list a", "Together")
    other.wait_for_text(".text", "Half")
    assert other.text("#send") == "Stop"
    assert reply.gate
    reply.gate.release()
    for tab in (chat, other):
        tab.wait_until_idle()
        assert tab.texts(".turn > .text") == ["Half and half"]
    other.ask("More")
    other.wait_until_idle()
    chat.wait("document.querySelectorAll('.turn').length === 2")
    chat.wait_until_idle()
    chat.wait("document.querySelectorAll('.turn > .text')[1].textContent === 'Hello there.'")
    model.script(Reply(tokens=[final("Again.")]))
    chat.click(".bar button", "Answer again")
    for tab in (chat, other):
        wait_for(lambda tab=tab: tab.texts(".turn > .text") == ["Half and half", "Again."])
        tab.wait_until_idle()
    first, second = stalled(model, "Mine", "!"), None
    chat.click("#new")
    chat.ask("Alone")
    chat.wait_for_text(".text", "Mine")
    second = stalled(model, "Yours", "!")
    other.click("#new")
    other.ask("Alone, too")
    other.wait_for_text(".text", "Yours")
    for reply in (first, second):
        assert reply.gate
        reply.gate.release()
    for tab, text in ((chat, "Mine!"), (other, "Yours!")):
        tab.wait_until_idle()
        assert tab.texts(".turn > .text") == [text]
    assert len(model.requests) == 5


def test_another_tab_stops_and_deletes(chat: Chat, model: Upstream, shared: Lastword):
    other, third = (Chat(chat.page.another(), chat.url) for _ in range(2))
    model.script(Reply(gate=Gate()))
    chat.click("#options label", "Without streaming")
    chat.ask("Whole")
    model.wait_for(lambda: model.open)
    thread = chat.evaluate("location.hash")
    other.visit("/" + thread)
    other.wait_for_text(".note", "Waiting for the whole answer")
    other.click("#send")
    other.wait_until_idle()
    chat.wait_for_text(".note", "Stopped.")
    model.wait_for(lambda: model.cancelled == 1)
    model.script(Reply(gate=Gate()))
    chat.ask("Once more")
    model.wait_for(lambda: model.open)
    other.wait_for_text(".note", "Waiting for the whole answer")
    chat.close()
    other.wait_for_text(".note.failed", "The page was left before")
    shared.wait_until_idle()
    stalled(model, "Half", " and half")
    other.ask("Streaming")
    other.wait_for_text(".text", "Half")
    third.visit()
    for _ in range(2):
        third.click(".delete")
    other.wait("document.querySelectorAll('.turn').length === 0")
    shared.wait_until_idle()
    wait_for(lambda: get(shared, f"/threads/{thread[1:]}").status_code == 404)


def test_a_draft_stays_where_it_was_typed(chat: Chat, model: Upstream):
    draft = "document.getElementById('text').value"
    chat.click("#examples button", "15%")
    chat.wait_until_idle()
    assert chat.focused == "Your question"
    chat.type("half a")
    chat.click("#new")
    assert chat.evaluate(draft) == ""
    chat.type("another")
    chat.click("#list a")
    chat.wait(f"{draft} === 'half a'")
    chat.click("#new")
    assert chat.evaluate(draft) == "another"


LONG = "é" * 31_999 + "🤙"


def test_what_is_too_long_is_said_before_it_is_asked(chat: Chat, model: Upstream):
    paste = "document.execCommand('insertText', false, %r)"
    chat.evaluate(paste % (LONG + "xy"))
    assert "up to 32,000 characters. This one has 32,002." in chat.text("#long")
    chat.press("Enter")
    assert chat.texts(".turn") == []
    chat.evaluate("document.execCommand('delete'); document.execCommand('delete')")
    assert chat.texts("#long") == []
    chat.press("Enter")
    chat.wait_until_idle()
    assert heard(model)[-1].endswith(LONG)
    chat.click(".asked button", "Edit")
    chat.evaluate(paste % "z")
    chat.press("Enter")
    assert "This one has 32,001." in chat.text(".edit .long")


# For everybody


def test_the_offline_model_says_what_it_is(
    serve: Callable[..., Lastword], chat: Chat, somebody: Callable[..., Chat]
):
    assert chat.texts("#sign") == []
    offline = somebody(serve(model="offline"))
    assert offline.texts("#sign") == ["Offline model"]
    offline.click("#sign")
    assert "OPENAI_BASE_URL=" in offline.text("#offline")
    offline.press("Escape")
    examples = offline.texts("#examples button")
    for n, example in enumerate(examples):
        offline.click("#examples button", example) if n == 0 else offline.ask(example)
        offline.wait_until_idle()
    answers = offline.texts(".turn > .text")
    assert len(answers) == len(examples) == 3
    assert "8.426149773176359" in answers[0]
    assert all(answers)


def test_by_the_keyboard_alone(chat: Chat, model: Upstream):
    assert chat.focused == "Your question"
    chat.type("two")
    chat.press("Enter", SHIFT)
    chat.type("lines")
    model.script(Reply(tokens=[blob("calculator", "6*7")]))
    stalled(model, "Half", "!")
    chat.press("Enter")
    chat.wait_for_text(".text", "Half")
    assert chat.evaluate("document.querySelector('.question').textContent") == "two\nlines"
    chat.click(".asked button", "Edit")
    chat.press("Escape")
    assert (chat.focused, chat.text("#send")) == ("Edit", "Stop"), "only what it was meant for"
    chat.press("Escape")
    chat.wait_until_idle()
    chat.evaluate("document.querySelector('.skip').focus()")
    chat.press("Enter")
    assert (chat.focused, len(chat.texts(".turn"))) == ("Your question", 1)
    chat.evaluate("document.querySelector('.skip').focus()")
    seen = [chat.focused]
    while "Ask" not in seen:
        chat.press("Tab")
        seen.append(chat.focused)
        visible = "getComputedStyle(document.activeElement).outlineStyle !== 'none'"
        assert chat.evaluate(visible), seen
        if "calculator" in seen[-1]:
            chat.press("Enter")
            assert chat.texts(".step[open] dd") == ["6*7", "42"]
    order = [
        "Skip to the question",
        "New conversation",
        "two\nlines",
        "Edit",
        "calculator 6*7 → 42",
    ]
    order += ["Copy", "Raw", "Answer again", "Your question", "Ask"]
    assert [name for name in seen if name in order] == order
    chat.press("Enter")
    assert chat.texts(".turn") == chat.texts(".turn")[:1], "nothing was asked"


def test_who_listens_hears_each_block_once(chat: Chat, model: Upstream):
    rest = "\n\n- a\n- b?\n\n| x | y |\n|-|-|\n| 1 | 2 |\n\n```py\nx = 1\n```"
    reply = stalled(model, "One.\n\nTwo", f".{rest}")
    chat.ask("Tell")
    told = "[...document.querySelectorAll('#told p')].map((p) => p.textContent)"
    chat.wait(f"{told}.length === 2")
    assert chat.evaluate(told) == ["Answering", "One."]
    assert reply.gate
    reply.gate.release()
    chat.wait_until_idle()
    chat.wait(f"{told}.length === 7")
    for _ in range(2):
        chat.click(".bar button", "Raw")
    said = ["Two.", "a. b?", "x, y. 1, 2.", "x = 1.", "End of the answer"]
    assert chat.evaluate(told)[2:] == said


def test_on_a_phone(chat: Chat, model: Upstream):
    chat.size(360, 640, mobile=True)
    model.script(
        Reply(
            tokens=spoken(f"{'long' * 100}\n\n```\n{'x' * 300}\n```\n\n|{'a|' * 30}\n|{'-|' * 30}")
        )
    )
    chat.ask("wide " * 30)
    chat.wait_until_idle()
    assert chat.evaluate("document.documentElement.scrollWidth") == 360
    assert chat.evaluate("document.getElementById('turns').scrollWidth") <= 360
    edit = "document.querySelector('.asked button').getBoundingClientRect()"
    assert chat.evaluate(f"{edit}.width > {edit}.height")
    wait_for(lambda: not chat.texts("#new"))
    chat.click("#menu")
    wait_for(lambda: chat.texts("#new"))
    assert chat.evaluate("document.getElementById('aside').scrollWidth") <= 320
    assert chat.focused == "New conversation"
    chat.press("Escape")
    assert chat.focused == "Conversations"
    wait_for(lambda: not chat.texts("#new"))
    chat.click("#menu")
    chat.wait("!document.getElementById('aside').getAnimations().length")
    chat.click("#list a")
    wait_for(lambda: not chat.texts("#new"))
    chat.size(320, 400, mobile=True)
    chat.visit()
    assert chat.evaluate("document.getElementById('log').scrollTop") == 0
    chat.touch()
    chat.size(1024, 768, mobile=True)
    opacity = "getComputedStyle(document.querySelector('.delete')).opacity"
    assert chat.evaluate(opacity) == "1", "there is no hovering on a tablet"


def test_who_scrolls_away_stays_there(chat: Chat, model: Upstream):
    lines = Gate(80)
    model.script(Reply(tokens=spoken(*["A line of it.\n\n"] * 200), gate=lines))
    chat.ask("At length")
    log = "document.getElementById('log')"
    away = f"{log}.scrollHeight - {log}.scrollTop - {log}.clientHeight"
    chat.wait(f"{log}.scrollHeight > 2000 && {away} < 2")
    for _ in range(5):
        chat.scroll(-8)
        lines.release(1)
        chat.evaluate("new Promise(requestAnimationFrame)")
    chat.wait(f"{away} > 40")
    assert chat.texts("#latest") == ["↓ Latest"]
    top = chat.evaluate(f"{log}.scrollTop")
    lines.release()
    chat.wait_until_idle()
    assert chat.evaluate(f"{log}.scrollTop") == top
    chat.click("#latest")
    assert chat.evaluate(f"{away} < 2")
    assert chat.texts("#latest") == []


def test_an_input_methods_keys_are_its_own(chat: Chat, model: Upstream):
    """The last Enter of a composition has a code of its own in Safari, and says nothing else."""
    stalled(model, "Half", " and half")
    chat.ask("שלום")
    chat.wait_for_text(".text", "Half")
    direction = "getComputedStyle(document.querySelector('.question')).direction"
    assert chat.evaluate(direction) == "rtl"
    chat.type("にほん")
    press = (
        "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {%s, bubbles: true}))"
    )
    chat.evaluate(press % "key: 'Escape', isComposing: true")
    assert chat.text("#send") == "Stop"
    model.release()
    chat.wait_until_idle()
    for composing in ("isComposing: true", "keyCode: 229"):
        chat.evaluate(press % f"key: 'Enter', {composing}")
    assert len(chat.texts(".turn")) == 1


RICH = """# T

**a** `b` [c](https://d.e) [1]

| a | b |
|---|--:|
| 1 | 2 |

- x
  1. y

> q

```py
z
```

\\[x^2\\]"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(scheme: str, axe: str, chat: Chat, model: Upstream):
    def check(state: str) -> None:
        chat.evaluate("Promise.all(document.getAnimations().map((each) => each.finished))")
        found = chat.evaluate("axe.run().then(({violations}) => violations)")
        assert [[v["id"], [n["html"] for n in v["nodes"]]] for v in found] == [], state

    chat.scheme(scheme)
    chat.evaluate(axe)
    check("empty")
    model.script(Reply(tokens=[blob("calculator", "6*7")]))
    model.script(Reply(tokens=spoken(RICH)))
    chat.ask("Everything")
    chat.wait_until_idle()
    chat.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    check("rich")
    chat.click(".bar button", "Raw")
    model.script(Status(400))
    chat.ask("Fail")
    chat.wait_until_idle()
    chat.click(".asked button", "Edit")
    check("raw, failed, edited")
    chat.evaluate(SOURCES)
    check("sources, connection lost")
    for dialog in ("offline", "key"):
        chat.evaluate(f"document.getElementById('{dialog}').showModal()")
        check(dialog)
        chat.evaluate(f"document.getElementById('{dialog}').close()")
    chat.size(360, 640, mobile=True)
    chat.click("#menu")
    check("menu")


# Small and fast


def test_it_weighs_little_and_loads_nothing_from_elsewhere(chat: Chat):
    chat.visit()
    sizes = {
        event["requestId"]: event["encodedDataLength"]
        for event in chat.page.told("Network.loadingFinished")
    }
    asked = chat.page.told("Network.requestWillBeSent")
    urls = {event["request"]["url"] for event in asked}
    assert {url for url in urls if not url.startswith((chat.url, "data:", "about:"))} == set()
    loaded = [event["requestId"] for event in asked if "/web/" in event["request"]["url"]]
    assert len(loaded) > 10
    assert sum(sizes.values()) < 2 * 60_000, "both visits"


def test_five_thousand_tokens_never_hold_the_page_up(chat: Chat, model: Upstream):
    """No task of it takes 50 ms of the processor: time on a clock would count others' work."""
    part = [*["word "] * 20, "**bold** ", "`code`\n- ", "item\n\n", "| a | b |\n|---|---|\n"]
    pieces = [*part * 200, "\n```\n", *["a line\n"] * 200, "```\n\nend."]
    assert len(pieces) >= 5000
    # Slow enough for many frames, each with a few tokens.
    model.script(Reply(tokens=spoken(*pieces), delay=0.0002))
    chat.page.call("Tracing.start", traceConfig={"includedCategories": ["devtools.timeline"]})
    chat.ask("At length")
    chat.wait_for_text(".text", "end.")
    chat.page.call("Tracing.end")
    chat.wait_for_event("Tracing.tracingComplete")
    traced = [event for told in chat.page.told("Tracing.dataCollected") for event in told["value"]]
    frames = [event for event in traced if event["name"] == "FireAnimationFrame"]
    script = [event.get("tdur", 0) / 1000 for event in traced if event["name"] == "FunctionCall"]
    assert len(frames) > 50
    assert 0 < max(script) < 50


def test_both_modules_in_somebodys_own_page(chat: Chat, model: Upstream):
    model.default = lambda _: Reply(tokens=spoken("Grüße ", "🤙"))
    said = """(async () => {
      const { createChatCompletion } = await import("/web/openai.js");
      const { Answer, ask } = await import("/web/lastword.js");
      const body = { model: "openai:test", messages: [{ role: "user", content: "hi" }] };
      let text = "";
      for await (const chunk of createChatCompletion(body, { url: "/v1" }))
        text += chunk.choices[0]?.delta.content ?? "";
      const answer = new Answer();
      for await (const event of ask({ text: "hi" })) answer.read(event);
      return [text, answer.text];
    })()"""
    assert chat.evaluate(said) == ["Grüße 🤙"] * 2


def test_the_input_needs_no_script_to_be_there(chat: Chat):
    chat.page.call("Emulation.setScriptExecutionDisabled", value=True)
    chat.page.call("Page.navigate", url=chat.url + "/?plain")
    chat.wait("location.search === '?plain' && document.readyState === 'complete'")
    assert chat.evaluate("document.getElementById('text').checkVisibility()")


# Text that may not be the answer

CALCULATE = {"name": "calculator", "arguments": '{"expression": "6*7"}'}
CALL: Token = {"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": CALCULATE}]}


def test_what_was_not_the_answer_is_taken_back(
    serve: Callable[..., Lastword], upstream: Upstream, somebody: Callable[..., Chat]
):
    chat = somebody(serve(protocol="message"))
    first, second = Gate(2), Gate(1)
    preamble: list[Token] = ["Let me ", "see.\n\nWell.", CALL]
    upstream.script(Reply(tokens=preamble, finish_reason="tool_calls", gate=first))
    upstream.script(Reply(tokens=["It is ", "42."], gate=second))
    chat.ask("6*7?")
    wait_for(lambda: chat.answer == "Let me see.\n\nWell.")
    first.release()
    wait_for(lambda: chat.answer == "It is")
    assert chat.texts(".step") == ["calculator 6*7 → 42"]
    second.release()
    chat.wait_until_idle()
    assert chat.answer == "It is 42."
    told = "[...document.querySelectorAll('#told p')].map((p) => p.textContent)"
    chat.wait(f"{told}.includes('It is 42.')")


def test_certain_text_stays_and_may_be_taken_back_as_well(
    chat: Chat, model: Upstream, shared: Lastword
):
    """As providers may who label what they say, and as a run does that begins anew."""
    model.script(Stall())
    chat.ask("hi")
    model.wait_for(lambda: model.open == 1)

    def say(shown: str, *events: Event) -> None:
        (execution,) = shared.runner._threads.values()
        assert execution._answering
        appending = shared.runner._parts.log.append(execution.run.id, events)
        loop = execution._answering.get_loop()
        asyncio.run_coroutine_threadsafe(appending, loop).result(TIMEOUT)
        wait_for(lambda: chat.answer == shown)

    say("one two", AnswerDelta("one"), AnswerDelta(" two", False))
    say("one", AnswerRetracted())
    say(
        "one three four",
        AnswerDelta(" three", False),
        AnswerConfirmed(),
        AnswerDelta(" four", False),
    )
    say("one three", AnswerRetracted(), ToolStarted("1", "search", "{}"))
    assert chat.texts(".step") == ["search → …"]
    say("anew", AnswerRetracted(certain=True), AnswerDelta("anew"))
    assert chat.texts(".step") == []


def test_a_full_browser_keeps_what_it_can(chat: Chat, model: Upstream):
    for text in ("first", "second", "third", "fourth"):
        chat.click("#new")
        chat.ask(text)
        chat.wait_until_idle()
    chat.evaluate(
        "{ let n = 2 ** 23; while (n > 0) { try {"
        " localStorage.filler = (localStorage.filler ?? '') + 'x'.repeat(n) }"
        " catch { n = Math.floor(n / 2) } } }"
    )
    chat.click("#new")
    model.script(Reply(tokens=[final("Long. " * 5000)]))
    chat.ask("newest")
    chat.wait_until_idle()
    assert chat.answer.startswith("Long. Long.")
    chat.wait_for_text("#notice", "will be lost with the page")
    assert "deleted: “first”, “second”, “third”." in chat.text("#notice")
    assert chat.texts("#list a") == ["newest", "fourth"], "one answer does not take all"
    chat.evaluate("delete localStorage.filler")
    chat.ask("and another")
    chat.wait_until_idle()
    assert chat.answer == "Hello there."
    assert chat.texts("#notice") == []


def test_a_turn_is_kept_by_itself(chat: Chat, model: Upstream):
    """A long conversation is not written again with each token."""
    model.script(Reply(tokens=[final("Long ago.")]))
    chat.ask("first")
    chat.wait_until_idle()
    chat.wait("JSON.stringify(localStorage).includes('Long ago.')")
    chat.evaluate(
        "{ const set = Storage.prototype.setItem; window.written = [];"
        " Storage.prototype.setItem = function (name, text) {"
        " written.push(text); set.call(this, name, text) } }"
    )
    chat.ask("second")
    chat.wait_until_idle()
    chat.wait("written.some((text) => text.includes('Hello there.'))")
    assert not chat.evaluate("written.some((text) => text.includes('Long ago.'))")


BROKEN = [
    ("", '{"a": 1}'),
    ("", "5"),
    ("", '["x", null, {"id": 1}, {"id": "q"}]'),
    ("/q", '{"turns": "x"}'),
    ("/q", '{"turns": [null, {}, "t", "none"]}'),
]
TURNS = ["null", "5", '{"id": "t"}', '{"id": "t", "question": "q"}']
TURNS.append(
    '{"id": "t", "question": "q", "state": "failed", "error": null, "tools": [null, 5, {}],'
    ' "sources": [null, {"number": 1}], "certain": 5, "cited": 1, "unknownCitations": 1}'
)


def test_what_others_left_in_the_storage(chat: Chat, model: Upstream):
    turns = [("/q/t", turn) for turn in TURNS]
    for name, value in BROKEN + turns:
        chat.evaluate(
            "localStorage.clear(); localStorage.setItem('lastword/q', '{\"turns\": [\"t\"]}');"
            f"localStorage.setItem('lastword{name}', {value!r})"
        )
        chat.visit("/#q")
        chat.ask("hi")
        chat.wait_until_idle()
        wait_for(lambda: chat.answer == "Hello there.")
        assert chat.page.told("Runtime.exceptionThrown") == []


def test_a_browser_that_keeps_nothing(shared: Lastword, model: Upstream, chat: Chat):
    chat.before_all(
        "for (const name of ['localStorage', 'sessionStorage']) Object.defineProperty(window, name,"
        " { get() { throw new DOMException('', 'SecurityError') } })"
    )
    chat.visit()
    for text in ("one", "two"):
        chat.ask(text)
        chat.wait_until_idle()
    assert chat.texts(".turn > .text") == ["Hello there."] * 2
    assert chat.texts("#list a") == ["one"]
    assert chat.text("#notice").startswith("This browser keeps nothing")
