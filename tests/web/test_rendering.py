"""What Markdown and formulas become, and that what is there stays while a text grows."""

import json
from typing import Any

from stream.citations import places
from tests.stream.test_citations import CASES
from tests.web.page import Chat

# A formula by itself ends where its line says so; what is none swallows nothing.
SHOWN = {
    "This is\n\n$$E = mc^2$$.\n\n- **b**": (
        "<p>This is</p><p><span>E = mc<sup>2</sup>.</span></p>"
        "<ul><li><p><strong>b</strong></p></li></ul>"
    ),
    "\\[ x = 1 \\],\n\nwhere": "<p><span>x = 1,</span></p><p>where</p>",
    "$$x$$ is *the* unknown.\n\nEnd": "<p><span>x</span> is <em>the</em> unknown.</p><p>End</p>",
    "so \\[ x_1 \\] and \\[1\\]": "<p>so <span>x<sub>1</sub></span> and [1]</p>",
    "\\[1\\] Smith, 2020.\n\n\\[2\\]\n\nEnd": "<p>[1] Smith, 2020.</p><p>[2]</p><p>End</p>",
    "$$$ means dear, $ cheap.\n\n# a": "<p>$$$ means dear, $ cheap.</p><h3>a</h3>",
    "$$\nx\n\n- y": "<p>$$\nx</p><ul><li><p>y</p></li></ul>",
    "$$\nx\n$$ is it": "<p><span>x</span> is it</p>",
    "$$\\begin{aligned}\na &= b \\\\\n- c\n\\end{aligned}$$\nd": (
        "<p><span>a = b\n- c</span></p><p>d</p>"
    ),
}
SHOWN |= {
    "`$x` and $a_b `c` d$": "<p><code>$x</code> and $a_b <code>c</code> d$</p>",
    "https://a.b/C_(d), (https://a.b/c) https://a.b/[1]]": (
        "<p><a>https://a.b/C_(d)</a>, (<a>https://a.b/c</a>) <a>https://a.b/[1]</a>]</p>"
    ),
    "詳細はhttps://a.b/c。）とhttps://a.b/dを見る": (
        "<p>詳細は<a>https://a.b/c</a>。）と<a>https://a.b/d</a>を見る</p>"
    ),
    "[a](https://a.b 'c') [b](<https://a.b/c d>) [c](https://a.b (d)) <a@b.cd>": (
        "<p><a>a</a> <a>b</a> <a>c</a> <a>a@b.cd</a></p>"
    ),
    "[![a *b*](https://a.b/c.svg)](https://d.e) [f [1]](https://g.h)": (
        "<p><a><span>a <em>b</em></span></a> <a>f [1]</a></p>"
    ),
    "[![](https://a.b/c)](https://d.e)": "<p><a><span>https://a.b/c</span></a></p>",
    "a\\\nb\nc<br>\nd<BR/>e<b>f</b>": "<p>a\nb\nc<br>d<br>e&lt;b&gt;f&lt;/b&gt;</p>",
    "&lt;b&gt; &amp;amp; &#x263A;&#8364;&nbsp;`&lt;`": (
        "<p>&lt;b&gt; &amp;amp; ☺€&nbsp;<code>&amp;lt;</code></p>"
    ),
    "&#0;&#xD800;&#x110000;&nope;": "<p>&amp;#0;&amp;#xD800;&amp;#x110000;&amp;nope;</p>",
    "a **b\n\n- *c\n- d": "<p>a **b</p><ul><li><p>*c</p></li><li><p>d</p></li></ul>",
    "-\ta\n-\tb": "<ul><li><p>a</p></li><li><p>b</p></li></ul>",
    "## What is C#\n[**a**](https://b.c)": "<h4>What is C#</h4><p><a><strong>a</strong></a></p>",
    "|a|\n|-|\n|*b|\n|c<br>d|": (
        "<div><table><thead><tr><th>a</th></tr></thead>"
        "<tbody><tr><td>*b</td></tr><tr><td>c<br>d</td></tr></tbody></table></div>"
    ),
}
HREFS = {
    "[a](https://a.b/c\\_d?e&amp;f)": "https://a.b/c_d?e&f",
    "<a@b.cd>": "mailto:a@b.cd",
    "https://a.b/東京": "https://a.b/",
    "[x](java&amp;script:a)": None,
    "[x](javascript\\:a)": None,
}
PRICES = "$5 and $6, $5-$6, US$5 (or 6$), $a/$b, $10 a day or 11$"
FORMULAS = {
    r"$x$, $\theta$, $2n$ and $f(x)$": "x, θ, 2n and f(x)",
    PRICES: PRICES,
    r"\(A = \begin{pmatrix} 1 & 2 \\[4pt] 3 & 4 \\ \end{pmatrix}x\)": "A = (1 2; 3 4)x",
    r"\(\begin{array}{cc}a&b\end{array}\begin{cases}a\\b\end{cases}\end{x}\)": "a b{ a; b",
    r"$$\begin{align*}a&=b\\&=c\end{align*}$$": "a =b\n=c",
    r"\(\sqrt[3]{8} + \sqrt{x+1}y + \frac {1}{2}x\)": "3√8 + √(x+1) y + 1/2 x",
    r"\(\sqrt 71 + \frac12 + \frac{a_1}{2b}\)": "√71 + 1/2 + a1/(2b)",
    r"\(\vec{v}\hat{x}\bar{ab}\overline{cd}\mathbf{e}\mathbb{R}\)": "v⃗x̂abcdeℝ",
    r"\(\binom{n}{k}, a \mid b, \lfloor x \rfloor, \lceil y \rceil, \|z\|\)": (
        "(n k), a | b, ⌊x⌋, ⌈y⌉, ‖z‖"
    ),
    r"\(\psi\rho\tau\zeta\eta\chi\kappa\nu\xi\Gamma\Theta\Psi\Xi\)": "ψρτζηχκνξΓΘΨΞ",
    r"\(2\sin\theta + \ln x + \log(x) + \lim_{x \to 0}\)": "2 sin θ + ln x + log(x) + limx → 0",
    r"\(a \bmod b + a \pmod{n}\)": "a mod b + a (mod n)",
    r"\(\left( 90^\circ \right. \foo{b} \text{ if } c\!\)": "( 90° foo b if c",
    r"\(\operatorname*{arg} x^} \textcolor{red}{y} \constructor\)": "arg x y constructor",
}
DRAW = """
import("/web/markdown.js").then(({ Flow }) => %s.map((text) => {
  const [grown, flow] = [new Flow(() => null), new Flow(() => null)];
  for (let end = 0; end <= text.length; end++) grown.show(text.slice(0, end), true);
  grown.show(text, false);
  flow.show(text, false);
  return grown.element.outerHTML === flow.element.outerHTML ? %s : grown.element.outerHTML;
}))"""


