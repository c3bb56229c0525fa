"""A text as tokens: by the vocabularies of real models, and in ways that no vocabulary cuts.

The vocabularies come inside a package, so nothing is downloaded. A token may end inside a
character: as in a model's server, its bytes wait until the character is complete.
"""

import random
import re
from collections.abc import Callable
from functools import partial

from splintr import Tokenizer

Cut = Callable[[str], list[str]]

VOCABULARIES = (
    *("cl100k_base", "o200k_base", "llama2", "llama3", "mistral_v1", "mistral_v3"),
    *("gemma3", "qwen3", "deepseek_v3", "glm4", "kimi_k2"),
)


def _vocabulary(name: str) -> Cut:
    tokenizer = Tokenizer.from_pretrained(name)

    def cut(text: str) -> list[str]:
        decoder = tokenizer.streaming_decoder()
        tokens = [decoder.add_token(token) or "" for token in tokenizer.encode_ordinary(text)]
        tokens.append(decoder.flush() or "")
        if "".join(tokens) != text:
            raise ValueError(f"{name} does not give back {text!r}")
        return [token for token in tokens if token]

    return cut


def _words(text: str) -> list[str]:
    return re.findall(r"\S+\s*|\s+", text)


def _whole(text: str) -> list[str]:
    return [text] if text else []


def _anyhow(seed: int, text: str) -> list[str]:
    """Up to a dozen characters each, now and then none."""
    chance = random.Random(f"{seed} {text}")
    tokens, at = [], 0
    while at < len(text):
        size = chance.randint(0, 12)
        tokens.append(text[at : at + size])
        at += size
    return tokens


def cuts() -> dict[str, Cut]:
    """All of them, by name; the vocabularies first."""
    return {
        **{name: _vocabulary(name) for name in VOCABULARIES},
        "characters": list,
        "words": _words,
        "whole": _whole,
        **{f"random {seed}": partial(_anyhow, seed) for seed in (1, 2, 3)},
    }
