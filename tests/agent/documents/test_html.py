"""Web pages as they are found: in any encoding, made by wikis and word processors."""

import pytest

from agent.documents.block import Unreadable
from agent.documents.reading import read

DASH = "9–17 Uhr, 15 €"


def texts(page: str) -> list[str]:
    return [block.text for block in read("a.html", page.encode())]


@pytest.mark.parametrize(
    ("label", "codec", "text"),
    [
        ("iso-8859-1", "cp1252", DASH),
        ("US-ASCII", "cp1252", DASH),
        ("iso-8859-9", "cp1254", f"{DASH} İ"),
        ("tis-620", "cp874", "€ ไทย"),
        ("gb2312", "gbk", "镕基"),
        ("big5", "big5hkscs", "着"),
        ("shift_jis", "cp932", "①髙～"),
        ("x-sjis", "cp932", "①"),
        ("euc-kr", "cp949", "똠방각하"),
        ("x-euc-jp", "euc_jp", "時間"),
        ("iso-2022-jp", "iso2022_jp", "時間は"),
        ("koi8-r", "koi8-r", "Привет"),
        ("utf-8", "utf-8", DASH),
        ("iso-8859-1", "utf-8", DASH),
        ("utf-16", "utf-8", DASH),
        ("windows-1252", "utf-16", DASH),
    ],
)
def test_it_is_read_as_a_browser_would(label: str, codec: str, text: str) -> None:
    for declared in (f'<meta charset="{label}">', f"<?xml version='1.0' encoding='{label}'?>"):
        (block,) = read("a.html", f"{declared}<p>{text}".encode(codec))
        assert block.text == text


@pytest.mark.parametrize("label", ["utf-8", "no-such-thing", "gb2312"])
def test_what_cannot_be_read_is_no_rubbish(label: str) -> None:
    with pytest.raises(Unreadable, match="is not UTF-8 text"):
        read("a.html", f"<meta charset={label}><p>".encode() + b"\xff\xff")


WIKI = """
<table><tbody><tr><th><p>Country</p></th><th><p>Hotel</p></th></tr>
<tr><td><div><p>Japan</p><p>(all)</p></div></td><td><p>190 EUR</p></td></tr></tbody></table>
<ol><li><p>Ask.</p><p>Wait.</p></li><li><p>Book:</p><pre>book
  it</pre><ul><li><p>soon</p></li></ul></li></ol>
"""


def test_tables_and_lists_of_a_wiki_stay_together() -> None:
    assert texts(WIKI) == [
        "| Country | Hotel \n | Japan (all) | 190 EUR",
        "- Ask.\nWait.\n- Book:",
        "book\n  it",
        "- soon",
    ]


def test_a_page_that_is_laid_out_in_a_table() -> None:
    page = "<table><tr><td><ul><li>Menu</ul><td><h2>Dogs</h2><p>Bark.</p><p>Often.</p></table>"
    found = [(block.titles, block.text) for block in read("a.html", page.encode())]
    assert found == [((), "- Menu"), (("Dogs",), "Bark."), (("Dogs",), "Often.")]


def test_a_heading_without_text_is_text() -> None:
    page = "<title>Staff</title><h1>Who</h1><h2>Maria, extension 12</h2><h2>Paul</h2><p>None.</p>"
    found = [(block.titles, block.text) for block in read("a.html", f"{page}<h2>Eva</h2>".encode())]
    assert found == [
        (("Staff", "Who"), "Maria, extension 12"),
        (("Staff", "Who", "Paul"), "None."),
        (("Staff", "Who"), "Eva"),
    ]


def test_elements_that_nobody_knows_stand_in_a_line() -> None:
    page = (
        "<p>The bus to <st1:place>Lisbon</st1:place> leaves <acronym>at</acronym> <nobr>9</nobr>."
    )
    assert texts(page) == ["The bus to Lisbon leaves at 9."]


def test_what_is_not_meant_to_be_read() -> None:
    page = """<div role="navigation">Home</div><h1>Fares<a class="x headerlink" href="#">¶</a></h1>
    <p>It costs <del>100</del><s>110</s> 120 EUR.</p>"""
    (block,) = read("a.html", page.encode())
    assert (block.titles, block.text) == (("Fares",), "It costs 120 EUR.")
    assert texts('<div role="navigation">Home</div>') == ["Home"]