def drawn(chat: Chat, texts: list[str], what: str) -> Any:
    return chat.evaluate(DRAW % (json.dumps(texts), what))


def test_what_it_becomes(chat: Chat):
    bare = r"flow.element.innerHTML.replace(/ [a-z-]+=\"[^\"]*\"/g, '')"
    assert dict(zip(SHOWN, drawn(chat, [*SHOWN], bare), strict=True)) == SHOWN


def test_where_links_lead(chat: Chat):
    hrefs = drawn(chat, [*HREFS], "flow.element.querySelector('a')?.getAttribute('href')")
    assert dict(zip(HREFS, hrefs, strict=True)) == HREFS


def test_formulas(chat: Chat):
    said = drawn(chat, [*FORMULAS], "flow.element.textContent.normalize()")
    assert dict(zip(FORMULAS, said, strict=True)) == FORMULAS


def test_code_in_an_item_is_outdented_as_its_fence_is(chat: Chat):
    text = "- Run:\n    ```python\n    def f():\n        return 1\n    ```"
    code = drawn(chat, [text], "flow.element.querySelector('code').textContent")
    assert code == ["def f():\n    return 1"]


def test_text_runs_as_its_first_letter_does(chat: Chat):
    text = "# א\n\nא b\n\n- א\n  - b\n\n> א\n\n|א|b|\n|-|-|\n|b|`א`|\n\n```\nא"
    directions = """(() => { document.body.append(flow.element);
      const found = [...flow.element.querySelectorAll("h3, p, li, blockquote, th, td, pre")];
      return found.map((each) => getComputedStyle(each).direction) })()"""
    found = "rtl rtl rtl rtl ltr ltr rtl rtl rtl ltr ltr rtl ltr"
    assert drawn(chat, [text], directions) == [found.split()]


