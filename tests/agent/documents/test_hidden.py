"""Text of a page that nobody sees, and ends of elements that are missing or wrong."""

import json
import re
import time
from pathlib import Path

import pytest

from agent.documents.block import Unreadable
from agent.documents.reading import read
from tests.wire.event_source import a_browser

SHOWN = """
(pages) => pages.map((page) => {
  const frame = document.body.appendChild(document.createElement("iframe"));
  const inside = frame.contentDocument;
  inside.write("<!doctype html><body>" + page);
  for (const each of inside.querySelectorAll("details")) each.open = true;
  return inside.body.innerText;
})"""
CASES = [
    ("<div hidden>x</div>a", "a"),
    ('<p hidden="">x<p>a', "a"),
    ("<p HIDDEN=anything>x</p>a", "a"),
    ('<p style="color:red; Display : NONE">x</p>a', "a"),
    ('<p style="visibility:hidden!important;color:red">x</p>a', "a"),
    ('<p style="display:&#110;one">x</p>a', "a"),
    ('<p style="display:nonesuch">a</p><p style="x-display:none">b', "ab"),
    ('<p style="display:none" style="">x</p>a', "a"),
    ('<p aria-hidden="true">a</p>', "a"),
    ("a <span hidden>x <b>x</b> x</span> b", "ab"),
    ("<dialog>x</dialog><dialog open>a</dialog>", "a"),
    ("<details><summary>a</summary>b</details>", "ab"),
    ("<template>x<p>x</template><datalist><option>x</datalist><video>x</video>a", "a"),
    ("a<br hidden><input type=hidden hidden>b", "ab"),
    ("<div hidden>x<div>x</div>x</div>a", "a"),
    ("<section><div hidden>x</section>a", "a"),
    ("<div><span hidden>x</div>a</span>", "a"),
    ("<b><div hidden>x</b>x</div>a", "a"),
    ("<ul><li hidden>x<ul><li>x</ul>x<li>a</ul>b", "ab"),
    ("<dl><dt hidden>x<dd>a<dt>b</dl>", "ab"),
    ("<table><tr><td hidden>x</div>x<td>a<tr hidden><td>x<tr><td>b</table>c", "abc"),
    ("<table><tbody hidden><tr><td>x<tbody><tr><td>a</table>", "a"),
    ("<table><tr hidden><td>x<table><tr><td>x</table>x</table>a", "a"),
    ("<td hidden>a</td>b", "ab"),
    ("<p>a<button hidden><p>x</button>b", "ab"),
    ("<p>a <svg><text></p><p>b", "ab"),
    ("<p>a <svg><g><p>b</svg>", "ab"),
    ("<template><div></template>a</div>b<template>x</div>x</template>c", "abc"),
    ("</div></p>a<p hidden>x</b>x</p>b", "ab"),
    ("a<div hidden>x<p>x<li>x", "a"),
]


def letters(text: str) -> str:
    return "".join(re.findall(r"\w", text))


@pytest.mark.parametrize(("page", "shown"), CASES)
def test_what_nobody_sees_is_no_text(page: str, shown: str) -> None:
    found = " ".join(block.text for block in read("a.html", page.encode()))
    assert letters(found) == shown


def test_a_browser_shows_the_same(tmp_path: Path) -> None:
    with a_browser(tmp_path / "profile") as browser:
        shown = browser.evaluate(f"({SHOWN})({json.dumps([page for page, _ in CASES])})")
    assert [letters(each) for each in shown] == [shown for _, shown in CASES]


def test_a_page_that_is_all_hidden_is_reported() -> None:
    with pytest.raises(Unreadable, match="holds no text"):
        read("a.html", b"<body hidden><p>x</body>")


@pytest.mark.parametrize("unit", ["<b hidden><p>", "<p><table>", "<li></p></b>"])
def test_broken_pages_take_no_more_than_their_length(unit: str) -> None:
    """What is very deep takes longer, as the standard has it, and in the end is given up."""

    def cost(size: int) -> float:
        page = b"a" + unit.encode() * size + b"</p></div>" * size
        begin = time.process_time()
        read("a.html", page)
        return time.process_time() - begin

    assert min(cost(4_000) for _ in "123") < 3 * 4 * max(min(cost(1_000) for _ in "123"), 0.001)
