"""What many a Markdown page begins with: lines of YAML or TOML. Of use is only the title.

They are no Markdown, and often not quite YAML either: what is read here is what people write.
"""

import re

_KEY = r"""(?:"[^"\n]*"[ \t]*|'[^'\n]*'[ \t]*|[\w$@](?:[^:\n]|:(?![ \t\n]))*):(?:[ \t].*)?\n"""
_BLANK = r"(?:[ \t]*(?:#.*)?\n)*"
# Also a list, and what is indented. Any other line is text: the page begins with a rule.
_MORE = rf"(?:{_KEY}|(?:[ \t#].*)?\n|-(?!--).*\n|[\]}}].*\n)*"
_YAML = rf"---[ \t]*\n({_BLANK}{_KEY}{_MORE})?(?:---|\.\.\.)[ \t]*(?:\n|\Z)"
_TOML = r"\+\+\+[ \t]*\n((?:(?!\+\+\+).*\n)*)\+\+\+[ \t]*(?:\n|\Z)"
_FRONT_MATTER = re.compile(rf"\s*(?:{_YAML}|{_TOML})")
_TITLE = re.compile(
    r"""^(["']?)title\1[ \t]*[:=][ \t]*"""
    r"""(?:"((?:[^"\\\n]|\\.)*)"(?=[ \t]*(?:\#|$))"""
    r"""|'((?:[^'\n]|'')*)'(?=[ \t]*(?:\#|$))"""
    r"""|[|>][-+]?[ \t]*((?:\n[ \t]+.*)+)"""
    r"""|(.*))""",
    re.MULTILINE | re.IGNORECASE,
)


def parted(text: str) -> tuple[str, str]:
    """The title that a page gives itself, or nothing, and the page without its front matter."""
    if not (front := _FRONT_MATTER.match(text)):
        return "", text
    title = _TITLE.search(front[1] or front[2] or "")
    return _value(title) if title else "", text[front.end() :]


def _value(title: re.Match[str]) -> str:
    _, double, single, block, plain = title.groups("")
    double = re.sub(r"\\(.)", r"\1", double)
    return double or single.replace("''", "'") or block or plain.partition(" #")[0]
