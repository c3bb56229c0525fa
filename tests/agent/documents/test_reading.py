"""Documents -> blocks under their headings, and why some cannot be read."""

import pytest

from agent.documents import markdown, reading
from agent.documents import pdf as pdf_module
from agent.documents.block import Block, Headings, Unreadable, clean, title_of
from agent.documents.front_matter import parted
from agent.documents.reading import is_document, read
from agent.documents.splitting import SIZE, split
from tests.agent.documents.pdfs import locked, locked_by_aes, pdf

MARKDOWN = """\
---
title: "The handbook"
---
Before.

# One

A *paragraph*,
in two lines.

| a | b |
|---|---|
| 1 | 2 |

## Below

- x
- y

Two
===

```sh
# no heading
```
"""
HTML = """\
<!doctype html><title>Cats &amp; dogs</title><style>p{}</style>
<script>if (a < b) alert("<p>no</p>")</script>
<h1>Cats <b>purr</b></h1><p>One
 two.<br/>Three</p><template><p>hidden</p></template><svg/>
<ul><li>x<li>y</ul></noscript><table><tr><td>1<td>2</table>
<h2></h2><p>Under cats<h1>Dogs</h1>bark
"""


def blocks(name: str, text: str) -> list[tuple[tuple[str, ...], str]]:
    return [(block.titles, block.text) for block in read(name, text.encode())]


def test_markdown_keeps_its_source_under_its_headings() -> None:
    assert blocks("a.md", MARKDOWN) == [
        (("The handbook",), "Before."),
        (("The handbook", "One"), "A *paragraph*,\nin two lines."),
        (("The handbook", "One"), "| a | b |\n|---|---|\n| 1 | 2 |"),
        (("The handbook", "One", "Below"), "- x\n- y"),
        (("The handbook", "Two"), "```sh\n# no heading\n```"),
    ]


def test_a_rule_is_no_front_matter() -> None:
    assert [text for _, text in blocks("a.md", "---\nWords.\n\n---\nMore.")][-1] == "More."
    assert ((), "Words.") in blocks("a.md", "---\nWords.\n\n---\nMore.")


@pytest.mark.parametrize(
    ("front", "title"),
    [
        ("---\ntitle: The book # of 2024\ntags:\n- a\n  b\n---", "The book"),
        ("\n \n--- \n# Ours\n\ndate created: Monday\n'Title' : 'It''s #1' # so\n...", "It's #1"),
        ('---\ndc:x: [\n]\n"title": "Say \\"hi\\""\n---\n', 'Say "hi"'),
        ("---\ntitle: >-\n  A long\n  one\nsubtitle: x\n---", "A long one"),
        ('---\ntitle: "A" or "B"\n---', '"A" or "B"'),
        ('+++\nweight = 3\ntitle = "Hugo"\n+++', "Hugo"),
        ("---\ntitle:\n  en: x\n---", ""),
        ("+++\n+++", ""),
    ],
)
def test_front_matter(front: str, title: str) -> None:
    assert blocks("a.md", f"{front}\nWords.") == [((title,) if title else (), "Words.")]


@pytest.mark.parametrize(
    "page",
    [
        "---\nNote: x.\n\nSee y.\n\n---\nz",
        "---\nsee http://x\n---\nz",
        "---\nNote: x.\nz",
        "+++\nz",
    ],
)
def test_a_page_that_begins_with_a_rule_loses_nothing(page: str) -> None:
    told = " ".join([" ".join([*titles, text]) for titles, text in blocks("a.md", page)])
    assert told.split() == page.replace("---", "").split()


def test_headings_without_text_are_text() -> None:
    bare = "# Team\n\n## Ann, room 5\n\n## Bob, room 6 ##\n---\n\nCy\n--\n\nHere.\n\n## Closed"
    assert blocks("a.md", bare) == [
        (("Team",), "Ann, room 5"),
        (("Team",), "Bob, room 6"),
        (("Team", "Cy"), "Here."),
        (("Team",), "Closed"),
    ]
    assert blocks("a.md", "# " + "x" * 200) == [((), "x" * 200)]


def test_comments_are_not_for_readers() -> None:
    page = (
        "<!-- a -->\nOne <!-- b\nb --> two `<!-- c -->`.\n\n <!-- d\n\nd --> e\n\n"
        "- ```\n  <!-- f -->\n  ```\n\n<!--> g <!-- no\n\nend <!-- <!-- h --><!---> i\n\n<!-- j"
    )
    assert [text for _, text in blocks("a.md", page)] == [
        "One  two `<!-- c -->`.",
        " e",
        "- ```\n  <!-- f -->\n  ```",
        " g <!-- no",
        "end <!--  i",
    ]


