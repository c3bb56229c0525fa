"""Conversations in the browser: several of them, several tabs, and what is kept."""

from tests.replies import Gate, Reply, final
from tests.serving import Lastword, wait_for
from tests.upstream import Upstream
from tests.web.page import Chat, heard, stalled
from tests.wire.helpers import TIMEOUT, get


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


def test_more_answers_at_once_than_a_browser_has_connections(chat: Chat, model: Upstream):
    """It follows the one that is looked at, and then the others."""
    replies = []
    for number in range(8):
        chat.click("#new")
        replies.append(stalled(model, f"Half {number}", " and half"))
        chat.ask(f"Question {number}")
        chat.wait_for_text(".text", f"Half {number}")
    chat.click("#list a", "Question 0")
    chat.wait_for_text(".text", "Half 0")
    for reply in replies[:2]:
        assert reply.gate
        reply.gate.release()
    chat.wait_for_text(".text", "Half 0 and half")
    chat.click("#list a", "Question 7")
    chat.wait_for_text(".text", "Half 7")
    for reply in replies[2:]:
        assert reply.gate
        reply.gate.release()
    kept = "Object.values(localStorage).filter((text) => text.includes(' and half')).length"
    chat.wait(f"{kept} === 8")
    assert len(model.requests) == 8


def test_what_was_deleted_without_a_network_is_forgotten_later(
    chat: Chat, model: Upstream, shared: Lastword
):
    chat.ask("My secret")
    chat.wait_until_idle()
    thread = f"/threads/{chat.evaluate('location.hash.slice(1)')}"
    chat.evaluate("window.fetch = () => Promise.reject(new TypeError()), 0")
    for _ in range(2):
        chat.click(".delete")
    assert chat.texts("#list a") == []
    chat.close()
    assert get(shared, thread).ok
    other = Chat(chat.page.another(), chat.url)
    other.visit()
    wait_for(lambda: get(shared, thread).status_code == 404)
    other.wait("Object.keys(localStorage).every((name) => !name.includes('owed'))")


def test_an_answer_that_was_replaced_is_let_go(chat: Chat, model: Upstream):
    """The page does not grow with each of them."""
    chat.ask("é" * 59 + "🤙")
    chat.wait_until_idle()
    assert chat.evaluate("document.title") == "é" * 59 + " – Lastword"
    chat.evaluate("window.old = new WeakRef(document.querySelector('.turn')), 0")
    chat.click(".bar button", "Answer again")
    chat.wait_until_idle()
    collect = "HeapProfiler.collectGarbage"
    wait_for(lambda: chat.page.call(collect) or chat.evaluate("!old.deref()"), TIMEOUT)


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


# What is kept


OLD = """(async () => {
  const { newTurn } = await import("/web/turn.js");
  const { begin } = await import("/web/store.js");
  for (const name of ["open", "first", "second", "third", "fourth"]) {
    const how = name === "open" ? { state: "running", runId: "r" } : { state: "done" };
    const turn = Object.assign(newTurn(name), how, { certain: "x".repeat(%d) });
    begin(turn.id, turn, 0);
  }
})()"""
FILL = """for (let n = 2 ** 23; n > 0; ) {
  try { localStorage.filler = (localStorage.filler ?? "") + "x".repeat(n); }
  catch { n = Math.floor(n / 2); }
}"""


