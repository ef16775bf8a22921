"""An artefact folder -> a model that can be asked.

`load` checks every file against the manifest's sha256, the vocabulary's fingerprint and the feature names
before one number is computed; the graphs run on ONNX Runtime with one thread. Calibration, the training
envelope and the limits of what the model stands behind are data beside the graphs, applied here.

A row goes two steps: `encode` turns the columns of each player into codes of that player, and the model proper
answers from codes. Coalitions of players can therefore be mixed in codes, and an explanation asks the second
graph alone. An artefact of one graph has no first step: its codes are its columns.

Refuses a changed file, another vocabulary, a silent fall-back from a required GPU, and NaN or infinity as an
answer. Does not know where artefacts live, nor what is done with an answer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inference.artefact import (
    ENCODER,
    HEADLINE,
    MANIFEST,
    MODEL,
    PARTS,
    Columns,
    checked,
    codes_of,
    newest,
    sha256_of,
)
from inference.assessment import Phrase
from inference.calibration import Calibration, Floats, calibration_of, logit, sigmoid
from inference.errors import GraphUnfit, UnsoundOutput, VocabularyError
from inference.features import Layout, layout_for
from inference.graph import CUDA, Graph, open_graph

__all__ = ["MANIFEST", "PARTS", "Answer", "Calibration", "Graphs", "Model", "load", "newest", "sha256_of"]

NORMAL_95: Final = 1.959964
ROWS: Final = 8192  # in one question to a graph: what it makes of more would only fill the memory
AT_ONCE: Final = (256, 1024)  # rows of codes in one question of an explanation, fewest and most
CACHE: Final = 1_200_000  # bytes such a question may take: what stays near the processor
AT_ONCE_CUDA: Final = 65_536  # a GPU is fed by the ten thousand
HEADLINE_TOLERANCE: Final = 1e-4
Rows = NDArray[np.float32]
Any2D = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says of N rows:

    calibrated log-odds [N,H], member probabilities [N,M,H], forecast ng/L [N,3] or [N,0].
    """

    logit: Floats
    members: Floats
    values: Floats

    @property
    def probability(self) -> Floats:
        """Calibrated probability per outcome, [N,H], 0..1."""
        return sigmoid(self.logit)


@dataclass(frozen=True, slots=True)
class Graphs:
    """What an artefact runs: columns -> codes, codes -> answer, and codes -> headline where it is there alone."""

    encoder: Graph | None
    model: Graph
    headline: Graph | None = None


