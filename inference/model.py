"""An artefact folder -> a model that can be asked.

`load` checks every file against the manifest's sha256, the vocabulary's fingerprint and the feature names
before one number is computed; the graph runs on ONNX Runtime with one thread. Calibration, the training
envelope and the limits of what the model stands behind are data beside the graph, applied here.

Refuses a changed file, another vocabulary, a silent fall-back from a required GPU, and NaN or infinity as an
answer. Does not know where artefacts live, nor what is done with an answer.

    <folder>/manifest.json   names, versions, inputs, sha256 of the rest
    model.onnx               x [N,F] -> logits [N,M,K], values [N,3] (log ng/L) or [N,0]
    calibration.json, envelope.json, background.npz
    evaluation.json, leaks.json, card.json    not needed to run; checked all the same
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from inference.assessment import Phrase
from inference.errors import (
    ArtifactMissing,
    ChecksumMismatch,
    DeviceUnavailable,
    UnsoundOutput,
    VocabularyError,
)
from inference.features import Layout, layout_for
from inference.vocabulary import vocabulary

MANIFEST: Final = "manifest.json"
PARTS: Final = (
    "model.onnx",
    "calibration.json",
    "background.npz",
    "envelope.json",
    "evaluation.json",
    "leaks.json",
    "card.json",
)
CUDA: Final = "CUDAExecutionProvider"
CPU: Final = "CPUExecutionProvider"
NORMAL_95: Final = 1.959964
Floats = NDArray[np.float64]


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
        return _sigmoid(self.logit)


@dataclass(frozen=True, slots=True)
class Calibration:
    """calibration.json:

    what turns raw logits into probabilities, and where the model stops standing behind them.
    """

    slope: Floats  # [K], Platt, one per raw logit
    intercept: Floats  # [K]
    chained: bool  # raw logits are hazards of successive windows: probabilities cannot cross
    logit_error: float  # standard error of the calibrated log-odds beyond the members' spread
    spread_limit: float  # standard deviation of the members' log-odds above which they disagree
    alpha: float  # class-conditional conformal error rate
    negative: float  # highest headline probability still ordinary for patients without the outcome
    positive: float  # lowest headline probability still ordinary for patients with it
    widen: tuple[float, float, float]  # added to the forecast's log quantiles
    base_rate: float


class Model:
    """A loaded artefact. `outcomes` are its probabilities in order of hours; the last is the headline."""

    def __init__(
        self,
        manifest: Mapping[str, Any],
        session: onnxruntime.InferenceSession,
        calibration: Calibration,
        background: tuple[NDArray[np.float32], Floats],
        envelope: Mapping[str, tuple[float, float] | None],
    ) -> None:
        self.manifest = manifest
        self.name: str = manifest["name"]
        self.version: str = manifest["version"]
        self.outcomes: tuple[str, ...] = tuple(manifest["outcomes"])
        self.hours: tuple[int, ...] = tuple(manifest["hours"])
        self.important: tuple[str, ...] = tuple(manifest["important"])
        self.layout: Layout = layout_for(tuple(manifest["inputs"]), self.name)
        self.calibration = calibration
        self.base_rate = calibration.base_rate
        self.background, self.background_weights = background
        self.envelope = envelope
        self.device: str = session.get_providers()[0]  # what the session has, not what was asked of it
        self._session = session

    def run(self, x: NDArray[np.floating[Any]]) -> Answer:
        """Ask for rows [N,F]; NaN means not measured. Raises UnsoundOutput, VocabularyError (wrong width)."""
        raw, values = self._raw(x)
        shown = self._calibrated(raw.mean(axis=1))
        members = _sigmoid(self._calibrated(raw))
        return Answer(shown, members, np.exp(values + self.calibration.widen) if values.shape[1] else values)

    def headline(self, x: NDArray[np.floating[Any]]) -> Floats:
        """Calibrated log-odds [N] of the headline outcome: what is explained."""
        raw, _ = self._raw(x)
        return self._calibrated(raw.mean(axis=1))[:, -1]

    def outside(self, x: NDArray[np.floating[Any]]) -> tuple[str, ...]:
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

        "members-disagree", "both-labels"; None if it is.
        """
        spread = float(_logit(answer.members[row, :, -1]).std())
        limits = self.calibration
        if spread > limits.spread_limit:
            return Phrase(
                "members-disagree", {"spread": round(spread, 3), "limit": round(limits.spread_limit, 3)}
            )
        probability = float(_sigmoid(answer.logit[row, -1:])[0])
        if limits.positive <= probability <= limits.negative:
            return Phrase(
                "both-labels", {"low": limits.positive, "high": limits.negative, "alpha": limits.alpha}
            )
        return None

    def interval(self, answer: Answer, row: int, head: int) -> tuple[float, float]:
        """95 % interval of outcome `head`'s probability:

        the members' spread and calibration error, on log-odds.
        """
        spread = (
            float(_logit(answer.members[row, :, head]).std(ddof=1)) if answer.members.shape[1] > 1 else 0.0
        )
        half = NORMAL_95 * float(np.hypot(spread, self.calibration.logit_error))
        low, high = _sigmoid(answer.logit[row, head] + np.array([-half, half]))
        return float(low), float(high)

    def _raw(self, x: NDArray[np.floating[Any]]) -> tuple[Floats, Floats]:
        rows = np.ascontiguousarray(x, dtype=np.float32)
        if rows.ndim != 2 or rows.shape[1] != len(self.layout.names):
            raise VocabularyError(f"{self.name} takes [N,{len(self.layout.names)}], got {list(rows.shape)}")
        logits, values = self._session.run(["logits", "values"], {"x": rows})
        if not (np.isfinite(logits).all() and np.isfinite(values).all()):
            raise UnsoundOutput(f"{self.name} {self.version} answered NaN or infinity")
        return logits.astype(np.float64), values.astype(np.float64)

    def _calibrated(self, raw: Floats) -> Floats:
        """Raw logits [..., K] to calibrated log-odds [..., H]."""
        z = raw * self.calibration.slope + self.calibration.intercept
        return _chain(z) if self.calibration.chained else z


