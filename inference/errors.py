"""Everything the medicine can refuse, as one tree.

    OrdertimeError
    ├── VocabularyError      variables.toml is wrong, or an artefact was trained on another one
    ├── ArtifactError        a model folder that must not be used
    │   ├── ArtifactMissing      a file named in the manifest is not there
    │   ├── ChecksumMismatch     a file is not the one that was released
    │   ├── GraphUnfit           a graph with a frozen batch axis, or other columns than the manifest says
    │   └── DeviceUnavailable    CUDA was required and the session did not get it
    ├── AssayTableError      assays.toml is wrong: a cut-off is missing, impossible or without a source
    ├── ChartError           a chart that cannot be built (a value without a time, a naive datetime)
    ├── QuestionError        a model was asked what cannot be asked (a draw planned in the past)
    └── UnsoundOutput        a model answered NaN or infinity: it never leaves `assess`

A message says what was wrong, where, and what would mend it; it never carries patient data.
"""

from __future__ import annotations


class OrdertimeError(Exception):
    """Root of all refusals of this package."""


class VocabularyError(OrdertimeError):
    """The clinical vocabulary is malformed, or does not match an artefact's."""


class AssayTableError(OrdertimeError):
    """The table of troponin assays is malformed."""


class ArtifactError(OrdertimeError):
    """A model folder that must not be used."""


class ArtifactMissing(ArtifactError):
    """A file the manifest names is absent."""


class ChecksumMismatch(ArtifactError):
    """A file differs from the one the manifest was signed off with."""


class GraphUnfit(ArtifactError):
    """A graph cannot be asked as the manifest says: a frozen batch axis, other tensors, other columns."""


class DeviceUnavailable(ArtifactError):
    """A GPU was required and ONNX Runtime's session did not get one."""


class ChartError(OrdertimeError):
    """A chart was asked for that cannot be built."""


class QuestionError(OrdertimeError, ValueError):
    """A model was asked something outside what any model can be asked."""


class UnsoundOutput(OrdertimeError):
    """A model produced NaN or infinity."""
