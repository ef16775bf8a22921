"""The ensemble: several small networks on the same engineered inputs, trained side by side, one graph.

Filling in what was not measured, ratios between variables and choosing the latest troponin all happen inside
the graph, so the exported file is the whole of the model. Members differ by their start and by which patients
they saw (each draws its own Poisson bootstrap of patients), so that their spread means something.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from inference.features import ANALYTES, LOGGED, SERIES, Layout

HELD: Final = 4.0  # standardised inputs are held within this many standard deviations
QUANTILES: Final = (0.1, 0.5, 0.9)
NEVER: Final = 1e6  # hours: the age of a troponin that was never drawn
BENDS: Final = (10.0, 30.0, 50.0, 70.0, 90.0)  # percentiles at which the response to a column may bend
BENT: Final = ("age", "hours_in_stay", "hr", "sbp", "gcs", "temp", "rr", "spo2", "fio2", "ph", "pco2", "po2")
RATIOS: Final = (  # as differences of logarithms; each is used where the layout has both
    ("hr:last", "sbp:last"),  # shock index
    ("hr:mean", "sbp:mean"),
    ("dbp:last", "sbp:last"),  # pulse pressure
    ("po2:last", "fio2:last"),  # P/F
    ("spo2:last", "fio2:last"),  # S/F
    ("spo2:last", "rr:last"),  # with S/F: ROX
    ("urine:rate6", "weight:last"),
    ("weight:last", "height:last"),
)


@dataclass(frozen=True, slots=True)
class Shape:
    """Size and regularisation of the ensemble."""

    members: int = 6
    wide: int = 32
    narrow: int = 16
    dropout: float = 0.3
    hidden: float = 0.15  # chance that a whole variable is hidden from a row in training
    decay: float = 0.05
    rate: float = 2e-3
    epochs: int = 8
    batch: int = 1024


class Ensemble(nn.Module):
    """x [N,F], NaN = not measured -> logits [N,M,K], forecast [N,3] in log ng/L (or [N,0])."""

    bends: Tensor
    centre: Tensor
    step: Tensor
    offset: Tensor
    course: int
    first: nn.Linear
    over_logged: Tensor
    under_logged: Tensor

    def __init__(
        self, layout: Layout, x: NDArray[np.float32], heads: int, shape: Shape, *, forecast: bool
    ) -> None:
        super().__init__()
        self.shape, self.heads, self.forecast = shape, heads, forecast
        names = layout.names
        pairs = [(names.index(a), names.index(b)) for a, b in RATIOS if a in names and b in names]
        self.over, self.under = [a for a, _ in pairs], [b for _, b in pairs]
        logged = {
            index for index, name in enumerate(names) if name.split(":")[0] in LOGGED or ":rate" in name
        }
        self.register_buffer("over_logged", torch.tensor([a in logged for a in self.over]))
        self.register_buffer("under_logged", torch.tensor([b in logged for b in self.under]))
        series = [list(layout.players[analyte]) for analyte in ANALYTES if forecast]
        self.series = [column for columns in series for column in columns]
        self.rest = [index for index in range(len(names)) if index not in set(self.series)]
        self.course = len(self.rest) + len(self.over)  # first column of the newest troponin's course
        singles = [c[0] for c in layout.players.values() if c[0] not in set(self.series)]
        self.asked = [self.rest.index(column) for column in singles] + ([self.course] if forecast else [])
        with torch.no_grad():
            plain = self._plain(torch.from_numpy(x)).numpy()
        centre, step = _moments(plain)
        self.register_buffer("centre", torch.from_numpy(centre))
        self.register_buffer("step", torch.from_numpy(step))
        latest = (
            [] if forecast else [self.rest.index(layout.players[p][0]) for p in BENT if p in layout.players]
        )
        self.bent = latest or list(range(self.course, self.course + len(SERIES) + 1))
        self.register_buffer(
            "bends", torch.from_numpy(_bends((plain[:, self.bent] - centre[self.bent]) / step[self.bent]))
        )
        width = plain.shape[1] + len(self.asked) + len(self.bent) * len(BENDS)
        m, outputs = shape.members, heads + (3 if forecast else 0)
        self.first = nn.Linear(width, m * shape.wide)
        self.second = nn.Parameter(torch.randn(m, shape.wide, shape.narrow) * (2 / shape.wide) ** 0.5)
        self.second_bias = nn.Parameter(torch.zeros(m, 1, shape.narrow))
        self.last = nn.Parameter(torch.randn(m, shape.narrow, outputs) * 0.1 / shape.narrow**0.5)
        self.last_bias = nn.Parameter(torch.zeros(m, 1, outputs))
        self.register_buffer("offset", torch.zeros(heads))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Serving: the offset of no particular data set. Logits [N,M,K] and the members' mean forecast."""
        out = self.members(x)
        logits = out[:, :, : self.heads] + self.offset
        if not self.forecast:
            return logits, x[:, :0]
        return logits, self.latest(x) + self.quantiles(out).mean(dim=1)

    def members(self, x: Tensor) -> Tensor:
        """[N,F] -> [N,M,K(+3)] before any offset."""
        z, absent = self.standardised(x)
        return self.body(self.joined(z, absent))

    def body(self, inputs: Tensor) -> Tensor:
        """The networks proper: [N,width] -> [N,M,K(+3)]."""
        m, wide = self.shape.members, self.shape.wide
        h = functional.relu(self.first(inputs))
        h = functional.dropout(h, self.shape.dropout, self.training)
        h = h.reshape(-1, m, wide).transpose(0, 1)
        h = functional.relu(torch.matmul(h, self.second) + self.second_bias)
        h = functional.dropout(h, self.shape.dropout, self.training)
        return (torch.matmul(h, self.last) + self.last_bias).transpose(0, 1)

    def quantiles(self, out: Tensor) -> Tensor:
        """Low, median, high of log(next / latest), [N,M,3], in order by construction."""
        middle = out[:, :, self.heads : self.heads + 1]
        spread = functional.softplus(out[:, :, self.heads + 1 :])
        return torch.cat([middle - spread[:, :, :1], middle, middle + spread[:, :, 1:]], dim=2)

    def latest(self, x: Tensor) -> Tensor:
        """Log of the newest troponin of any assay, [N,1]; where none is known, what is usual in training."""
        series, none = self._newest(x)
        usual = self.centre[self.course]
        return torch.where(none, usual, series[:, :1])

    def standardised(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Columns, ratios, newest course: standardised with 0 where absent; and which are absent. [N,W]."""
        plain = self._plain(x)
        absent = torch.isnan(plain)
        z = (torch.where(absent, self.centre, plain) - self.centre) / self.step
        return torch.clamp(z, -HELD, HELD), absent

    def joined(self, z: Tensor, absent: Tensor) -> Tensor:
        """What the networks see: the numbers, whether each player's latest is there, how far beyond each bend."""
        beyond = functional.relu(_pick(z, self.bent).unsqueeze(2) - self.bends).flatten(1)
        return torch.cat([z, _pick(absent, self.asked).to(z.dtype), beyond], dim=1)

    def owners(self, layout: Layout) -> Tensor:
        """[P,W]: 1 where hiding player p hides column w; all troponins hide together, as one last player."""
        series = set(self.series)
        players = [set(c) for c in layout.players.values() if not set(c) & series]
        rows = [
            [float(index in owned) for index in self.rest]
            + [float(a in owned or b in owned) for a, b in zip(self.over, self.under, strict=True)]
            for owned in players
        ]
        own = torch.tensor(rows)
        if not series:
            return own
        course = torch.zeros(len(players) + 1, len(SERIES) + 1)
        course[-1] = 1.0
        return torch.cat([torch.cat([own, torch.zeros(1, own.shape[1])]), course], dim=1)

    def _plain(self, x: Tensor) -> Tensor:
        """Raw columns, ratios and, for a trend, the newest troponin's course with which analyte it is."""
        parts = [_pick(x, self.rest)] if self.series else [x]
        if self.over:
            parts.append(
                _log(_pick(x, self.over), self.over_logged) - _log(_pick(x, self.under), self.under_logged)
            )
        if self.series:
            parts.append(self._newest(x)[0])
        return torch.cat(parts, dim=1)

    def _newest(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """SERIES of the newest draw of any assay and whether it is a T, [N,8]; is there none, [N,1]."""
        series = _pick(x, self.series).reshape(-1, len(ANALYTES), len(SERIES))
        age = series[:, :, 1]
        age = torch.where(torch.isnan(age), torch.full_like(age, NEVER), age)
        youngest = torch.argmin(age, dim=1, keepdim=True)
        one = (torch.arange(len(ANALYTES)) == youngest).to(x.dtype)  # [N,4]
        course = torch.where(one.unsqueeze(2) > 0, series, torch.zeros_like(series)).sum(dim=1)
        none = torch.amin(age, dim=1, keepdim=True) >= NEVER
        analyte = one[:, :1] + one[:, 2:3]
        analyte = torch.where(none, torch.full_like(analyte, float("nan")), analyte)
        return torch.cat([course, analyte], dim=1), none


def fit(
    model: Ensemble,
    x: NDArray[np.float32],
    y: NDArray[np.bool_],
    change: NDArray[np.float32],
    patient: NDArray[np.str_],
    data_set: NDArray[np.str_],
    layout: Layout,
    seed: int,
) -> Ensemble:
    """Train in place. `y` [N,H]: outcomes by end of window, trained as successive hazards.

    Each data set has an intercept of its own during training, dropped afterwards for the pooled one: how
    common the outcome was there is thereby nothing to be recognised from what was charted.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    shape = model.shape
    sets, of_set = np.unique(data_set, return_inverse=True)
    _, of_patient = np.unique(patient, return_inverse=True)
    weight = rng.poisson(1.0, size=(of_patient.max() + 1, shape.members)).astype(np.float32)
    events, at_risk = hazards(y)
    rates = np.array([_rates(events[of_set == s], at_risk[of_set == s]) for s in range(len(sets))])
    model.offset.copy_(torch.from_numpy(_rates(events, at_risk).astype(np.float32)))
    intercepts = torch.from_numpy(rates.astype(np.float32))
    with torch.no_grad():
        z, absent = model.standardised(torch.from_numpy(x))
        away = (
            (model.latest(torch.from_numpy(x)) - model.centre[model.course])[:, 0] if model.forecast else None
        )
    target, risk = torch.from_numpy(events), torch.from_numpy(at_risk)
    moved, weights = torch.from_numpy(change), torch.from_numpy(weight)
    owners, hosts = torch.from_numpy(of_patient), torch.from_numpy(of_set)
    columns = model.owners(layout)
    optimiser = torch.optim.AdamW(model.parameters(), lr=shape.rate, weight_decay=shape.decay)
    steps = shape.epochs * (len(x) // shape.batch + 1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, shape.rate, total_steps=steps + 1)
    model.train()
    for _ in range(shape.epochs):
        for part in torch.split(torch.randperm(len(x)), shape.batch):
            hidden = (torch.rand(len(part), len(columns)) < shape.hidden).float()
            gone = hidden @ columns > 0
            out = model.body(model.joined(z[part] * ~gone, absent[part] | gone))
            logits = out[:, :, : model.heads] + intercepts[hosts[part]].unsqueeze(1)
            loss = functional.binary_cross_entropy_with_logits(
                logits, target[part].unsqueeze(1).expand_as(logits), reduction="none"
            )
            w = weights[owners[part]]
            total = ((loss * risk[part].unsqueeze(1)).sum(dim=2) * w).mean()
            if away is not None:  # with the course hidden, the forecast starts from what is usual
                aim = moved[part] + away[part] * hidden[:, -1]
                total = total + 0.5 * (_pinball(model.quantiles(out), aim) * w).mean()
            optimiser.zero_grad()
            torch.autograd.backward(total)
            optimiser.step()
            schedule.step()
    return model.eval()


def hazards(y: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Outcomes "by the end of window k" -> event in window k, and still at risk when it began. Both [N,H]."""
    before = np.concatenate([np.zeros((len(y), 1), dtype=bool), y[:, :-1]], axis=1)
    return (y & ~before).astype(np.float32), (~before).astype(np.float32)


def ask(
    model: Ensemble, x: NDArray[np.float32], rows: int = 8192
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The trained ensemble's raw logits [N,M,K] and forecast [N,3] or [N,0]."""
    model.eval()
    with torch.no_grad():
        parts = [model(part) for part in torch.split(torch.from_numpy(x), rows)]
    return torch.cat([p[0] for p in parts]).numpy(), torch.cat([p[1] for p in parts]).numpy()


def _pinball(quantiles: Tensor, moved: Tensor) -> Tensor:
    short = moved.reshape(-1, 1, 1) - quantiles
    level = torch.tensor(QUANTILES)
    return torch.maximum(level * short, (level - 1) * short).sum(dim=2)


def _rates(events: NDArray[np.float32], at_risk: NDArray[np.float32]) -> NDArray[np.float64]:
    """Log-odds of each window's hazard, half an event added so that none is infinite."""
    happened, risk = events.sum(0) + 0.5, at_risk.sum(0) + 1.0
    odds: NDArray[np.float64] = np.log(happened / (risk - happened))
    return odds


def _pick(x: Tensor, columns: list[int]) -> Tensor:
    """x[:, columns] as one Gather; plain indexing is exported as two transpositions of the whole."""
    return torch.index_select(x, 1, torch.tensor(columns))


def _log(value: Tensor, logged: Tensor) -> Tensor:
    held = torch.where(value > 1e-3, value, torch.full_like(value, 1e-3))
    held = torch.where(torch.isnan(value), value, held)
    return torch.where(logged, value, torch.log(held))


def _moments(x: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
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