def load(folder: Path, device: str = "auto") -> Model:
    """Check and open an artefact folder; call it in the worker that will use it.

    `device`: "auto" (CUDA where the session gets it, else CPU), "cpu", or "cuda" (required). Raises
    ArtifactMissing, ChecksumMismatch, VocabularyError, DeviceUnavailable.
    """
    manifest = _checked(folder)
    session = _session(folder / "model.onnx", device)
    background = np.load(folder / "background.npz", allow_pickle=False)
    envelope = json.loads((folder / "envelope.json").read_text())["players"]
    return Model(
        manifest,
        session,
        _calibration(json.loads((folder / "calibration.json").read_text())),
        (background["rows"].astype(np.float32), background["weights"].astype(np.float64)),
        {player: None if seen is None else (seen[0], seen[1]) for player, seen in envelope.items()},
    )


def newest(artifacts: Path, name: str) -> Path:
    """The folder of the highest version of model `name`. Raises ArtifactMissing if there is none."""
    versions = {
        _version(path.name): path for path in (artifacts / name).glob("*") if (path / MANIFEST).is_file()
    }
    known = {version: path for version, path in versions.items() if version is not None}
    if not known:
        raise ArtifactMissing(f"no version of '{name}' under {artifacts}: train one (python -m training run)")
    return known[max(known)]


def sha256_of(path: Path) -> str:
    """Checksum of one file, as the manifest writes it. Raises ArtifactMissing."""
    if not path.is_file():
        raise ArtifactMissing(f"{path.name} is not in {path.parent}; restore the folder from its release")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _checked(folder: Path) -> Mapping[str, Any]:
    path = folder / MANIFEST
    if not path.is_file():
        raise ArtifactMissing(f"{folder} has no {MANIFEST}")
    manifest: Mapping[str, Any] = json.loads(path.read_text())
    unlisted = [part for part in PARTS if part not in manifest["files"]]
    if unlisted:
        raise ArtifactMissing(f"{path} does not list {', '.join(unlisted)}")
    for part, digest in manifest["files"].items():
        if sha256_of(folder / part) != digest:
            raise ChecksumMismatch(f"{folder / part} is not the file that was released; restore it")
    if manifest["vocabulary"] != vocabulary().fingerprint:
        raise VocabularyError(
            f"{folder} was trained on another variables.toml; train again or restore that file"
        )
    if manifest["features"] != list(layout_for(tuple(manifest["inputs"]), manifest["name"]).names):
        raise VocabularyError(f"{folder} was trained on other features than features.py makes; train again")
    return manifest


def _session(path: Path, device: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    wanted = [CPU]
    if device != "cpu" and CUDA in onnxruntime.get_available_providers():
        wanted = [CUDA, CPU]
    onnxruntime.set_default_logger_severity(
        4
    )  # a missing CUDA library is no news here: `device` says what we got
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=wanted)
    finally:
        onnxruntime.set_default_logger_severity(2)
    if device == "cuda" and session.get_providers()[0] != CUDA:
        raise DeviceUnavailable(
            "CUDA was required and ONNX Runtime runs on the CPU; install onnxruntime-gpu[cuda,cudnn]"
        )
    return session


def _calibration(data: Mapping[str, Any]) -> Calibration:
    widen = data["widen"]
    return Calibration(
        slope=np.asarray(data["slope"], dtype=np.float64),
        intercept=np.asarray(data["intercept"], dtype=np.float64),
        chained=bool(data["chained"]),
        logit_error=float(data["logit_error"]),
        spread_limit=float(data["spread_limit"]),
        alpha=float(data["alpha"]),
        negative=float(data["negative"]),
        positive=float(data["positive"]),
        widen=(float(widen[0]), float(widen[1]), float(widen[2])),
        base_rate=float(data["base_rate"]),
    )


def _version(text: str) -> tuple[int, ...] | None:
    parts = text.split(".")
    return tuple(int(part) for part in parts) if all(part.isdecimal() for part in parts) else None


def _chain(z: Floats) -> Floats:
    """Hazard log-odds of successive windows -> log-odds of "by the end of window k":

    ordered by construction.
    """
    log_free = np.cumsum(-np.logaddexp(0.0, z), axis=-1)  # log P(nothing yet)
    happened = np.maximum(-np.expm1(log_free), np.finfo(np.float64).tiny)
    odds: Floats = np.log(happened) - log_free
    return odds


def _sigmoid(z: Floats) -> Floats:
    out: Floats = 0.5 * (1.0 + np.tanh(0.5 * z))
    return out


def _logit(p: Floats) -> Floats:
    held = np.clip(p, 1e-12, 1 - 1e-12)
    out: Floats = np.log(held) - np.log1p(-held)
    return out
