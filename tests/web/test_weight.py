"""The chat page is small and fast, and so are its modules in somebody's own page."""

from collections.abc import Callable
from typing import Any

from tests.replies import Reply
from tests.upstream import Upstream
from tests.web.page import Chat
from tests.wire.helpers import spoken


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
    """
    No task of it takes 50 ms of the processor: time on a clock would count others' work. And no
    frame asks for the layout before it is due.
    """
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
    layouts = [event for event in traced if event["name"] == "Layout"]
    assert layouts
    assert [event["ts"] for event in layouts if any(map(within(event), frames))] == []


def within(event: Any) -> Callable[[Any], bool]:
    """Whether it happened within another of the same thread."""

    def is_it(other: Any) -> bool:
        passed = event["ts"] - other["ts"]
        return bool(event["tid"] == other["tid"] and 0 <= passed < other.get("dur", 0))

    return is_it


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