@pytest.mark.parametrize(
    "unit", ["<!--", "<!-- x\n", "`", "```\n", "> ", "---\n", "a: b\n", "\n", " "]
)
def test_a_long_row_of_marks_takes_no_longer(unit: str) -> None:
    for begin in ("x", "---\ntitle:", "+++\n"):
        markdown._shown(parted(begin + unit * 200_000)[1])  # what looks back would take hours


def test_each_part_of_a_long_table_has_its_head() -> None:
    rows = [f"| City {n} | {n} |" for n in range(100)]
    head = "| City | Taxi |\n|---|---|"
    parts = [text for _, text in blocks("a.md", "\n".join([head, *rows, "", "After."]))]
    assert parts.pop() == "After."
    assert all(part.startswith(f"{head}\n| City ") and len(part) + 2 <= SIZE for part in parts)
    assert [row for part in parts for row in part.split("\n")[2:]] == rows
    assert [text for _, text, _ in split(read("a.csv", b"city,taxi\n\n" + b"Rome,12\n" * 150))] == [
        "\n".join(["city,taxi", *["Rome,12"] * n]) for n in (98, 52)
    ]


def test_a_head_that_leaves_no_room_is_told_once() -> None:
    head, row = "h" * 790, "r" * 700
    assert blocks("a.tsv", f"{head}\n{row}\n{row}") == [((), head), ((), row), ((), row)]


def test_navigation_is_left_out_unless_it_is_all() -> None:
    assert blocks("a.html", "<nav>Home</nav><p>Words.") == [((), "Words.")]
    assert blocks("a.html", "<nav>Home<p>Words.") == [((), "Home"), ((), "Words.")]
    assert blocks("a.html", "<nav>Home</nav>") == [((), "Home")]


def test_entities_are_cleaned_too() -> None:
    assert blocks("a.html", "<p>a&#x202e;b&#xfeff;c<nav>Home</nav>") == [((), "abc")]


@pytest.mark.parametrize("front", ["---\n---\n", "---\nauthor: x\n---\n", ""])
def test_markdown_without_a_title(front: str) -> None:
    assert blocks("a.MARKDOWN", f"{front}Words.") == [((), "Words.")]


def test_html_is_what_a_browser_shows() -> None:
    title = "Cats & dogs"
    assert blocks("a.html", HTML) == [
        ((title, "Cats purr"), "One two.\nThree"),
        ((title, "Cats purr"), "- x\n- y"),
        ((title, "Cats purr"), "| 1 | 2"),
        ((title, "Cats purr"), "Under cats"),
        ((title, "Dogs"), "bark"),
    ]


def test_html_in_its_own_encoding() -> None:
    page = '<meta charset="gb18030"><p>绿茶</p>'
    assert read("a.htm", page.encode("gb18030")) == [Block((), "绿茶")]


def test_text_in_paragraphs() -> None:
    assert [text for _, text in blocks("a.txt", "One\r\ntwo.\r\n \r\n\nThree.")] == [
        "One\ntwo.",
        "Three.",
    ]
    assert read("a.txt", "Grüße".encode("utf-16")) == [Block((), "Grüße")]


def test_pdf_by_pages() -> None:
    assert read("a.pdf", pdf("Cats purr.", "Dogs bark.", title="Pets")) == [
        Block(("Pets",), "Cats purr.", "page=1"),
        Block(("Pets",), "Dogs bark.", "page=2"),
    ]
    assert read("a.pdf", locked(pdf("Open."), "")) == [Block((), "Open.", "page=1")]


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.txt", b"\xff\xfe\x00", "is not UTF-8 text"),
        ("a.txt", b"caf\xe9", "is not UTF-8 text"),
        ("a.md", b"a\0b", "is not text"),
        ("a.md", b" \n", "holds no text"),
        ("a.html", b"<title>x</title><script>y</script>", "holds no text"),
        ("a.html", b"caf\xe9", "is not UTF-8 text"),
        ("a.html", b'<meta charset="utf-9"><p>caf\xe9', "is not UTF-8 text"),
        ("a.pdf", b"%PDF-1.4 and then nothing", r"is broken \(PdfStreamError\)"),
        ("a.pdf", b"", r"is broken \(EmptyFileError\)"),
        ("a.pdf", locked(pdf("Secret."), "sesame"), "wants a password"),
        ("a.pdf", pdf(""), "holds no text"),
        ("a.pdf", locked_by_aes(pdf("x")), "is encrypted in a way that wants .* `cryptography`"),
        ("a.md", b"---\ntitle: x\n---\n***\n#\n", "holds no text"),
        ("a.csv", b"\n \n", "holds no text"),
    ],
)
def test_what_cannot_be_read(name: str, data: bytes, reason: str) -> None:
    with pytest.raises(Unreadable, match=f"^{reason}$"):
        read(name, data)


