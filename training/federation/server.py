"""The asking side's Flower app: waits for the sites, runs the rounds, and writes down how it went.

It is told no site's folder and opens none. Where it fails, `failed.txt` says why, in words.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Final

from flwr.app import Context, Message  # type: ignore[import-not-found]  # in .venv-federated alone
from flwr.serverapp import Grid, ServerApp  # type: ignore[import-not-found]

from training.federation import records
from training.federation.home import still
from training.federation.recipe import read
from training.federation.rounds import Answer, Question, federate

PROGRESS: Final = "progress.jsonl"
FAILED: Final = "failed.txt"
_POLL: Final = 0.5  # seconds

app = ServerApp()


@app.main()  # type: ignore[untyped-decorator]  # Flower is not installed where types are checked
def main(grid: Grid, context: Context) -> None:
    """One training, as `flwr run` was told."""
    said = context.run_config
    folder, patience = Path(str(said["folder"])), float(said["patience"])
    recipe = read(str(said["recipe"]))

    def told(turn: int, sites: list[str]) -> None:
        with (folder / PROGRESS).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"turn": turn, "sites": sites}) + "\n")

    def reach(question: Question) -> list[Answer]:
        return ask(grid, question, patience)

    still()
    try:
        wait(grid, int(said["sites"]), patience)
        federate(recipe, reach, folder, told)
    except Exception as error:
        (folder / FAILED).write_text(f"{type(error).__name__}: {error}", encoding="utf-8")
        raise


def wait(grid: Grid, sites: int, patience: float) -> None:
    """Until so many sites are there, or patience (seconds) ends: then it goes on with those that are."""
    end = time.monotonic() + patience
    while len(list(grid.get_node_ids())) < sites and time.monotonic() < end:
        time.sleep(_POLL)


def ask(grid: Grid, question: Question, patience: float) -> list[Answer]:
    """The answers that came within `patience` seconds. A site that fails or is gone is not among them."""
    content = records.asked(question)
    kind = "train" if question.turn > 0 else "query"
    messages = [
        Message(content, dst_node_id=node, message_type=kind, group_id=str(question.turn))
        for node in grid.get_node_ids()
    ]
    replies = grid.send_and_receive(messages, timeout=patience)
    return [records.answer(reply) for reply in replies if not reply.has_error()]
