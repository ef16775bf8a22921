"""The decision about a week: signed by named roles with their own keys, kept once, and a line of the change log.

What is signed is the site, the week, the digest of the review, the decision with its sentences, the name and the
moment; so a signature holds for no other week, no other figures and no other words. Signers' public keys are kept
beside their signatures: a decision can be proven after its signers have left. What a decision changes at the doors is
kept with it (`governance.resolutions`): it suspends at once, and another threshold waits for signed configuration.
Refuses, naming whom and why, every signature that must not be believed; one that is wrong refuses the whole.
"""

from __future__ import annotations

import json
import re
import tomllib
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy import select

from governance.approvals import Approver
from governance.changes import Change, Changes
from governance.errors import ReviewRefusal
from governance.resolutions import EFFECTIVE, SUSPEND, THRESHOLD, Resolutions
from governance.review import Review
from governance.store import Store
from governance.tables import changes, decisions, reviews

CONTINUE, RETRAIN, OTHER = "continue", "retrain", "other"
KINDS: Final = (CONTINUE, SUSPEND, THRESHOLD, RETRAIN, OTHER)
KIND: Final = "reviewed"  # of the line in the change log
SIGNERS: Final = 2  # different people, where the site names no roles
LONGEST: Final = 2000  # characters of a sentence
PART: Final = 60  # of a gate's name
_SHARE: Final = re.compile(r"0\.[0-9]{1,9}")
_KEYS: Final = ("site", "week", "review", "kind", "model", "sentence", "impact", "name", "at", "signature")
_OF_THRESHOLDS: Final = ("gate", "threshold")  # in a signature under a decision of this kind alone
_FIRST: Final = ("impact", "kind", "model", "review", "sentence", "site", "week")  # what every signature is of
IMPACT: Final = {  # what a decision does by itself: said where its makers say nothing else
    CONTINUE: "Nothing changes.",
    SUSPEND: "Takes effect at once: answers are recorded and not shown until the gate opens on approvals given since.",
    THRESHOLD: "Not in force until the site's gate file has the new threshold and two approvers have signed it.",
    RETRAIN: "The version in use stays until another has earned its own place in silence.",
    OTHER: "As described.",
}


@dataclass(frozen=True, slots=True)
class Decision:
    """What is decided about a week. `model` is "" for all of them; `sentence` says what, `impact` what it does.

    A decision to change a threshold names the `gate` (model/outcome, or model/outcome/unit) and the `threshold`,
    a share written as "0.25".
    """

    site: str
    week: str
    review: str  # digest
    kind: str
    sentence: str
    impact: str = ""
    model: str = ""
    gate: str = ""
    threshold: str = ""


@dataclass(frozen=True, slots=True)
class Signature:
    """One signer's word, as it is kept. `key` is their public key, base64."""

    name: str
    role: str
    at: datetime
    signature: str
    key: str


@dataclass(frozen=True, slots=True)
class Decided:
    """A kept decision. `doubts`: what of it does not hold any more, () for a sound one."""

    decision: Decision
    signatures: tuple[Signature, ...]
    at: datetime
    line: int
    doubts: tuple[str, ...]


def sign(decision: Decision, name: str, at: datetime, key: Ed25519PrivateKey) -> str:
    """The `[[signatures]]` entry of `name` under `decision`, as TOML. Raises ReviewRefusal."""
    _check(decision)
    made = b64encode(key.sign(_message(decision, name, at))).decode()
    told = {**asdict(decision), "name": name, "at": at.isoformat(), "signature": made}
    more = [label for label in _OF_THRESHOLDS if told[label]]
    lines = [f"{label} = {json.dumps(told[label])}" for label in (*_KEYS, *more)]
    said = f"# {name}: {decision.kind}, week {decision.week} of {decision.site}"
    return "\n".join([said, "[[signatures]]", *lines, ""])


def read(texts: Iterable[str]) -> tuple[tuple[Decision, Mapping[str, Any]], ...]:
    """The signatures in TOML `texts`, each with the decision it is of. Raises ReviewRefusal for a wrong shape."""
    found = []
    for text in texts:
        try:
            entries = tomllib.loads(text)["signatures"]
            for entry in entries:
                strange = set(entry) - {*_KEYS, *_OF_THRESHOLDS} or set(_KEYS) - set(entry)
                if strange or not all(isinstance(value, str) for value in entry.values()):
                    raise ValueError
                of = {name: entry.get(name, "") for name in Decision.__dataclass_fields__}
                found.append((Decision(**of), entry))
        except (KeyError, TypeError, ValueError):
            keys = ", ".join(_KEYS)
            raise ReviewRefusal(f"a file of signatures is TOML of [[signatures]], each with {keys}") from None
    if not found:
        raise ReviewRefusal("no signature was given")
    return tuple(found)


