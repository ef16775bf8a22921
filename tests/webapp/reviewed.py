"""A house whose hospital has two weeks behind it, and those who sign its reviews."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from governance.simulated import Year
from governance.weeks import Week
from tests.governance.played import SHORT, played
from tests.webapp.house import SECRET, House, standing

SITE = "demo"
SIGNERS = {"Ada": "Chief medical information officer", "Ben": "Quality officer"}


@dataclass
class Reviewed:
    """The house, its last two whole weeks, and the folder with the signers' private keys."""

    house: House
    week: Week
    folder: Path

    def run(self, *arguments: str) -> Any:
        """What a command says, without any login."""
        return self.house.app.test_cli_runner().invoke(args=list(arguments))

    def signature(self, name: str, week: Week, **options: str) -> Path:
        """A file with the signature of `name` under a decision about a week."""
        told = {"decision": "continue", "sentence": "All as before: the week shows nothing new."} | options
        asked = [part for key, value in told.items() for part in (f"--{key}", value)]
        key = str(self.folder / f"{name}.key")
        said = self.run("review", "sign", SITE, week.name, *asked, "--as", name, "--key", key)
        assert said.exit_code == 0, said.output
        path = self.folder / f"{name}-{week.name}.toml"
        path.write_text(said.output[said.output.index("# ") :])
        return path


def reviewed(folder: Path) -> Iterator[Reviewed]:
    """The house, until the generator is closed."""
    first = Week.of(datetime.now(UTC).date()).before(2)
    year: Year = replace(SHORT, first=first.monday, days=14, daily=14)
    for house in standing(folder):
        played(house.rooms.store, year, SECRET.encode(), SITE)
        _approvers(house, folder)
        yield Reviewed(house, Week(first.monday + timedelta(days=7)), folder)


def _approvers(house: House, folder: Path) -> None:
    entries = []
    for name, role in SIGNERS.items():
        key = Ed25519PrivateKey.generate()
        (folder / f"{name}.key").write_text(key.private_bytes_raw().hex())
        public = b64encode(key.public_key().public_bytes_raw()).decode()
        entries.append(f'[[approvers]]\nname = "{name}"\nrole = "{role}"\nkey = "{public}"\nsites = ["{SITE}"]\n')
    path = folder / "approvers.toml"
    path.write_text("".join(entries))
    house.rooms.settings = replace(house.rooms.settings, approvers=path)
