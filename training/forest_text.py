"""A forest as text, kept in an artefact for whoever grows it on: one file a booster under `forest/`.

Kept is what an answer needs. Left out is what would tell of the rows it was grown on: how many fell into each leaf,
and the lowest and highest value of each column.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import lightgbm

from training.forest import Forest

FOLDER: Final = "forest"
MEDIAN: Final = f"{FOLDER}/median.txt"
_OF_THE_ROWS: Final = re.compile(
    r"^(?:split_gain|leaf_weight|leaf_count|internal_\w+|tree_sizes)=.*\n", re.MULTILINE
)
_RANGES: Final = re.compile(r"^feature_infos=(.*)$", re.MULTILINE)
_END: Final = "end of trees"


def texts(forest: Forest) -> dict[str, str]:
    """File name -> text of each booster, for `Release.texts`. The forest's offset is the network's, in weights.npz."""
    found = {_name(member): _text(booster) for member, booster in enumerate(forest.members)}
    return found if forest.median is None else found | {MEDIAN: _text(forest.median)}


def forest_of(kept: Mapping[str, str], offset: float) -> Forest:
    """The forest of such texts. Raises ValueError where none of a member is there, or one cannot be read."""
    members = [kept[_name(member)] for member in range(len(kept)) if _name(member) in kept]
    if not members or set(kept) - {MEDIAN} != {_name(member) for member in range(len(members))}:
        raise ValueError(f"no whole forest in {', '.join(sorted(kept)) or 'no file'}")
    median = _booster(kept[MEDIAN]) if MEDIAN in kept else None
    return Forest(tuple(map(_booster, members)), median, offset)


def copied(booster: lightgbm.Booster) -> lightgbm.Booster:
    """The same trees, free of whatever the booster was trained with."""
    return _booster(_text(booster))


def _name(member: int) -> str:
    return f"{FOLDER}/{member}.txt"


def _text(booster: lightgbm.Booster) -> str:
    said: str = booster.model_to_string()
    trees = _OF_THE_ROWS.sub("", said[: said.index(_END)])
    unsaid = _RANGES.sub(lambda found: "feature_infos=" + " ".join(["none"] * len(found[1].split())), trees)
    return f"{unsaid}{_END}\n"


def _booster(text: str) -> lightgbm.Booster:
    try:
        return lightgbm.Booster(model_str=text)
    except lightgbm.basic.LightGBMError as error:
        raise ValueError(f"no booster can be read: {str(error)[:80]}") from None
