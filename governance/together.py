"""A store whose writes are kept together: one transaction for all that a single writer does in a while.

For whoever plays a year: a commit for each of its thirty thousand steps takes longer than what they write. Inside,
everything reads what was written before it. On the disk is what was kept when `together` ended, all of it or nothing;
a step that fails fails all. Refuses a while within a while, and is not for several threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from governance.errors import LedgerRefusal
from governance.store import Store


class Together(Store):
    """The database of another store, written to by one."""

    _whole: Connection | None = None
    _failed = False

    @contextmanager
    def together(self) -> Iterator[None]:
        """All that is written meanwhile, in one transaction. Raises LedgerUnavailable, LedgerRefusal."""
        if self._whole is not None:
            raise LedgerRefusal("what is written together is one transaction already")
        self._failed = False
        with super().writing() as connection:
            self._whole = connection
            try:
                yield
            finally:
                self._whole = None
            if self._failed:
                raise LedgerRefusal("a step of what is written together failed: nothing of it was kept")

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A step of what is written together, else a transaction of its own."""
        if self._whole is None:
            with super().writing() as connection:
                yield connection
            return
        try:
            yield self._whole
        except BaseException:
            self._failed = True
            raise

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """What was written together so far, else one state of the database."""
        if self._whole is None:
            with super().reading() as connection:
                yield connection
            return
        yield self._whole
