"""Model, tools and sources can say anything: none of it becomes more than text and safe links."""

import json
from typing import Any

import pytest

from tests.replies import Reply, cut_text, final
from tests.upstream import Upstream
from tests.web.page import Chat
from tests.web.payloads import PAYLOADS

TAGS = {
    "A",
    "B",
    "BLOCKQUOTE",
    "BR",
    "BUTTON",
    "CODE",
    "DD",
    "DEL",
    "DETAILS",
    "DIV",
    "DL",
    "DT",
    "EM",
}
TAGS |= {"H3", "H4", "H5", "H6", "HR", "I", "LI", "OL", "P", "PRE", "SPAN", "STRONG", "SUB"}
TAGS |= {"SUMMARY", "SUP", "TABLE", "TBODY", "TD", "TH", "THEAD", "TR", "UL"}
ATTRIBUTES = {"class", "role", "aria-label", "tabindex", "href", "title", "target", "rel", "type"}
ATTRIBUTES |= {"dir", "start", "open"}
WATCH = """
window.hits = [];
window.pwned = () => hits.push("script");
addEventListener("securitypolicyviolation", (event) => hits.push(event.violatedDirective));
"""
INSPECT = """
(root) => {
  const all = [...root.querySelectorAll("*")];
  const links = [...root.querySelectorAll("a")];
  return {
    tags: [...new Set(all.map((each) => each.tagName))],
    attributes: [...new Set(all.flatMap((each) => each.getAttributeNames()))],
    schemes: [...new Set(links.map((each) => each.protocol))],
    rel: links.every((a) => `${a.rel} ${a.target}` === "noopener noreferrer nofollow _blank"),
  };
}
"""
RENDER = """
(async (payloads) => {
  const { Flow } = await import("/web/markdown.js");
  const room = document.createElement("div");
  document.body.append(room);
  for (const payload of payloads) {
    const whole = new Flow((number) => number === 1 ? document.createElement("button") : null);
    const grown = new Flow((number) => number === 1 ? document.createElement("button") : null);
    room.append(whole.element, grown.element);
    for (let end = 0; end <= payload.length; end++) grown.show(payload.slice(0, end), true);
    grown.show(payload, false);
    whole.show(payload, false);
    if (whole.element.outerHTML !== grown.element.outerHTML) hits.push(payload);
  }
  room.querySelectorAll("a, button, summary").forEach((each) =>
    each.dispatchEvent(new MouseEvent("mouseover", { bubbles: true })));
  const found = (%s)(room);
  room.remove();
  return found;
})(%s)
"""


@pytest.fixture
def watched(chat: Chat) -> Chat:
    chat.page.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
    chat.visit()
    return chat


def harmless(chat: Chat, found: Any) -> None:
    assert set(found["tags"]) <= TAGS
    assert set(found["attributes"]) <= ATTRIBUTES
    assert set(found["schemes"]) <= {"http:", "https:", "mailto:"}
    assert found["rel"]
    assert chat.evaluate("hits") == []
    asked = [event["request"]["url"] for event in chat.page.told("Network.requestWillBeSent")]
    ours = (chat.url, "data:,", "about:")
    assert [url for url in asked if not url.startswith(ours)] == []


def test_every_payload_grown_by_one_character_at_a_time(watched: Chat):
    assert len(PAYLOADS) >= 60
    harmless(watched, watched.evaluate(RENDER % (INSPECT, json.dumps(PAYLOADS))))


@pytest.mark.parametrize("cut", [1, 3])
def test_all_of_them_from_the_model_in_tokens(cut: int, watched: Chat, model: Upstream):
    text = "\n\n".join(PAYLOADS)
    body = json.dumps({"action": "Final Answer", "action_input": text}, ensure_ascii=False)
    model.script(Reply(tokens=cut_text(body, cut)))
    watched.ask("<img src=x onerror=pwned()>")
    watched.wait_until_idle()
    found = watched.evaluate(f"({INSPECT})(document.querySelector('.turn > .text'))")
    harmless(watched, found)
    watched.click(".bar button", "Raw")
    assert watched.text(".raw").startswith(PAYLOADS[0])
    watched.reload()
    harmless(watched, watched.evaluate(f"({INSPECT})(document.querySelector('.turn > .text'))"))


def test_tools_sources_and_titles(watched: Chat, model: Upstream):
    """A turn as it is kept, with a payload wherever one can be."""
    turn = """
    (async (payload) => {
      const { View } = await import("/web/view.js");
      const { newTurn, read } = await import("/web/turn.js");
      const turn = newTurn(payload);
      const view = new View(turn, { say() {} });
      document.getElementById("turns").append(view.element);
      const tell = (event) => { read(turn, event); view.update(turn); };
      tell({ type: "start", runId: "r" });
      tell({ type: "thought", text: payload });
      const tool = { type: "tool", id: "1", name: payload };
      tell({ ...tool, state: "started", input: JSON.stringify({ q: payload }) });
      tell({ ...tool, state: "failed", output: payload });
      tell({ type: "delta", text: "See [1] and [2]." });
      const before = view.element.querySelectorAll(".cite").length;
      const source = { title: payload, location: payload, passage: payload, score: 0.5 };
      for (const number of [1, 2]) tell({ type: "source", number, ...source });
      tell({ type: "end", finishReason: "stop" });
      view.element.querySelector(".cite").click();
      const found = (%s)(view.element);
      const opened = view.element.querySelector(".sources details").open;
      const focused = view.element.contains(document.activeElement);
      const cites = [before, view.element.querySelectorAll(".cite").length];
      const links = view.element.querySelectorAll(".where a").length;
      view.element.remove();
      return { ...found, opened, focused, cites, links };
    })(%s)
    """
    for payload in PAYLOADS:
        found = watched.evaluate(turn % (INSPECT, json.dumps(payload)))
        found["tags"] = set(found["tags"]) - {"H2", "ARTICLE", "BDI", "SECTION"}
        found["attributes"] = set(found["attributes"]) - {"aria-busy", "aria-pressed", "hidden"}
        harmless(watched, found)
        assert (found["opened"], found["focused"], found["cites"]) == (True, True, [0, 2])
    found = watched.evaluate(turn % (INSPECT, json.dumps("https://ok.test/")))
    assert found["links"] == 2