def verified(
    signed: Sequence[tuple[Decision, Mapping[str, Any]]],
    review: Review,
    approvers: Mapping[str, Approver],
    now: datetime,
) -> tuple[Decision, tuple[Signature, ...]]:
    """The one decision all of `signed` are of, and its signatures. Raises ReviewRefusal, naming each that is wrong."""
    decision = signed[0][0]
    _check(decision)
    wrong = []
    if (decision.review, decision.week) != (review.digest, review.week.name):
        wrong.append(
            f"the decision is of review {decision.review[:12]}… of week {decision.week}, "
            f"and what is kept of week {review.week.name} is {review.digest[:12]}…"
        )
    kept: dict[str, Signature] = {}
    for of, entry in signed:
        try:
            if of != decision:
                raise ReviewRefusal(f"signature by {entry['name']}: it is of another decision")
            made = _believed(of, entry, review.tenant, approvers, now)
            kept.setdefault(made.name, made)
        except ReviewRefusal as refusal:
            wrong.append(str(refusal))
    if wrong:
        raise ReviewRefusal("nothing was recorded: " + "; ".join(wrong))
    return decision, tuple(kept.values())


def lacking(signatures: Iterable[Signature], roles: Sequence[str]) -> tuple[str, ...]:
    """The roles nobody has signed for, each by somebody else; without named roles, how many people are missing."""
    held = [each.role for each in signatures]
    if not roles:
        short = SIGNERS - len(held)
        return (f"{short} more named people",) if short > 0 else ()
    missing = []
    for role in roles:
        if role in held:
            held.remove(role)
        else:
            missing.append(role)
    return tuple(missing)


class Decisions:
    """The decisions in `store`, and their lines in the change log."""

    def __init__(
        self,
        store: Store,
        log: Changes,
        *,
        clock: Callable[[], datetime],
        new_id: Callable[[], str] = lambda: str(uuid4()),
    ) -> None:
        self._store, self._log, self._clock, self._new_id = store, log, clock, new_id
        self._resolutions = Resolutions(store)

    def record(
        self, decision: Decision, signatures: Sequence[Signature], roles: Sequence[str]
    ) -> tuple[Decided, Change]:
        """Keep a verified decision, its line and what it changes, in one transaction.

        Raises ReviewRefusal for a decided week, and for one whose review is another by now.
        """
        if missing := lacking(signatures, roles):
            raise ReviewRefusal(f"nothing was recorded: not signed by {', '.join(missing)}")
        now = self._clock()
        body = {
            "decision": asdict(decision),
            "signatures": [{**asdict(each), "at": each.at.isoformat()} for each in signatures],
        }
        r = reviews.c
        newest = select(r.digest).where(r.tenant == decision.site, r.week == decision.week)
        with self._store.writing() as connection:
            if connection.scalar(newest.order_by(r.at.desc(), r.id.desc()).limit(1)) not in (None, decision.review):
                anew = f"week {decision.week} was put together anew since it was signed"
                raise ReviewRefusal(f"nothing was recorded: {anew}")
            line = self._log.append(connection, _line(decision, signatures, roles))
            row = {
                "id": self._new_id(),
                "tenant": decision.site,
                "week": decision.week,
                "review": decision.review,
                "at": now,
                "line": line.number,
                "body": json.dumps(body),
            }
            if not self._store.insert_once(connection, decisions, row, ("tenant", "week")):
                raise ReviewRefusal(f"week {decision.week} of {decision.site} is decided already; nothing was recorded")
            if decision.kind in EFFECTIVE:
                self._resolutions.keep(connection, **_resolved(decision, signatures, now, line.number))
        return Decided(decision, tuple(signatures), now, line.number, ()), line

    def of(self, tenant: str, week: str) -> Decided | None:
        """The decision about a week, proven again; None where there is none."""
        d, c = decisions.c, changes.c
        query = select(decisions, c.modification, c.protocol, c.kind.label("line_kind")).outerjoin_from(
            decisions, changes, c.number == d.line
        )
        with self._store.reading() as connection:
            row = connection.execute(query.where(d.tenant == tenant, d.week == week)).mappings().first()
        return None if row is None else _decided(row)


def _decided(row: Any) -> Decided:
    told = json.loads(row["body"])
    decision = Decision(**told["decision"])
    made = tuple(Signature(**{**each, "at": datetime.fromisoformat(each["at"])}) for each in told["signatures"])
    doubts = [f"the signature of {each.name} does not hold" for each in made if not _holds(decision, each)]
    if (decision.site, decision.week, decision.review) != (row["tenant"], row["week"], row["review"]):
        doubts.append("the decision is of another week or review than the row it stands in")
    if row["line_kind"] != KIND or decision.review not in row["protocol"]:
        doubts.append(f"line {row['line']} of the change log is not of this decision")
    return Decided(decision, made, row["at"], row["line"], tuple(doubts))


