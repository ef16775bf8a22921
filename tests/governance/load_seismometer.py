"""Loads an exported folder with seismometer itself and says, as JSON, what it understood.

Run by the interpreter of an environment that has seismometer: `python load_seismometer.py FOLDER`.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def main(folder: str) -> None:
    """Load and tell."""
    os.chdir(folder)
    from seismometer.configuration import ConfigProvider  # type: ignore[import-not-found]
    from seismometer.data.loader import loader_factory  # type: ignore[import-not-found]

    config = ConfigProvider(Path(folder) / "config.yml")
    frame = loader_factory(config).load_data()
    value = f"{config.target}_Value"
    told = {
        "rows": len(frame),
        "positives": int((frame[value] == 1).sum()),
        "negatives": int((frame[value] == 0).sum()),
        "scores": float(frame[config.output].sum()),
        "cohorts": [cohort.source for cohort in config.cohorts],
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1])
