"""The network: what was measured, how much, how long ago -> who will be ventilated, where the troponin goes.

Two parts, two graphs. `Encoder` reads a row [N,F] (NaN = not measured) into codes [N,Z], each owned by one player:
the engineered columns as they are, and for every variable a few numbers that attention over its hourly course
found worth keeping. `Ensemble` answers codes: several small networks side by side, each trained on its own Poisson
bootstrap of patients, so that their spread means something. Ratios between variables, choosing the latest
troponin, and filling in what was not measured all happen inside, so the exported graphs are the whole model.

Three kinds of head. "onset": log-odds of ventilation within 24 h and a distribution over the hour of its onset,
so that 6, 12 and 24 h are ordered by construction. "trend": log-odds of a rise and quantiles of the next value.
"plain": log-odds of one outcome (mortality, to compare the encoder with what others published).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from inference.features import (
    ANALYTES,
    COURSE,
    INTERVALS,
    LOGGED,
    PSEUDO,
    SERIES,
    Layout,
)
from inference.vocabulary import vocabulary

HELD: Final = 4.0  # standardised inputs are held within this many standard deviations
QUANTILES: Final = (0.1, 0.5, 0.9)
NEVER: Final = 1e6  # hours: the age of a troponin that was never drawn
BENDS: Final = (10.0, 30.0, 50.0, 70.0, 90.0)  # percentiles at which the response to a column may bend
BASES: Final = 3  # of one observation: its value, and how far beyond one standard deviation either way
FAINT: Final = 1e-3
ONSETS: Final = 8  # parts of three hours that the 24 h after the moment are cut into
RATIOS: Final = (  # as differences of logarithms; each is used where the layout has both
    ("hr:last", "sbp:last"),  # shock index
    ("hr:mean", "sbp:mean"),
    ("dbp:last", "sbp:last"),  # pulse pressure
    ("po2:last", "fio2:last"),  # P/F
    ("spo2:last", "fio2:last"),  # S/F
    ("spo2:last", "rr:last"),  # with S/F: ROX
    ("pco2:last", "bicarbonate:last"),
    ("bun:last", "creatinine:last"),
    ("urine:rate6", "weight:last"),
    ("weight:last", "height:last"),
)


@dataclass(frozen=True, slots=True)
class Shape:
    """Size and regularisation of the ensemble, and how much of its answer the trees have."""

    members: int = 5
    wide: int = 40
    narrow: int = 20
    code: int = 4  # numbers kept of each variable's course
    looks: int = 5  # attention heads over a course
    dropout: float = 0.5
    hidden: float = 0.1  # chance that a whole variable is hidden from a row in training
    dressed: float = 0.25  # chance that a row is charted as another data set charts
    decay: float = 0.05
    rate: float = 2e-3
    epochs: int = 6
    batch: int = 512
    foretelling: int = 3  # epochs of pretraining


class Encoder(nn.Module):
    """x [N,F] -> codes [N,Z]: plain columns first (NaN stays), then `code` numbers a course (NaN if unmeasured)."""

    centre: Tensor
    step: Tensor
    ages: Tensor

    def __init__(self, layout: Layout, x: NDArray[np.float32], shape: Shape) -> None:
        super().__init__()
        self.columns = plain_columns(layout)
        self.variables = coursed(layout)
        span = len(INTERVALS)
        self.courses = [c for name in self.variables for c in layout.players[name][-span:]]
        self.shape, v = shape, len(self.variables)
        course = x[:, self.courses].reshape(-1, v, span)
        centre, step = moments(course.transpose(0, 2, 1).reshape(-1, v)) if v else (np.zeros(0), np.ones(0))
        self.register_buffer("centre", torch.from_numpy(centre.astype(np.float32)).reshape(1, v, 1))
        self.register_buffer("step", torch.from_numpy(step.astype(np.float32)).reshape(1, v, 1))
        self.register_buffer("ages", _ages())
        kernels = torch.randn(v, self.ages.shape[1], shape.looks) * 0.5
        kernels += torch.linspace(-2.0, 2.0, shape.looks) * torch.tensor([1.0, 0.5, 0.0, -1.0]).unsqueeze(1)
        self.kernels = nn.Parameter(kernels)
        width = shape.looks * BASES
        self.keep = nn.Parameter(torch.randn(v, width, shape.code) * width**-0.5)
        self.shift = nn.Parameter(torch.zeros(v, 1, shape.code))

    def forward(self, x: Tensor) -> Tensor:
        plain = _pick(x, self.columns)
        if not self.variables:
            return plain
        v, span = len(self.variables), len(INTERVALS)
        course = _pick(x, self.courses).reshape(-1, v, span)
        there = ~torch.isnan(course)
        z = torch.where(there, torch.clamp((course - self.centre) / self.step, -HELD, HELD), 0.0)
        said = [z, functional.relu(z - 1.0), functional.relu(-z - 1.0), there.to(z.dtype)]
        heard = torch.stack(said, dim=0).permute(2, 0, 1, 3).reshape(v, -1, span)  # [V, (BASES+1) N, span]
        weight = torch.softmax(torch.matmul(self.ages, self.kernels), dim=1)  # [V,span,looks]: attention by age alone
        looked = torch.matmul(heard, weight).reshape(v, BASES + 1, -1, self.shape.looks)
        share = looked[:, BASES:]  # how much of what was looked for was there
        pooled = looked[:, :BASES] / (share + FAINT)
        pooled = pooled.permute(0, 2, 1, 3).reshape(v, -1, BASES * self.shape.looks)
        found = torch.tanh(torch.matmul(pooled, self.keep) + self.shift).transpose(0, 1)  # [N,V,code]
        measured = there.any(dim=2, keepdim=True)
        found = torch.where(measured, found, float("nan"))
        return torch.cat([plain, found.reshape(-1, v * self.shape.code)], dim=1)

    def owners(self, layout: Layout) -> dict[str, tuple[int, ...]]:
        """Code columns of each player."""
        owned: dict[str, list[int]] = {player: [] for player in layout.players}
        at = {column: index for index, column in enumerate(self.columns)}
        for player, columns in layout.players.items():
            owned[player] += [at[c] for c in columns if c in at]
        first = len(self.columns)
        for index, name in enumerate(self.variables):
            owned[name] += range(first + index * self.shape.code, first + (index + 1) * self.shape.code)
        return {player: tuple(columns) for player, columns in owned.items()}


class Ensemble(nn.Module):
    """codes [N,Z] -> logits [N,M,K], forecast [N,3] in log ng/L (or [N,0]). `kind`: "onset", "trend" or "plain"."""

    bends: Tensor
    centre: Tensor
    step: Tensor
    offset: Tensor
    over_logged: Tensor
    under_logged: Tensor

    def __init__(self, layout: Layout, x: NDArray[np.float32], shape: Shape, kind: str) -> None:
        super().__init__()
        self.shape, self.kind = shape, kind
        self.encoder = Encoder(layout, x, shape)
        names = [layout.names[c] for c in self.encoder.columns]
        self.names = names
        pairs = [(names.index(a), names.index(b)) for a, b in RATIOS if a in names and b in names]
        self.over, self.under = [a for a, _ in pairs], [b for _, b in pairs]
        logged = {i for i, name in enumerate(names) if name.split(":")[0] in LOGGED or ":rate" in name}
        self.register_buffer("over_logged", torch.tensor([a in logged for a in self.over]))
        self.register_buffer("under_logged", torch.tensor([b in logged for b in self.under]))
        self.trend = kind == "trend"
        owned = self.encoder.owners(layout)
        latest = [c for player, columns in owned.items() if (c := columns[0]) < len(names)]
        series = [list(owned[a])[: len(SERIES)] for a in ANALYTES if self.trend]
        self.series = [column for columns in series for column in columns]
        self.rest = [i for i in range(len(names)) if i not in set(self.series)]
        self.course = len(self.rest) + len(self.over)  # first column of the newest troponin's course
        singles = [self.rest.index(c) for c in latest if c not in set(self.series)]
        newest = list(range(self.course, self.course + len(SERIES) + 1)) if self.trend else []
        self.asked = singles + newest[:1]
        self.bent = singles + newest
        with torch.no_grad():
            plain = self.plain(torch.from_numpy(x[:, self.encoder.columns])).numpy()
        centre, step = moments(plain)
        self.register_buffer("centre", torch.from_numpy(centre))
        self.register_buffer("step", torch.from_numpy(step))
        self.register_buffer(
            "bends", torch.from_numpy(_bends((plain[:, self.bent] - centre[self.bent]) / step[self.bent]))
        )
        codes = len(self.encoder.variables) * shape.code
        width = plain.shape[1] + len(self.asked) + len(self.bent) * len(BENDS) + codes
        m, self.outputs = shape.members, {"onset": 1 + ONSETS, "trend": 4, "plain": 1}[kind]
        self.first = nn.Linear(width, m * shape.wide)
        self.second = nn.Parameter(torch.randn(m, shape.wide, shape.narrow) * (2 / shape.wide) ** 0.5)
        self.second_bias = nn.Parameter(torch.zeros(m, 1, shape.narrow))
        self.last = nn.Parameter(torch.randn(m, shape.narrow, self.outputs) * 0.1 / shape.narrow**0.5)
        self.last_bias = nn.Parameter(torch.zeros(m, 1, self.outputs))
        self.register_buffer("offset", torch.zeros(1))

    def forward(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Serving: the offset of no particular data set."""
        out = self.body(codes)
        return self.logits(out, self.offset), self.forecast(out, codes)

    def logits(self, out: Tensor, offset: Tensor) -> Tensor:
        """[N,M,K]: "onset" gives 6 h given 12, 12 h given 24, and 24 h; else the one outcome."""
        headline = out[:, :, :1] + offset
        if self.kind != "onset":
            return headline
        parts = out[:, :, 1:]
        six = torch.logsumexp(parts[:, :, :2], 2) - torch.logsumexp(parts[:, :, 2:4], 2)
        twelve = torch.logsumexp(parts[:, :, :4], 2) - torch.logsumexp(parts[:, :, 4:], 2)
        return torch.cat([six.unsqueeze(2), twelve.unsqueeze(2), headline], dim=2)

    def forecast(self, out: Tensor, codes: Tensor) -> Tensor:
        """Mean over members of the quantiles, log ng/L [N,3]; [N,0] where nothing is forecast."""
        return self.latest(codes) + self.quantiles(out).mean(dim=1) if self.trend else codes[:, :0]

    def quantiles(self, out: Tensor) -> Tensor:
        """Low, median, high of log(next / latest), [N,M,3], in order by construction."""
        middle = out[:, :, 1:2]
        spread = functional.softplus(out[:, :, 2:])
        return torch.cat([middle - spread[:, :, :1], middle, middle + spread[:, :, 1:]], dim=2)

    def latest(self, codes: Tensor) -> Tensor:
        """Log of the newest troponin of any assay, [N,1]; where none is known, what is usual in training."""
        series, none = self._newest(codes)
        return torch.where(none, self.centre[self.course], series[:, :1])

    def body(self, codes: Tensor) -> Tensor:
        """[N,Z] -> [N,M,outputs]."""
        return (torch.matmul(self.trunk(codes), self.last) + self.last_bias).transpose(0, 1)

    def trunk(self, codes: Tensor) -> Tensor:
        """[N,Z] -> [M,N,narrow]: what pretraining and every head share."""
        m, wide = self.shape.members, self.shape.wide
        h = functional.relu(self.first(self.joined(codes)))
        h = functional.dropout(h, self.shape.dropout, self.training)
        h = h.reshape(-1, m, wide).transpose(0, 1)
        h = functional.relu(torch.matmul(h, self.second) + self.second_bias)
        return functional.dropout(h, self.shape.dropout, self.training)

    def joined(self, codes: Tensor) -> Tensor:
        """What the networks see: numbers, what is absent, how far beyond each bend, codes of the courses."""
        plain = self.plain(codes)
        absent = torch.isnan(plain)
        z = torch.clamp((torch.where(absent, self.centre, plain) - self.centre) / self.step, -HELD, HELD)
        beyond = functional.relu(_pick(z, self.bent).unsqueeze(2) - self.bends).flatten(1)
        course = codes[:, len(self.names) :]
        course = torch.where(torch.isnan(course), 0.0, course)
        return torch.cat([z, _pick(absent, self.asked).to(z.dtype), beyond, course], dim=1)

    def plain(self, codes: Tensor) -> Tensor:
        """Raw columns, ratios and, for a trend, the newest troponin's course with which analyte it is; NaN stays."""
        parts = [_pick(codes, self.rest)]
        if self.over:
            over = _log(_pick(codes, self.over), self.over_logged)
            parts.append(over - _log(_pick(codes, self.under), self.under_logged))
        if self.series:
            parts.append(self._newest(codes)[0])
        return torch.cat(parts, dim=1)

    def _newest(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """SERIES of the newest draw of any assay and whether it is a T, [N,8]; is there none, [N,1]."""
        series = _pick(codes, self.series).reshape(-1, len(ANALYTES), len(SERIES))
        age = series[:, :, 1]
        age = torch.where(torch.isnan(age), torch.full_like(age, NEVER), age)
        youngest = torch.argmin(age, dim=1, keepdim=True)
        one = (torch.arange(len(ANALYTES), device=codes.device) == youngest).to(codes.dtype)  # [N,4]
        course = torch.where(one.unsqueeze(2) > 0, series, torch.zeros_like(series)).sum(dim=1)
        none = torch.amin(age, dim=1, keepdim=True) >= NEVER
        analyte = one[:, :1] + one[:, 2:3]
        nothing = float("nan")
        return torch.cat([course, torch.where(none, nothing, analyte)], dim=1), none


def coursed(layout: Layout) -> tuple[str, ...]:
    """Variables whose course is read. Not troponins': their draws are told one by one in their own columns."""
    if COURSE not in layout.inputs:
        return ()
    known = vocabulary()
    return tuple(
        name
        for name in layout.inputs
        if name not in PSEUDO and name not in ANALYTES and known[name].kind != "body"
    )


def plain_columns(layout: Layout) -> list[int]:
    """Columns of the layout that are no interval of a course."""
    courses = {f"{first}-{stop}h" for first, stop in INTERVALS}
    return [i for i, name in enumerate(layout.names) if name.partition(":")[2] not in courses]


def onset_part(onset: NDArray[np.float32]) -> NDArray[np.int64]:
    """Which three hours the onset falls in, 0..7; -1 where it does not fall within 24 h."""
    part = np.ceil(np.nan_to_num(onset, nan=1e3) / 3.0) - 1
    return np.where(part < ONSETS, np.maximum(part, 0), -1).astype(np.int64)


def ask(
    model: Ensemble, x: NDArray[np.float32], rows: int = 4096
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The trained ensemble's raw logits [N,M,K] and forecast [N,3] or [N,0] for rows [N,F]."""
    model.eval()
    with torch.no_grad():
        parts = [model(model.encoder(part)) for part in torch.split(torch.from_numpy(x), rows)]
    return torch.cat([p[0] for p in parts]).numpy(), torch.cat([p[1] for p in parts]).numpy()


def represented(model: Ensemble, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the first member's trunk makes of rows [N,F]: [N,narrow]."""
    model.eval()
    with torch.no_grad():
        found: NDArray[np.float32] = model.trunk(model.encoder(torch.from_numpy(x)))[0].numpy()
    return found


def raw_columns(model: Ensemble, x: NDArray[np.float32], rows: int = 8192) -> NDArray[np.float32]:
    """What trees are grown on: plain columns, ratios and the newest course of rows [N,F]; NaN stays."""
    columns = model.encoder.columns
    with torch.no_grad():
        parts = [model.plain(part) for part in torch.split(torch.from_numpy(x[:, columns]), rows)]
    return torch.cat(parts).numpy()


def weights(model: Ensemble) -> dict[str, NDArray[np.float32]]:
    """Everything that was learned or measured in training, by name."""
    return {name: tensor.detach().numpy().copy() for name, tensor in model.state_dict().items()}


def _ages() -> Tensor:
    """[span,4]: smooth functions of how long ago an interval's middle is."""
    middle = torch.tensor([(first + stop) / 2 for first, stop in INTERVALS])
    return torch.stack([torch.exp(-middle / tau) for tau in (2.0, 6.0, 18.0)] + [torch.log1p(middle) / 4], 1)


def _pick(x: Tensor, columns: list[int]) -> Tensor:
    """x[:, columns] as one Gather; plain indexing is exported as two transpositions of the whole."""
    return torch.index_select(x, 1, torch.tensor(columns, device=x.device))


def _log(value: Tensor, logged: Tensor) -> Tensor:
    held = torch.where(value > 1e-3, value, torch.full_like(value, 1e-3))
    held = torch.where(torch.isnan(value), value, held)
    return torch.where(logged, value, torch.log(held))


def moments(x: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation of what is there, by column; 0 and 1 where nothing is, or nothing varies."""
    there = ~np.isnan(x)
    count = np.maximum(there.sum(0), 1)
    centre = np.where(there, x, 0.0).sum(0, dtype=np.float64) / count
    spread = np.sqrt((np.where(there, x - centre, 0.0) ** 2).sum(0, dtype=np.float64) / count)
    return centre.astype(np.float32), np.where(spread > 1e-3, spread, 1.0).astype(np.float32)


def _bends(z: NDArray[np.float32]) -> NDArray[np.float32]:
    """[C,5] standardised values at BENDS of each column; 0 where it was never measured."""
    columns = [column[~np.isnan(column)] for column in z.T]
    return np.array(
        [np.percentile(c, BENDS) if len(c) else np.zeros(len(BENDS)) for c in columns], dtype=np.float32
    )
