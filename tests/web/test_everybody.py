"""The page for those who use it otherwise: by keyboard, by ear, on a phone."""

import base64
import json
from collections.abc import Callable

import pytest

from tests.replies import Gate, Reply, Status, blob
from tests.serving import Lastword, wait_for
from tests.upstream import Upstream
from tests.web.page import SHIFT, Chat, stalled
from tests.web.screenshots import SOURCES
from tests.wire.helpers import spoken

TOLD = "[...document.querySelectorAll('#told p')].map((p) => p.textContent)"


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
    reply = stalled(model, "One.\n-", "5 degrees.\n\nTwo.\nOr ", f"so.{rest}", after=2)
    chat.ask("Tell")
    chat.wait(f"{TOLD}.length === 2")
    assert chat.evaluate(TOLD) == ["Answering", "One.\n-5 degrees."]
    assert reply.gate
    reply.gate.release()
    chat.wait_until_idle()
    chat.wait(f"{TOLD}.length === 7")
    for _ in range(2):
        chat.click(".bar button", "Raw")
    said = ["Two.\nOr so.", "a. b?", "x, y. 1, 2.", "x = 1.", "End of the answer."]
    assert chat.evaluate(TOLD)[2:] == said


LATER = """
window.later = [];
const soon = setTimeout;
window.setTimeout = (act, wait) => wait < 30_000 ? soon(act, wait) : later.push(act);
"""


def test_who_listens_hears_all_of_what_comes_at_once(chat: Chat, model: Upstream):
    """And it goes away when it has been heard."""
    chat.before_all(LATER)
    chat.visit()
    chat.click("#options label", "Without streaming")
    blocks = [f"Paragraph {n}." for n in range(30)]
    model.script(Reply(tokens=spoken("\n\n".join(blocks))))
    chat.ask("At length")
    chat.wait_until_idle()
    assert chat.evaluate(TOLD) == ["Answering", *blocks, "End of the answer."]
    chat.evaluate("for (const act of later) act()")
    assert chat.evaluate(TOLD) == []


LOST = """(async () => {
  const { View } = await import("/web/view.js");
  const { newTurn, read } = await import("/web/turn.js");
  const turn = newTurn("A question");
  const [told, input] = [[], document.getElementById("text")];
  const view = new View(turn, { say: (text) => told.push(text), focus: () => input.focus() });
  document.getElementById("turns").replaceChildren(view.element);
  const tell = (event) => { read(turn, event); view.update(turn); };
  tell({ type: "start", runId: "r" });
  tell({ type: "lost" });
  view.update(turn);
  const button = view.element.querySelector(".note button");
  button.focus();
  tell({ type: "delta", text: "Half" });
  const stays = document.activeElement === button;
  tell({ type: "back" });
  const focused = document.activeElement === input;
  tell({ type: "lost" });
  tell({ type: "failed", code: "other", message: "It broke." });
  return [told, stays, focused];
})()"""


def test_who_listens_hears_what_goes_wrong(chat: Chat):
    """And the button that mended it leaves the focus where it is of use."""
    lost = "Connection lost. It goes on by itself."
    failed = "The answer failed. It broke."
    told, stays, focused = chat.evaluate(LOST)
    assert told == [lost, "Connected again.", lost, "Half.", failed]
    assert (stays, focused) == (True, True)


def test_the_list_of_conversations_keeps_the_focus(chat: Chat, model: Upstream):
    other = Chat(chat.page.another(), chat.url)
    other.visit()
    for question in ("First", "Second"):
        chat.click("#new")
        chat.ask(question)
        chat.wait_until_idle()
    chat.evaluate("[...document.querySelectorAll('#list a')].at(-1).focus()")
    chat.press("Enter")
    chat.wait_for_text(".question", "First")
    assert chat.focused == "First"
    assert chat.evaluate(TOLD)[-1] == "First – Lastword"
    other.click("#list a", "First")
    other.wait_for_text(".text", "Hello there.")
    other.ask("More")
    other.wait_until_idle()
    chat.wait("document.querySelector('#list a').textContent === 'First'")
    assert chat.focused == "First"
    assert chat.texts("#list [aria-current]") == ["First"]
    chat.press("Tab")
    assert chat.focused == "Delete: First"
    for key, name in (("Escape", "Delete: First"), ("Tab", "Delete: First")):
        chat.press("Enter")
        assert (chat.focused, chat.texts(".delete")[0]) == ("Really delete: First", "Delete?")
        chat.press(key)
        assert chat.evaluate("document.querySelector('.delete').ariaLabel") == name
        assert chat.evaluate("document.querySelector('.delete').textContent") == "×"


