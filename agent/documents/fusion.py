"""Two rankings -> one: reciprocal rank fusion (Cormack, Clarke, Büttcher 2009)."""

from collections import defaultdict
from collections.abc import Container, Iterable

K = 60


def fused(
    first: Iterable[int], second: Iterable[int], unknown: Container[int] = (), *, limit: int
) -> dict[int, float]:
    """What stands high in either of them, higher what does so in both.

    What is `unknown` to the second stands there as it does in the first: it could not be ranked.
    """
    scores: defaultdict[int, float] = defaultdict(float)
    for rank, each in enumerate(first, 1):
        scores[each] += (2 if each in unknown else 1) / (K + rank)
    for rank, each in enumerate(second, 1):
        scores[each] += 1 / (K + rank)
    best = sorted(scores.items(), key=lambda each: -each[1])[:limit]
    return dict(best)