def test_errors_titles_and_keys_of_strangers(watched: Chat, model: Upstream):
    """What stands in the list, in the title, and what another page left in the storage."""
    model.script(Reply(tokens=[final("ok")]))
    watched.ask("<script>pwned()</script><img src=x onerror=pwned()>")
    watched.wait_until_idle()
    watched.evaluate("localStorage.setItem('lastword/evil', '{\"turns\": [<script>')")
    watched.visit("/#evil")
    watched.visit("/#<img src=x onerror=pwned()>")
    assert watched.texts("#list a") == ["<script>pwned()</script><img src=x onerror=pwned()>"]
    found = watched.evaluate(f"({INSPECT})(document.getElementById('list'))")
    harmless(watched, found | {"rel": True, "attributes": []})


FORMULAS = {
    r"\(\frac{1}{2} \times \sqrt{x+1} \leq 10^{-3}\)": "1/2 × √(x+1) ≤ 10-3",
    r"\[ a } \constructor{b} \, c_{i} ": "a constructor b ci",
    r"$$\sqrt 71 \approx 8.4\%$$": "√71 ≈ 8.4%",
    r"$x_1$, $5 and $6": "x1, $5 and $6",
    r"\(" + "{" * 30 + "a" + "}" * 30 + r"\)": "a",
}


def test_formulas_are_readable(watched: Chat):
    said = """
    import("/web/markdown.js").then(({ Flow }) => %s.map((text) => {
      const flow = new Flow();
      flow.show(text, false);
      return flow.element.textContent.replace(/\\s+/g, " ");
    }))"""
    assert watched.evaluate(said % json.dumps([*FORMULAS])) == [*FORMULAS.values()]


LINES = [
    "`# a${n(' ')}b`",
    "`\\`\\`\\`${n(' ')}\\`x`",
    "`a|b\\n-${n(' ')}x`",
    "`a|b\\n${n('-|')}x`",
]
LINES += [
    "`${n('~')}\\`x`",
    "`${n('[a](')}`",
    "`[${n('[a]')}`",
    "`${n('[![a](b)')}`",
    "`[a](b '${n('(')}`",
    "`https://a.b/${n(')')}x`",
    "`${n('https://a.b/(.')}`",
    "`${n('$$a ')}`",
    "`${n('$a')} `",
    "`${n('\\\\[a ')}`",
    "`${n('\\\\(a')}`",
    "`${n('&#1')}`",
    "`${n('<br ')}`",
    "`$$${n('\\\\a{')}`",
    "`$$${n('{')}x`",
    "`$$${n('\\\\sqrt[ ')}$$`",
    "`$$${n('\\\\begin{array}')}$$`",
    "`$$\\\\\\\\[${n('1')}$$`",
]
LINES += [
    "`[a](${n(' ')}x`",
    "`[a](b${n(' ')}x`",
    "`${n('*')}a ${n('_')}`",
    "`${n('[')}a`",
    "`a ${n('$')}`",
]
"""In JavaScript, where `n(x)` is as many of x as there shall be."""


def test_no_line_takes_its_square(watched: Chat):
    costs = """
    import("/web/markdown.js").then(({ Flow }) => {
      const cost = (line, size) => Math.min(...[1, 2, 3].map(() => {
        const flow = new Flow(() => null);
        const text = line((text) => text.repeat(size / text.length));
        const before = performance.now();
        flow.show(text, true);
        return performance.now() - before;
      }));
      return [LINES].map((line) => cost(line, 32_000) / Math.max(cost(line, 4_000), 8));
    })"""
    given = ",".join(f"(n) => {line}" for line in LINES)
    found = dict(zip(LINES, watched.evaluate(costs.replace("LINES", given)), strict=True))
    assert {line: times for line, times in found.items() if times >= 40} == {}


def test_the_policy_stands_behind_it(watched: Chat):
    """Even if markup got in, nothing of it would run, and nothing leave."""
    refused = watched.evaluate(
        "(() => { try { document.body.innerHTML = '<img src=x onerror=pwned()>'; return false }"
        " catch (error) { return error instanceof TypeError } })()"
    )
    assert refused
    for tag, name, value in [
        ("img", "src", "https://evil.test/beacon.png"),
        ("img", "onerror", "pwned()"),
        ("iframe", "src", "https://evil.test/"),
        ("link", "href", "https://evil.test/x.css"),
    ]:
        watched.evaluate(
            f"(() => {{ const e = document.createElement('{tag}'); e.rel = 'stylesheet';"
            f" try {{ e.setAttribute('{name}', '{value}') }} catch {{}}"
            " if (!e.src) e.src = 'data:x'; document.body.append(e) })()"
        )
    watched.evaluate("fetch('https://evil.test/').catch(() => {})")
    watched.wait("hits.length >= 4")
    assert "script" not in watched.evaluate("hits")
    received = watched.page.told("Network.responseReceived")
    assert [e["response"]["url"] for e in received if "evil" in e["response"]["url"]] == []