def test_what_was_typed_outlives_its_question(chat: Chat, model: Upstream):
    """Another tab has it answered again, while it is being edited here."""
    chat.ask("A question")
    chat.wait_until_idle()
    other = Chat(chat.page.another(), chat.url)
    other.visit(chat.evaluate("location.pathname + location.hash"))
    chat.click(".asked button", "Edit")
    chat.type(", in other words")
    other.click(".bar button", "Answer again")
    chat.wait("!document.querySelector('.edit')")
    chat.wait_until_idle()
    assert chat.focused == "Your question"
    typed = "document.activeElement.value"
    assert chat.evaluate(typed) == "A question, in other words"


SORTED = """(async () => {
  const { Sources } = await import("/web/sources.js");
  const sources = new Sources();
  document.body.append(sources.element);
  const found = [1, 2, 3].map((number) => ({ number, title: `${number}`, passage: "" }));
  return %s.map((cited) => {
    sources.show({ sources: found });
    const summary = [...sources.element.querySelectorAll("ol summary")][1];
    summary.focus();
    sources.show({ sources: found, cited });
    return [document.activeElement === summary, summary.checkVisibility()];
  });
})()"""


def test_a_source_keeps_the_focus_wherever_it_goes(chat: Chat):
    cited = [[2, 1], [3, 2, 1], [1]]
    assert chat.evaluate(SORTED % json.dumps(cited)) == [[True, True]] * 3


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
    for _ in range(2):  # it asks once more
        chat.click("#list .delete")
    assert chat.texts("#list a, .turn") == []
    assert chat.focused == "New conversation", "the menu stays"
    chat.click("#new")
    wait_for(lambda: not chat.texts("#new"))
    chat.size(320, 400, mobile=True)
    chat.visit()
    assert chat.evaluate("document.getElementById('log').scrollTop") == 0
    chat.ask("hi")
    chat.wait_until_idle()
    chat.size(320, 190, mobile=True)
    assert chat.evaluate("document.getElementById('log').clientHeight") > 170
    assert chat.evaluate("document.documentElement.scrollWidth") == 320
    chat.touch()
    chat.size(1024, 768, mobile=True)
    opacity = "getComputedStyle(document.querySelector('.delete')).opacity"
    assert chat.evaluate(opacity) == "1", "there is no hovering on a tablet"


def test_on_paper(chat: Chat, model: Upstream):
    """All of it, and nothing to press."""
    model.script(Reply(tokens=spoken("A line of it.\n\n" * 120)))
    chat.ask("At length")
    chat.wait_until_idle()
    data = base64.b64decode(chat.page.call("Page.printToPDF")["data"])
    assert data.count(b"/Type /Page\n") > 3
    chat.page.call("Emulation.setEmulatedMedia", media="print")
    assert chat.texts("button, nav, textarea") == []
    assert chat.texts(".question") == ["At length"]


def test_without_colours_of_ones_own(chat: Chat, model: Upstream):
    """What is pressed can still be seen."""
    chat.ask("hi")
    chat.wait_until_idle()
    chat.click(".bar button", "Raw")
    forced = {"name": "forced-colors", "value": "active"}
    chat.page.call("Emulation.setEmulatedMedia", features=[forced])
    colours = """[...document.querySelectorAll(".turn > .bar button")]
      .map((each) => getComputedStyle(each).color)"""
    copy, raw, _ = chat.evaluate(colours)
    assert copy != raw


def test_a_conversation_of_another_browser(chat: Chat, model: Upstream):
    assert chat.texts("#elsewhere") == []
    chat.visit("/#0123456789abcdef0123456789abcdef")
    assert chat.text("#elsewhere").startswith("This conversation is not kept in this browser.")
    chat.ask("hi")
    chat.wait_until_idle()
    assert chat.texts("#elsewhere") == []
    chat.click("#new")
    assert chat.texts("#elsewhere") == []


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
    chat.click(".asked button", "Edit")
    check("rich, and edited")
    chat.press("Escape")
    chat.click(".bar button", "Raw")
    model.script(Status(400))
    chat.ask("Fail")
    chat.wait_until_idle()
    check("raw, failed")
    chat.evaluate(SOURCES)
    check("sources, connection lost")
    for dialog in ("offline", "key"):
        chat.evaluate(f"document.getElementById('{dialog}').showModal()")
        check(dialog)
        chat.evaluate(f"document.getElementById('{dialog}').close()")
    chat.size(360, 640, mobile=True)
    chat.click("#menu")
    check("menu")
