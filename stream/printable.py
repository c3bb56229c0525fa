"""Text for a screen."""

_UNSPEAKABLE = {code: None for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}


def printable(text: str) -> str:
    """Without control characters: a model's words must not move the cursor or set the title."""
    return text.translate(_UNSPEAKABLE)
