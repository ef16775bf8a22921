"""A site's Flower app: one process per question, with the site's folder from its own node's configuration.

Flower sends the text of an exception to the server. A text can hold a value, so what went wrong stays in the
site's log and the server learns only that it did.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from flwr.app import Context, Message  # type: ignore[import-not-found]  # in .venv-federated alone
from flwr.clientapp import ClientApp  # type: ignore[import-not-found]

from training.federation import home, records
from training.federation.rounds import Answer, Question


class SiteFailed(RuntimeError):
    """All that the server is told when a site could not answer."""


def sums(asked: Question, folder: Path) -> Answer:
    """Before training: sums and counts."""
    return Answer(folder.name, home.sums(folder, asked.recipe, asked.turn, asked.agreed))


def train(asked: Question, folder: Path) -> Answer:
    """One round: weights, and on how many rows."""
    trained = home.train(folder, asked.recipe, asked.turn, asked.agreed, asked.arrays)
    return Answer(folder.name, trained.arrays, trained.examples)


def quietly(does: Callable[[Question, Path], Answer]) -> Callable[[Message, Context], Message]:
    """As Flower calls it; raises SiteFailed, which says nothing, for whatever goes wrong."""

    def reply(message: Message, context: Context) -> Message:
        try:
            found = does(records.question(message), Path(str(context.node_config["home"])))
        except Exception:
            logging.getLogger("flwr").exception("this site could not answer")
            raise SiteFailed("this site could not answer; its own log says why") from None
        return Message(records.answered(found), reply_to=message)

    return reply


app = ClientApp()
app.query()(quietly(sums))
app.train()(quietly(train))
