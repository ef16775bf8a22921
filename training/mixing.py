"""Two boosters as one whose raw score is their weighted mean.

LightGBM adds up trees, so a mean of boosters is the trees of both with every leaf scaled by its booster's share. The
result is a booster like any other: it is spliced into a graph, kept as text and grown on as one. What tells of the
rows each was grown on (gains, counts) is left out, as in `forest_text`.
"""

from __future__ import annotations

import re
from typing import Final

import lightgbm

_TREE: Final = re.compile(r"^Tree=\d+\n", re.MULTILINE)
_SIZES: Final = re.compile(r"^tree_sizes=.*\n", re.MULTILINE)
_LEAVES: Final = re.compile(r"^leaf_value=(.*)$", re.MULTILINE)
_END: Final = "end of trees"


def mixed(first: lightgbm.Booster, second: lightgbm.Booster, share: float) -> lightgbm.Booster:
    """A booster with raw score (1 - share) * first + share * second.

    Raises ValueError where the two do not read the same columns, or `share` is not between 0 and 1.
    """
    if first.num_feature() != second.num_feature():
        raise ValueError(f"boosters of {first.num_feature()} and {second.num_feature()} columns do not mix")
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"a share of {share} is none")
    head, trees = _parts(first, 1.0 - share)
    trees += _parts(second, share)[1]
    numbered = "".join(f"Tree={number}\n{tree}" for number, tree in enumerate(trees))
    return lightgbm.Booster(model_str=f"{head}{numbered}{_END}\n")


def _parts(booster: lightgbm.Booster, share: float) -> tuple[str, list[str]]:
    """What stands before the trees, and each tree without its number, its leaves scaled."""
    said: str = _SIZES.sub("", booster.model_to_string())
    head, *trees = _TREE.split(said[: said.index(_END)])
    return head, [_LEAVES.sub(lambda found: _scaled(found[1], share), tree) for tree in trees]


def _scaled(leaves: str, share: float) -> str:
    return "leaf_value=" + " ".join(repr(float(leaf) * share) for leaf in leaves.split())