def test_a_full_browser_keeps_what_it_can(chat: Chat, model: Upstream):
    """Others go if that is enough, and never one that is being answered."""
    chat.evaluate(OLD % 40_000)
    chat.evaluate(FILL)
    chat.click("#options label", "Without streaming")
    model.script(Reply(tokens=[final("Long. " * 5000)]))
    chat.ask("newest")
    chat.wait_until_idle()
    assert chat.text("#notice") == "To make room, older conversations were deleted: “first”."
    left = ["newest", "fourth", "third", "second", "open"]
    for length in (40_000, 12_000):  # for the latter others would be enough, but it was hopeless
        model.script(Reply(tokens=[final("Long. " * length)]))
        chat.ask("too much")
        chat.wait_until_idle()
        chat.wait_for_text("#notice", "will be lost with the page")
        assert chat.text("#notice").startswith("The browser keeps no more")
        assert chat.texts("#list a") == left
    chat.evaluate("delete localStorage.filler")
    chat.ask("and another")
    chat.wait_until_idle()
    assert chat.answer == "Hello there."
    assert chat.texts("#notice") == []
    assert chat.texts("#list a") == left


GROWS = f"""(async () => {{
  const {{ newTurn }} = await import("/web/turn.js");
  const {{ begin, keep, list }} = await import("/web/store.js");
  const turn = Object.assign(newTurn("long"), {{ certain: "x".repeat(30_000) }});
  begin(turn.id, turn, 0);
  {FILL}
  turn.certain += "and more";
  try {{ keep(turn.id, turn); }} catch {{ return list().map(({{ title }}) => title); }}
}})()"""


def test_what_grows_takes_no_room_that_will_not_be_enough(chat: Chat):
    chat.evaluate(OLD % 1000)
    assert chat.evaluate(GROWS) == ["long", "fourth", "third", "second", "first", "open"]


MANY = """(async () => {
  const { newTurn } = await import("/web/turn.js");
  const id = "a".repeat(32);
  const text = "- **word** `code` [link](https://a.example)\\n".repeat(100);
  const turns = Array.from({ length: 30 }, (_, n) => newTurn(`Question ${n}`));
  for (const turn of turns) {
    Object.assign(turn, { state: "done", certain: `${turn.question}\\n\\n${text}` });
    localStorage[`lastword/${id}/${turn.id}`] = JSON.stringify(turn);
  }
  const order = { id, turns: turns.map((turn) => turn.id) };
  localStorage[`lastword/${id}`] = JSON.stringify(order);
  localStorage.lastword = JSON.stringify([{ id, title: "Long", at: 0 }]);
  return id;
})()"""
AT_END = """(({ scrollTop, scrollHeight, clientHeight }) =>
  scrollHeight - scrollTop - clientHeight < 2)(document.getElementById("log"))"""
WATCH = """
window.shown = [];
document.addEventListener("readystatechange", () => new MutationObserver((changes) => {
  shown.push(changes.flatMap(({ addedNodes }) => [...addedNodes])
    .map((turn) => turn.querySelector(".question").textContent));
}).observe(document.getElementById("turns"), { childList: true }), { once: true });
"""


def test_a_long_conversation_is_shown_from_its_end(chat: Chat):
    """In many pieces, between which the browser may draw."""
    thread = chat.evaluate(MANY)
    chat.before_all(WATCH)
    chat.visit(f"/#{thread}")
    chat.wait("document.querySelectorAll('.turn').length === 30")
    questions = [f"Question {number}" for number in range(30)]
    assert chat.texts(".question") == questions
    pieces = chat.evaluate("shown")
    assert [question for piece in pieces for question in piece] == questions[::-1]
    assert len(pieces) > 1
    chat.wait(AT_END)


def test_what_changes_while_a_long_conversation_is_shown(chat: Chat, model: Upstream):
    thread = chat.evaluate(MANY)
    chat.visit(f"/#{thread}")
    chat.ask("Question 30")
    chat.wait_until_idle()
    chat.wait("document.querySelectorAll('.turn').length === 31")
    assert chat.texts(".question") == [f"Question {number}" for number in range(31)]
    chat.evaluate("location.hash = ''")
    chat.wait("!document.querySelector('.turn')")
    chat.evaluate(f"location.hash = '{thread}'; location.hash = ''")
    chat.ask("Something else")
    chat.wait_until_idle()
    assert chat.texts(".question") == ["Something else"]


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
