"""The chat page: a question, and what is seen of its answer."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from stream.events import AnswerConfirmed, AnswerDelta, AnswerRetracted, Event, ToolStarted
from tests.replies import Gate, Reply, Stall, Token, blob, final
from tests.serving import Lastword, wait_for
from tests.upstream import Upstream
from tests.web.page import Chat, heard, stalled
from tests.wire.helpers import TIMEOUT, spoken
from tests.wire.proxy import Proxy

CORPUS = Path(__file__).parent.parent / "corpus"
WORDS = ["One ", "two ", "**three", "** four.\n\nFive."]


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


def test_a_step_keeps_the_focus_when_it_ends(chat: Chat):
    said = """(async () => {
      const { Steps } = await import("/web/steps.js");
      const steps = new Steps();
      document.body.append(steps.element);
      const tool = { id: "1", name: "search", input: "{}" };
      steps.show([{ ...tool, state: "started" }]);
      const summary = steps.element.querySelector("summary");
      summary.focus();
      summary.click();
      steps.show([{ ...tool, state: "failed", output: "No." }]);
      return [document.activeElement === summary, steps.element.innerText];
    })()"""
    focused, text = chat.evaluate(said)
    assert focused
    assert text.split() == ["search", "→", "No.", "Input", "Failed", "No."]


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


def test_stop_before_the_run_is_known(chat: Chat, model: Upstream, shared: Lastword):
    slow = {"offline": False, "latency": 300, "downloadThroughput": -1, "uploadThroughput": -1}
    chat.page.call("Network.emulateNetworkConditions", **slow)
    stalled(model, "That nobody", " saw")
    chat.ask("Tpyo")
    model.wait_for(lambda: model.requests)
    chat.press("Escape")
    chat.wait_for_text(".note", "Stopped.")
    model.wait_for(lambda: model.cancelled == 1)
    shared.wait_until_idle()
    chat.network(there=True)
    model.script(Reply(tokens=[final("Hello.")]))
    chat.ask("Typo")
    chat.wait_until_idle()
    assert (chat.answer, heard(model)) == ("Hello.", ["Typo"])


def test_a_question_that_is_refused_for_now_can_be_stopped(
    serve: Callable[..., Lastword], upstream: Upstream, somebody: Callable[..., Chat]
):
    chat = somebody(serve(rate_limit="2/minute"))
    for text in ("one", "two", "three"):
        chat.ask(text)
        chat.wait("document.getElementById('send').textContent === 'Stop'")
        if text != "three":
            chat.wait_until_idle()
    chat.wait_for_text(".note", "The server is busy: it is asked again in")
    chat.press("Escape")
    chat.wait_for_text(".note", "Stopped.")
    chat.wait_until_idle()
    assert len(upstream.requests) == 2


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
    chat.click(".bar button", "Raw")
    assert chat.texts(".raw") == [text[:20]], "also while it is written"
    chat.click(".bar button", "Raw")
    assert half.gate
    half.gate.release()
    chat.wait_until_idle()
    assert chat.texts(".text h3, .text strong, .text pre") == ["Title", "print()", "a"]
    chat.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text }")
    chat.click(".turn > .bar button", "Copy")
    chat.wait_for_text(".turn > .bar", "Copied")
    assert chat.evaluate("copied") == text
    chat.click(".code button", "Copy")
    chat.wait_for_text(".code .bar", "Copied")
    assert chat.evaluate("copied") == "print()"
    chat.evaluate("getSelection().selectAllChildren(document.querySelector('.turn > .text'))")
    assert "Cop" not in chat.evaluate("getSelection().toString()")
    chat.click(".bar button", "Raw")
    assert (chat.texts(".raw"), chat.texts(".turn > .text")) == ([text], [])
    chat.click(".bar button", "Raw")
    assert (chat.texts(".raw"), len(chat.texts(".turn > .text"))) == ([], 1)


def test_a_copy_that_the_browser_forbids(chat: Chat, model: Upstream):
    model.script(Reply(tokens=spoken("```py\nprint()\n```")))
    chat.ask("Code")
    chat.wait_until_idle()
    chat.evaluate("navigator.clipboard.writeText = () => Promise.reject()")
    chat.evaluate("document.execCommand = () => false")
    chat.click(".code button", "Copy")
    chat.wait_for_text(".code .bar", "The browser forbids it")
    assert chat.focused == "The browser forbids it"
    assert chat.evaluate("document.getElementById('told').lastChild.textContent") == chat.focused


def test_what_is_selected_stays(chat: Chat, model: Upstream):
    thinking: Token = {"reasoning_content": "Hm, yes."}
    gate = Gate(3)
    pieces = spoken("First ", "second ", "third")
    model.script(Reply(tokens=[thinking, *pieces], gate=gate))
    chat.click("#options label", "thoughts")
    chat.ask("Is it?")
    chat.wait_for_text(".text", "First")
    chat.click(".thoughts summary")
    chat.evaluate("getSelection().selectAllChildren(document.querySelector('.thoughts p'))")
    gate.release(1)
    chat.wait_for_text(".text", "second")
    assert chat.evaluate("getSelection().toString().trim()") == "Hm, yes."
    chat.click(".bar button", "Raw")
    chat.evaluate("getSelection().selectAllChildren(document.querySelector('.raw'))")
    gate.release()
    chat.wait_until_idle()
    assert chat.evaluate("getSelection().toString().trim()").startswith("First second")


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


def test_the_model_can_be_chosen_where_there_are_several(
    serve: Callable[..., Lastword], upstream: Upstream, somebody: Callable[..., Chat]
):
    chat = somebody(serve(models="openai:other", api_keys="sk-anne"))
    chat.wait("document.getElementById('key').open")
    chat.type("sk-anne")
    chat.press("Enter")
    chat.wait("document.querySelectorAll('#model option').length === 2")
    assert chat.evaluate("document.getElementById('model').value") == "openai:test"
    for chosen in ("other", "other", "test"):
        chat.evaluate(
            f"{{ const choice = document.getElementById('model'); choice.value = 'openai:{chosen}';"
            " choice.dispatchEvent(new Event('change')) }"
        )
        chat.reload()
        chat.wait("document.querySelectorAll('#model option').length === 2")
        chat.ask("hi")
        chat.wait_until_idle()
        assert upstream.requests[-1].body["model"] == chosen
        assert chat.texts(".timing")[-1].startswith(f"openai:{chosen}: first words")


def test_there_is_no_choice_of_one(chat: Chat, model: Upstream):
    chat.ask("hi")
    chat.wait_until_idle()
    assert "Model" not in chat.text("#options")
    assert chat.text(".timing").startswith("first words")


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