def _resolved(decision: Decision, signatures: Sequence[Signature], at: datetime, line: int) -> Mapping[str, Any]:
    """The decision as the doors read it."""
    model, outcome, unit = [*decision.gate.split("/", 2), "", "", ""][:3]
    return {
        "tenant": decision.site,
        "kind": decision.kind,
        "model": model or decision.model,
        "outcome": outcome,
        "care_unit": unit,
        "threshold": float(decision.threshold) if decision.threshold else None,
        "at": at,
        "week": decision.week,
        "line": line,
        "people": ", ".join(f"{each.name} ({each.role})" for each in signatures),
        "roles": ", ".join(each.role for each in signatures),
        "sentence": decision.sentence,
    }


def _line(decision: Decision, signatures: Sequence[Signature], roles: Sequence[str]) -> Change:
    """The decision under the three headings of a change control plan."""
    about = decision.gate or decision.model or "all models"
    to = f" to {decision.threshold}" if decision.threshold else ""
    people = ", ".join(f"{each.name} ({each.role})" for each in signatures)
    asked = f"roles asked for: {', '.join(roles)}" if roles else f"asked for: {SIGNERS} named people"
    proofs = ", ".join(f"{each.name} {each.at.isoformat()} {each.signature[:16]}" for each in signatures)
    return Change(
        decision.site,
        KIND,
        people,
        f"Week {decision.week}, {about}: {decision.kind}{to}. {decision.sentence}",
        f"Decided on the weekly review of digest {decision.review}, each signer with a key of their own ({asked}). "
        f"{proofs}.",
        decision.impact or IMPACT[decision.kind],
    )


def _check(decision: Decision) -> None:
    if decision.kind not in KINDS:
        raise ReviewRefusal(f"a decision is one of {', '.join(KINDS)}")
    if not decision.sentence.strip():
        raise ReviewRefusal("a decision says in a sentence what is decided and why")
    if any(len(each) > LONGEST or "\x00" in each for each in (decision.sentence, decision.impact, decision.model)):
        raise ReviewRefusal(f"a decision's sentences have at most {LONGEST} characters and hold no NUL")
    if decision.kind == THRESHOLD:
        _check_threshold(decision)
    elif decision.gate or decision.threshold:
        raise ReviewRefusal(f"a gate and a threshold are decided by '{THRESHOLD}' alone")


def _check_threshold(decision: Decision) -> None:
    parts = decision.gate.split("/", 2)
    if len(parts) < 2 or not all(parts) or any(len(part) > PART for part in parts) or "\x00" in decision.gate:
        raise ReviewRefusal(f"'{THRESHOLD}' names a gate: model/outcome, or model/outcome/unit")
    if decision.model not in ("", parts[0]):
        raise ReviewRefusal(f"the gate {decision.gate} is not of the model {decision.model}")
    if not _SHARE.fullmatch(decision.threshold) or not 0 < float(decision.threshold) < 1:
        raise ReviewRefusal(f"'{THRESHOLD}' gives the new threshold as a share between 0 and 1, such as 0.25")


def _believed(
    decision: Decision, entry: Mapping[str, Any], site: str, approvers: Mapping[str, Approver], now: datetime
) -> Signature:
    name = entry["name"]
    who = approvers.get(name)
    if who is None:
        raise ReviewRefusal(f"signature by '{name[:60]}': no approver of that name is in the settings")
    if decision.site != site or not who.sites & {site, "*"}:
        raise ReviewRefusal(f"signature by {name}: signs at other sites than {site}")
    try:
        at = datetime.fromisoformat(entry["at"])
    except ValueError:
        raise ReviewRefusal(f"signature by {name}: its moment cannot be read") from None
    if at.utcoffset() is None or at > now:
        raise ReviewRefusal(f"signature by {name}: dated {at.isoformat()}, which is no moment that has been")
    public = b64encode(who.key.public_bytes_raw()).decode()
    made = Signature(name, who.role, at, entry["signature"], public)
    if not _holds(decision, made):
        raise ReviewRefusal(f"signature by {name}: it is not theirs, or not of this review, decision and moment")
    return made


def _holds(decision: Decision, made: Signature) -> bool:
    try:
        key = Ed25519PublicKey.from_public_bytes(b64decode(made.key, validate=True))
        key.verify(b64decode(made.signature, validate=True), _message(decision, made.name, made.at))
    except (ValueError, InvalidSignature):
        return False
    return True


def _message(decision: Decision, name: str, at: datetime) -> bytes:
    told = asdict(decision)
    kind = "ordertime/review/2" if decision.gate else "ordertime/review/1"  # as it was before gates were named
    keys = (*_FIRST, *_OF_THRESHOLDS) if decision.gate else _FIRST
    return json.dumps([kind, *(told[key] for key in keys), name, at.isoformat()]).encode()
