"""One approver stops a model at once, outside the weekly review: a harm seen at night does not wait for Monday.

Stopping is the safe direction, so one signature is enough; going on again is the gate's, on two approvals given since
(`governance.weighing`). What is signed is the site, the model, the sentence, the name and the moment.
Refuses (ReviewRefusal) whoever is no approver of the site, a key that is not theirs, and a stop without a reason.
"""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from governance.approvals import Approver
from governance.changes import Change, Changes
from governance.decisions import IMPACT, LONGEST
from governance.errors import ReviewRefusal
from governance.resolutions import SUSPEND, Resolutions
from governance.store import Store

KIND: Final = "suspended"  # of the line in the change log


@dataclass(frozen=True, slots=True)
class Stop:
    """What is stopped, why and when. `model` is "" for all of the site's."""

    site: str
    model: str
    sentence: str
    at: datetime


def stop(store: Store, log: Changes, what: Stop, approver: Approver, key: Ed25519PrivateKey) -> Change:
    """Suspend at once; returns the line of the change log. Raises ReviewRefusal, LedgerUnavailable."""
    if not approver.sites & {what.site, "*"}:
        raise ReviewRefusal(f"{approver.name} signs at other sites than {what.site}")
    if not what.sentence.strip() or len(what.sentence) > LONGEST or "\x00" in what.sentence:
        raise ReviewRefusal(f"say why in a sentence of at most {LONGEST} characters without NUL")
    signed = ("ordertime/stop/1", what.site, what.model, what.sentence, approver.name, what.at.isoformat())
    message = json.dumps(signed).encode()
    signature = key.sign(message)
    try:
        approver.key.verify(signature, message)
    except InvalidSignature:
        raise ReviewRefusal(f"the key is not that of {approver.name} in the file of approvers") from None
    person = f"{approver.name} ({approver.role})"
    line = Change(
        what.site,
        KIND,
        person,
        f"{what.model or 'all models'}: suspended outside the weekly review. {what.sentence}",
        f"One approver's word, signed over site, model, sentence, name and {what.at.isoformat()}: "
        f"{b64encode(signature).decode()}.",
        IMPACT[SUSPEND],
    )
    with store.writing() as connection:
        kept = log.append(connection, line)
        Resolutions(store).keep(
            connection, tenant=what.site, kind=SUSPEND, model=what.model, outcome="", care_unit="", threshold=None,
            at=kept.at, week="", line=kept.number, people=person, roles=approver.role, sentence=what.sentence,
        )  # fmt: skip
    return kept
