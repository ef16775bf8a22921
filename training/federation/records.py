"""Questions and answers as Flower's records, and back. Needs Flower."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flwr.app import (  # type: ignore[import-not-found]  # in .venv-federated alone
    Array,
    ArrayRecord,
    ConfigRecord,
    Message,
    MetricRecord,
    RecordDict,
)
from numpy.typing import NDArray

from training.federation.home import COUNT
from training.federation.recipe import read
from training.federation.rounds import Answer, Question


def asked(question: Question) -> Any:
    """A question as a RecordDict."""
    said = ConfigRecord({"recipe": question.recipe.text(), "turn": question.turn})
    return RecordDict(
        {"question": said, "agreed": _packed(question.agreed), "weights": _packed(question.arrays)}
    )


def question(message: Message) -> Question:
    """The question a site was sent."""
    content = message.content
    said = content["question"]
    return Question(
        read(str(said["recipe"])), int(said["turn"]), _open(content["agreed"]), _open(content["weights"])
    )


def answered(answer: Answer) -> Any:
    """An answer as a RecordDict."""
    return RecordDict(
        {
            "site": ConfigRecord({"name": answer.site}),
            "arrays": _packed(answer.arrays),
            "count": MetricRecord({COUNT: answer.examples}),
        }
    )


def answer(message: Message) -> Answer:
    """What a site sent."""
    content = message.content
    return Answer(str(content["site"]["name"]), _open(content["arrays"]), int(content["count"][COUNT]))


def _packed(arrays: Mapping[str, NDArray[Any]]) -> Any:
    return ArrayRecord({name: Array(array) for name, array in arrays.items()})


def _open(record: Any) -> dict[str, NDArray[Any]]:
    return {name: array.numpy() for name, array in record.items()}