class Model:
    """A loaded artefact. `outcomes` are its probabilities in order of hours; the last is the headline."""

    def __init__(
        self,
        manifest: Mapping[str, Any],
        graphs: Graphs,
        calibration: Calibration,
        background: tuple[Rows, Floats],
        envelope: Mapping[str, tuple[float, float] | None],
    ) -> None:
        self.manifest = manifest
        self.name: str = manifest["name"]
        self.version: str = manifest["version"]
        self.outcomes: tuple[str, ...] = tuple(manifest["outcomes"])
        self.hours: tuple[int, ...] = tuple(manifest["hours"])
        self.important: tuple[str, ...] = tuple(manifest["important"])
        self.layout: Layout = layout_for(tuple(manifest["inputs"]), self.name)
        self.codes: Columns = codes_of(manifest, self.layout, graphs.model.width)
        self.calibration = calibration
        self.base_rate = calibration.base_rate
        self.envelope = envelope
        self.device = graphs.model.device
        fitting = int(np.clip(CACHE // (4 * graphs.model.width), *AT_ONCE))
        self.rows_at_once = AT_ONCE_CUDA if self.device == CUDA else fitting
        self._graphs = graphs
        self._owner = _owners(self.codes, graphs.model.width)
        self.background, self.background_weights = background
        self.background_codes = self.encode(self.background)

    def encode(self, x: Any2D) -> Rows:
        """Codes [N,Z] of rows [N,F]; NaN means not measured.

        Raises VocabularyError (wrong width), and UnsoundOutput for infinity, or for NaN in a code of a player
        of whom everything was measured.
        """
        rows = np.ascontiguousarray(x, dtype=np.float32)
        if rows.ndim != 2 or rows.shape[1] != len(self.layout.names):
            raise VocabularyError(f"{self.name} takes [N,{len(self.layout.names)}], got {list(rows.shape)}")
        encoder = self._graphs.encoder
        codes = rows if encoder is None else encoder.ask(rows, "codes")[0]
        if codes.shape[1] != len(self._owner):
            raise GraphUnfit(f"{self.name}: {codes.shape[1]} codes where the model takes {len(self._owner)}")
        self._sound(not np.isinf(codes).any())
        if encoder is not None and (lost := np.isnan(codes)).any():
            self._sound(not (lost & ~self._unmeasured(rows)[:, self._owner]).any())
        return codes

    def run(self, x: Any2D) -> Answer:
        """Ask for rows [N,F]; NaN means not measured. Raises UnsoundOutput, VocabularyError (wrong width)."""
        found = [self._raw(self.encode(part)) for part in _parts(x)]
        raw, values = (np.concatenate(parts) for parts in zip(*found, strict=True))
        log_odds = self.calibration.log_odds
        shown, members = log_odds(raw.mean(axis=1)), sigmoid(log_odds(raw))
        return Answer(shown, members, np.exp(values + self.calibration.widen) if values.shape[1] else values)

    def headline(self, x: Any2D) -> Floats:
        """Calibrated log-odds [N] of the headline outcome for rows [N,F]: what is explained."""
        return np.concatenate([self.headline_of(self.encode(part)) for part in _parts(x)])

    def headline_of(self, codes: Rows) -> Floats:
        """Calibrated log-odds [N] of the headline outcome for codes [N,Z]. Raises UnsoundOutput."""
        if self._graphs.headline is None:
            raw, _ = self._raw(codes)
            return self.calibration.log_odds(raw.mean(axis=1))[:, -1]
        (answered,) = self._graphs.headline.ask(self._wide(codes), "headline")
        self._sound(np.isfinite(answered).all())
        return self.calibration.headline(answered.astype(np.float64))

    def outside(self, x: Any2D) -> tuple[str, ...]:
        """Players of the one row `x` ([F] or [1,F]) whose latest value is beyond what training saw, in
        layout order.
        """
        row = np.asarray(x, dtype=np.float64).reshape(-1)
        beyond = []
        for player, columns in self.layout.players.items():
            value, seen = row[columns[0]], self.envelope.get(player)
            if not np.isnan(value) and (seen is None or not seen[0] <= value <= seen[1]):
                beyond.append(player)
        return tuple(beyond)

    def doubtful(self, answer: Answer, row: int) -> Phrase | None:
        """Why the headline of this row is not stood behind:

        "both-labels", "members-apart"; None if it is. Members that differ on one side of the limits say the
        same thing in other words, and are not doubted for it.
        """
        limits = self.calibration
        probability = float(sigmoid(answer.logit[row, -1:])[0])
        bounds = {"low": limits.positive, "high": limits.negative}
        if limits.positive <= probability <= limits.negative:
            return Phrase("both-labels", bounds | {"alpha": limits.alpha})
        members = answer.members[row, :, -1]
        least, most = float(members.min()), float(members.max())
        if limits.apart(least, most):
            return Phrase("members-apart", bounds | {"least": round(least, 4), "most": round(most, 4)})
        return None

    def interval(self, answer: Answer, row: int, head: int) -> tuple[float, float]:
        """95 % interval of outcome `head`'s probability:

        the members' spread and calibration error, on log-odds.
        """
        spread = (
            float(logit(answer.members[row, :, head]).std(ddof=1)) if answer.members.shape[1] > 1 else 0.0
        )
        half = NORMAL_95 * float(np.hypot(spread, self.calibration.logit_error))
        low, high = sigmoid(answer.logit[row, head] + np.array([-half, half]))
        return float(low), float(high)

    def _raw(self, codes: Rows) -> tuple[Floats, Floats]:
        logits, values = self._graphs.model.ask(self._wide(codes), "logits", "values")
        self._sound(np.isfinite(logits).all() and np.isfinite(values).all())
        return logits.astype(np.float64), values.astype(np.float64)

    def _wide(self, codes: Rows) -> Rows:
        rows = np.ascontiguousarray(codes, dtype=np.float32)
        if rows.ndim != 2 or rows.shape[1] != len(self._owner):
            raise VocabularyError(f"{self.name} has [N,{len(self._owner)}] codes, got {list(rows.shape)}")
        return rows

    def _unmeasured(self, rows: Rows) -> NDArray[np.bool_]:
        """[N,P]: players of whom something was not measured."""
        absent = np.isnan(rows)
        players = self.layout.players.values()
        return np.stack([absent[:, list(columns)].any(axis=1) for columns in players], axis=1)

    def _sound(self, sound: bool | np.bool_) -> None:
        if not sound:
            raise UnsoundOutput(f"{self.name} {self.version} answered NaN or infinity")


def load(folder: Path, device: str = "auto") -> Model:
    """Check and open an artefact folder; call it in the worker that will use it.

    `device`: "auto" (CUDA where the session gets it, else CPU), "cpu", or "cuda" (required). Raises
    ArtifactMissing, ChecksumMismatch, GraphUnfit, VocabularyError, DeviceUnavailable.
    """
    manifest = checked(folder)
    encoder = open_graph(folder / ENCODER, device, "codes") if "codes" in manifest else None
    if encoder is not None and encoder.width != len(manifest["features"]):
        raise GraphUnfit(f"{folder / ENCODER} takes {encoder.width} columns, not those of the manifest")
    alone = HEADLINE in manifest["files"]
    graphs = Graphs(
        encoder,
        open_graph(folder / MODEL, device, "logits", "values"),
        open_graph(folder / HEADLINE, device, "headline") if alone else None,
    )
    background = np.load(folder / "background.npz", allow_pickle=False)
    envelope = json.loads((folder / "envelope.json").read_text())["players"]
    model = Model(
        manifest,
        graphs,
        calibration_of(json.loads((folder / "calibration.json").read_text())),
        (background["rows"].astype(np.float32), background["weights"].astype(np.float64)),
        {player: None if seen is None else (seen[0], seen[1]) for player, seen in envelope.items()},
    )
    if alone:
        _same_headline(model, folder)
    return model


def _same_headline(model: Model, folder: Path) -> None:
    """Raises GraphUnfit where the graph of the headline alone answers otherwise than the whole model."""
    if model.calibration.chained:
        raise GraphUnfit(f"{folder}: a headline of chained hazards cannot stand alone; release it again")
    shown = model.run(model.background).logit[:, -1]
    if not np.allclose(model.headline_of(model.background_codes), shown, atol=HEADLINE_TOLERANCE, rtol=0):
        raise GraphUnfit(f"{folder / HEADLINE} answers otherwise than {MODEL}; release it again")


def _owners(codes: Columns, width: int) -> NDArray[np.intp]:
    """[Z]: index of the player that owns each code."""
    owner = np.zeros(width, dtype=np.intp)
    for player, columns in enumerate(codes.values()):
        owner[list(columns)] = player
    return owner


def _parts(x: Any2D) -> list[Any2D]:
    """ROWS rows at a time; of no rows, one part of none."""
    return [x[start : start + ROWS] for start in range(0, max(len(x), 1), ROWS)]
