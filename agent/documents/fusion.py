"""Several rankings -> one: reciprocal rank fusion (Cormack, Clarke, Büttcher 2009)."""

from collections import defaultdict
from collections.abc import Iterable

K = 60


def fused(*rankings: Iterable[int], limit: int) -> dict[int, float]:
    """What stands high in any of them, higher what does so in more."""
    scores: defaultdict[int, float] = defaultdict(float)
    for ranking in rankings:
        for rank, each in enumerate(ranking, 1):
            scores[each] += 1 / (K + rank)
    best = sorted(scores.items(), key=lambda each: -each[1])[:limit]
    return dict(best)
