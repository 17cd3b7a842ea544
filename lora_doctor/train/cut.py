"""Where a row of blocks is cut into stages. No torch."""

from __future__ import annotations

from functools import cache


def cut(weights: tuple[int, ...], stages: int) -> tuple[int, ...]:
    """The first block of every stage, so that the largest stage has as few weights as can be; every stage has a block.

    The first stage begins with 0.
    """

    @cache
    def best(begin: int, left: int) -> tuple[int, tuple[int, ...]]:
        """Weights of the largest of `left` stages from a block on, and where they begin."""
        if left == 1:
            return sum(weights[begin:]), (begin,)
        ends = range(begin + 1, len(weights) - left + 2)
        made = ((sum(weights[begin:end]), best(end, left - 1)) for end in ends)
        return min((max(own, rest[0]), (begin, *rest[1])) for own, rest in made)

    if not 0 < stages <= len(weights):
        raise ValueError(f"{stages} stages of {len(weights)} blocks")
    return best(0, stages)[1]
