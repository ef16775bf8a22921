"""One ONNX graph in one ONNX Runtime session, checked before it is asked.

One thread a session: scale by workers. The device is what the session has, not what was asked of it.
Refuses a graph with a frozen batch axis, or without the tensors it should have (GraphUnfit), and a silent
fall-back from a required GPU (DeviceUnavailable).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from inference.errors import DeviceUnavailable, GraphUnfit

CUDA: Final = "CUDAExecutionProvider"
CPU: Final = "CPUExecutionProvider"
Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Graph:
    """A session that takes one tensor [N,width] of float32."""

    session: onnxruntime.InferenceSession
    takes: str
    width: int

    @property
    def device(self) -> str:
        """The provider that runs it."""
        first: str = self.session.get_providers()[0]
        return first

    def ask(self, rows: Rows, *wanted: str) -> list[Rows]:
        """The tensors `wanted`, in that order, for contiguous float32 `rows` [N,width]."""
        answered: list[Rows] = self.session.run(list(wanted), {self.takes: rows})
        return answered


def open_graph(path: Path, device: str, *gives: str) -> Graph:
    """A session on `path`, which must give the tensors `gives`.

    `device`: "auto" (CUDA where the session gets it, else CPU), "cpu", or "cuda" (required). Raises
    DeviceUnavailable, GraphUnfit.
    """
    session = _session(path, device)
    taken = session.get_inputs()
    if len(taken) != 1:
        raise GraphUnfit(f"{path} takes {[one.name for one in taken]}; one tensor of rows is wanted")
    given = {one.name: one for one in session.get_outputs()}
    lacking = [name for name in gives if name not in given]
    if lacking:
        raise GraphUnfit(f"{path} does not give {', '.join(lacking)}; it is another graph")
    for one in (taken[0], *(given[name] for name in gives)):
        if not one.shape or isinstance(one.shape[0], int):
            raise GraphUnfit(
                f"{path}: the batch axis of '{one.name}' is frozen; export it with a symbolic one"
            )
    return Graph(session, taken[0].name, _width(path, taken[0].name, taken[0].shape))


def _width(path: Path, name: str, shape: Sequence[Any]) -> int:
    if len(shape) != 2 or not isinstance(shape[1], int):
        raise GraphUnfit(f"{path}: '{name}' is {list(shape)}; [rows, a known number of columns] is wanted")
    return shape[1]


def _session(path: Path, device: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    wanted = [CPU]
    if device != "cpu" and CUDA in onnxruntime.get_available_providers():
        wanted = [CUDA, CPU]
    # A missing CUDA library is no news here: `device` says what we got.
    onnxruntime.set_default_logger_severity(4)
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=wanted)
    finally:
        onnxruntime.set_default_logger_severity(2)
    if device == "cuda" and session.get_providers()[0] != CUDA:
        raise DeviceUnavailable(
            "CUDA was required and ONNX Runtime runs on the CPU; install onnxruntime-gpu[cuda,cudnn]"
        )
    return session