GROWN = {  # what it begins with, and a row
    "bullets": ["", "- [one](https://a.b) **two** three\n"],
    "numbers": ["", "1. one **two** three\n"],
    "nested": ["- top\n", "  - one **two** three\n"],
    "items with lists": ["", "1. one\n   - two **three**\n"],
    "loose": ["", "- one\n\n  two **three**\n\n"],
    "table": ["|a|b|\n|-|-|\n", "| one | **two** |\n"],
    "quote": ["", "> one **two** three\n>\n"],
    "list in a quote": ["", "> - one **two** three\n"],
    "code": ["- a\n  ```py\n", "  one = two\n"],
    "paragraphs": ["", "one **two** `three`\n\n"],
}
GROW = """
import("/web/markdown.js").then(({ Flow }) => {
  const make = document.createElement;
  const made = (text, step) => {
    let count = 0;
    document.createElement = function (tag) { count++; return make.call(document, tag); };
    const flow = new Flow(() => null);
    const whole = new Flow(() => null);
    for (let end = step; end < text.length; end += step) flow.show(text.slice(0, end), true);
    flow.show(text, true);
    const before = count;
    flow.show(text, true);
    if (count > before) return "the same is made again";
    flow.show(text, false);
    document.createElement = make;
    whole.show(text, false);
    return whole.element.outerHTML === flow.element.outerHTML ? count : text;
  };
  return %s.map(([head, row]) =>
    [4, row.length].map((step) => [50, 100].map((rows) => made(head + row.repeat(rows), step))));
})"""


def test_what_is_made_is_linear_in_the_rows(chat: Chat):
    """Token by token, and line by line."""
    counts = chat.evaluate(GROW % json.dumps([*GROWN.values()]))
    for name, steps in zip(GROWN, counts, strict=True):
        for fewer, more in steps:
            assert isinstance(fewer, int), "grown, it is another than at once"
            assert more < 2.2 * fewer, name


STAYS = """
import("/web/markdown.js").then(({ Flow }) => %s.map((text) => {
  const flow = new Flow(() => null);
  document.body.append(flow.element);
  flow.show(text, true);
  const last = [...flow.element.querySelectorAll("p, td, code")].at(-1);
  getSelection().selectAllChildren(last);
  const selected = getSelection().toString();
  const first = flow.element.querySelector("a");
  first.focus();
  for (const more of ["", " and *mo", " and *more*"]) flow.show(text + more, true);
  flow.show(text + " and *more*", false);
  const stays = getSelection().toString().startsWith(selected) && selected !== "";
  const focused = document.activeElement === first;
  flow.show("b", false); // all of it is taken back
  const after = flow.element.innerHTML;
  flow.element.remove();
  return [stays, focused, after];
}))"""
BEGUN = ["", "e\n\n", "- ", "1. a\n   - ", "> ", "- > ", "|a|\n|-|\n|", "`c`\n```\n", "# "]


def test_focus_and_selection_stay(chat: Chat):
    texts = [
        f"[a](https://b.c) **d**\n\n{begun}b" if begun else "[a](https://b.c) b" for begun in BEGUN
    ]
    for text, stays in zip(texts, chat.evaluate(STAYS % json.dumps(texts)), strict=True):
        assert stays == [True, True, '<p dir="auto">b</p>'], text


def test_citations_are_what_the_server_takes_for_them(chat: Chat):
    """One that has a source is a number to click; each of a range, and none in code."""
    cited = """
    import("/web/markdown.js").then(({ Flow }) => %s.map((text) => {
      const flow = new Flow((number) => Object.assign(document.createElement("u"), { number }));
      flow.show(text, false);
      return [...flow.element.querySelectorAll("u")].map(({ number }) => number);
    }))"""
    texts = [text for text, *_ in CASES]
    assert chat.evaluate(cited % json.dumps(texts)) == [
        [number for number, *_ in places(text)] for text in texts
    ]
