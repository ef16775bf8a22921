"""What holds the change log from outside: a chain proves its lines, and not its own end.

Each kept review carries, sealed, how many lines the log had and the last one's digest; each decision and each
suspension the number of its line. So an end that was cut off, or a log that was rewritten and chained anew, is found
up to the last of these; and a decision that somebody wrote into the log alone is one nobody signed. Whoever can
change both, and has the key of the seals, is found by a digest written down elsewhere, or by a copy of the log.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import zip_longest

from sqlalchemy import select

from governance import brake, decisions
from governance.changes import Change
from governance.review import Reviews
from governance.store import Store
from governance.tables import decisions as decided
from governance.tables import resolutions


@dataclass(frozen=True, slots=True)
class Hold:
    """What something kept elsewhere says of one line. `digest` or `kinds` is empty where it does not say."""

    what: str  # "the review of week 2026-W21 of north"
    number: int
    digest: str = ""
    kinds: frozenset[str] = frozenset()


def holds(store: Store, reviews: Reviews) -> tuple[Hold, ...]:
    """Everything that holds the log. Raises Unreadable, ReviewRefusal, LedgerUnavailable."""
    found = [Hold(f"the review of week {week} of {site}", lines, head) for site, week, lines, head in reviews.logs()]
    d, r = decided.c, resolutions.c
    with store.reading() as connection:
        for site, week, line in connection.execute(select(d.tenant, d.week, d.line)):
            what = f"the decision about week {week} of {site}"
            found.append(Hold(what, line, kinds=frozenset({decisions.KIND})))
        for site, line in connection.execute(select(r.tenant, r.line).where(r.week == "")):
            found.append(Hold(f"a suspension at {site}", line, kinds=frozenset({brake.KIND})))
    return tuple(each for each in found if each.number)


def loose(lines: Iterable[Change], held: Iterable[Hold]) -> tuple[str, ...]:
    """Where the log is not as `held` has it, a sentence for each; () for one that is. Holds one line at a time."""
    wanted: dict[int, list[Hold]] = {}
    for each in held:
        wanted.setdefault(each.number, []).append(each)
    said, last = [], 0
    for line in lines:
        last = max(last, line.number)
        said += [
            f"line {line.number} is another one than {each.what} was kept with: the log was rewritten"
            for each in wanted.pop(line.number, ())
            if each.digest not in ("", line.digest) or (each.kinds and line.kind not in each.kinds)
        ]
    tail = f"the log ends at line {last}" if last else "the log has no line"
    for number, missing in sorted(wanted.items()):
        said += [f"{tail}, and {each.what} was kept with line {number}: its end was cut off" for each in missing]
    return tuple(said)


def unsigned(store: Store, lines: Iterable[Change]) -> tuple[str, ...]:
    """Lines that tell of a decision or a suspension of which nothing is kept beside them. Raises LedgerUnavailable."""
    told = [(line.number, line.kind) for line in lines if line.kind in (decisions.KIND, brake.KIND)]
    with store.reading() as connection:
        signed = {*connection.scalars(select(decided.c.line)), *connection.scalars(select(resolutions.c.line))}
    return tuple(
        f"line {number} says '{kind}', and no signed decision is kept of it: it was written by another hand"
        for number, kind in told
        if number not in signed
    )


@dataclass(frozen=True, slots=True)
class Beside:
    """A copy of the log beside the log itself. `after` is the first line that the copy lacks, None for a whole one."""

    faults: tuple[str, ...]
    after: Change | None = None
    more: int = 0


def beside(copy: Iterable[Change], log: Iterable[Change]) -> Beside:
    """What differs between a copy and the log at hand; the first line that does, and what each has beyond the other."""
    after, more = None, 0
    for there, here in zip_longest(copy, log):
        if there is None:
            after, more = after or here, more + 1
        elif here is None:
            ends = "has no line" if there.number == 1 else f"ends at line {there.number - 1}"
            return Beside((f"the log here {ends}, and the copy goes on: the log was cut, or the copy added to",))
        elif there.digest != here.digest:
            said = f"line {there.number} of the copy is not line {here.number} of the log here"
            return Beside((f"{said}: one of them was rewritten",))
    return Beside((), after, more)
