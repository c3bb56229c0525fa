"""The chat page when something goes wrong, and when the server wants a key."""

from collections.abc import Callable

from tests.replies import Gate, Reply, Status
from tests.serving import Lastword, wait_for
from tests.upstream import Upstream
from tests.web.page import Chat, heard, stalled
from tests.wire.helpers import get, spoken
from tests.wire.proxy import Proxy


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


def test_a_key_is_asked_for_and_kept_for_the_tab(
    serve: Callable[..., Lastword], somebody: Callable[..., Chat]
):
    """Also to forget a conversation, which waits for one."""
    lastword = serve(api_keys="sk-anne")
    chat = somebody(lastword)
    chat.evaluate("window.times = 0; document.getElementById('key').onclose = () => times++")
    chat.wait("document.getElementById('key').open")
    chat.type("sk-ключ")
    chat.press("Enter")
    chat.wait("times === 1")
    chat.ask("hi")
    chat.wait_for_text("#wrong", "That key was not accepted.")
    chat.type("sk-bob")
    chat.press("Enter")
    chat.wait("times === 2")
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
    thread = f"/threads/{chat.evaluate('location.hash.slice(1)')}"
    for _ in range(2):
        other.click(".delete")
    other.wait("document.getElementById('key').open")
    anne = {"Authorization": "Bearer sk-anne"}
    assert get(lastword, thread, headers=anne).ok
    other.type("sk-anne")
    other.press("Enter")
    wait_for(lambda: get(lastword, thread, headers=anne).status_code == 404)