def test_what_would_be_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_CHARACTERS", 10)
    assert read("a.txt", b"12345\n\n67890")
    assert read("a.md", b"# Title\n\n1\n\n2\n\n3"), "a title counts once"
    for name, data in {"a.txt": b"12345\n\n678901", "a.md": b"# A long title\n\n1"}.items():
        with pytest.raises(Unreadable, match="holds more than 10 characters"):
            read(name, data)
    monkeypatch.setattr(reading, "MAX_BLOCKS", 2)
    with pytest.raises(Unreadable, match="has more than 2 parts"):
        read("a.txt", b"1\n\n2\n\n3")
    monkeypatch.setattr(pdf_module, "MAX_PAGES", 1)
    with pytest.raises(Unreadable, match="has more than 1 pages"):
        read("a.pdf", pdf("1", "2"))


def test_out_of_memory_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(_: bytes) -> None:
        raise MemoryError

    monkeypatch.setitem(reading.READERS, ".txt", greedy)
    with pytest.raises(Unreadable, match="takes too much memory to read"):
        read("a.txt", b"x")


def test_a_pdf_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pypdf", None)
    with pytest.raises(Unreadable, match=r"wants the extra `lastword\[pdf\]`"):
        read("a.pdf", pdf("x"))


def test_headings_with_more_than_words_in_them() -> None:
    page = "<h2><a><svg><title>link</title></svg></a>Dogs</h2>Bark.<h3><div>Puppies</div></h3>Yap."
    assert blocks("a.html", page) == [(("Dogs",), "Bark."), (("Dogs", "Puppies"), "Yap.")]
    assert blocks("a.html", "<h1></h1><p>A <svg><title>x</title></svg>b.") == [((), "A b.")]


def test_what_stands_in_a_line_ends_none() -> None:
    page = "<p>a<img src=x>b<wbr>c <big>d</big> <st1:place>e</st1:place>"
    assert blocks("a.html", page) == [((), "abc d e")]


def test_lines_that_are_meant_stay() -> None:
    assert blocks("a.html", "<p>a\nb</p><pre>c\n  d</pre></pre>e\nf") == [
        ((), "a b"),
        ((), "c\n  d"),
        ((), "e f"),
    ]


def test_front_matter_is_read_once() -> None:
    """Not once for each of its characters."""
    assert blocks("a.md", "---\ntitle: 'T' \n---\nWords.") == [(("T",), "Words.")]
    long = "---\ntitle:" + " " * 200_000 + "x\n---\nWords."
    assert blocks("a.md", long) == [(("x",), "Words.")]


@pytest.mark.parametrize("deep", ["<div>" * 20_000, "<svg>" * 9 + "</svg>" * 9])
def test_deep_html(deep: str) -> None:
    assert blocks("a.html", f"{deep}<p>Here.") == [((), "Here.")]


def test_deep_markdown() -> None:
    assert "here" in "".join(text for _, text in blocks("a.md", "> " * 5000 + "here"))


def test_what_is_a_document() -> None:
    assert is_document("A.MD")
    assert is_document("x.pdf")
    assert not is_document("x.exe")
    assert not is_document("README")


def test_text_without_what_no_text_needs() -> None:
    assert clean("a\x00\x1b[1m\u202eb\r\nc\rd\ud800") == "a[1mb\nc\nd?"
    assert clean("a\x0bb\x0cc\x85d\x1ce\x1f\x0ef") == "a\nb\nc\nd\ne\nf"
    assert title_of("A\n title " + "x" * 200) == "A title " + "x" * 112


def test_headings_that_skip_a_level() -> None:
    headings = Headings()
    for level, text in [(3, "deep"), (1, "top"), (3, "below"), (2, ""), (4, "last")]:
        headings.enter(level, text)
    assert headings.titles == ("top", "last")
