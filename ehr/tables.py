"""Reading a settings table strictly: every key asked for once, every other key refused.

A message names the file, the key and the remedy, and never repeats a secret.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from ehr.errors import TenantError

_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\-]+(:\d{1,5})?|https?://\[[0-9a-fA-F:]+\](:\d{1,5})?")

_BLANK = re.compile(r"<[A-Z][A-Z ]+>")  # what a template leaves for the site to fill in


class Table:
    """One table of a tenant's file. `name` is file and table, for messages; `production` forbids http."""

    def __init__(self, name: str, rows: Mapping[str, Any], *, production: bool) -> None:
        self.name = name
        self.production = production
        self._rows = rows
        self._asked: set[str] = set()

    def refuse(self, key: str, message: str) -> TenantError:
        """The error for `key`, to raise."""
        return TenantError(message, f"{self.name}, key '{key}'")

    def has(self, key: str) -> bool:
        """Whether the file gives `key`, which is thereby known to be a setting."""
        self._asked.add(key)
        return key in self._rows

    def __iter__(self) -> Iterator[str]:
        """Keys in file order, for a table whose keys are the site's own."""
        return iter(self._rows)

    def finish(self) -> None:
        """Raises TenantError for the first key nobody asked for: a misspelling is no default."""
        for key in self._rows:
            if key not in self._asked:
                near = difflib.get_close_matches(key, self._asked, 1)
                hint = (
                    f"did you mean '{near[0]}'?" if near else f"known here: {', '.join(sorted(self._asked))}"
                )
                raise self.refuse(key, f"is not a setting; {hint}")

    def text(self, key: str, default: str | None = None, *, remedy: str = "", form: str = r".*\S.*") -> str:
        """A string that matches `form`; `default` where absent, None meaning that it is required."""
        value = self._take(key, default, remedy)
        self._filled_in(key, [value])
        if not isinstance(value, str) or (value != default and not re.fullmatch(form, value)):
            raise self.refuse(key, f"is {_shown(value)}; {remedy or 'give a text'}")
        return value

    def secret(self, key: str) -> str:
        """A string no message repeats; "" where absent."""
        value = self._take(key, "", "")
        if not isinstance(value, str) or (key in self._rows and not value.strip()):
            raise self.refuse(key, "is not a text; give the secret, or name its file")
        return value.strip()

    def choice(self, key: str, allowed: Iterable[str], default: str | None = None) -> str:
        """One of `allowed`."""
        listed = ", ".join(allowed)
        value = self.text(key, default, remedy=f"give one of {listed}")
        if value not in allowed:
            raise self.refuse(key, f"is '{value}'; give one of {listed}")
        return value

    def texts(
        self, key: str, *, allowed: Iterable[str] | None = None, required: bool = False
    ) -> tuple[str, ...]:
        """A list of different strings, each among `allowed` where given; empty where absent."""
        value = self._take(key, None if required else [], "give a list of texts")
        if not isinstance(value, list) or not all(isinstance(one, str) and one.strip() for one in value):
            raise self.refuse(key, f"is {_shown(value)}; give a list of texts")
        if len(set(value)) < len(value):
            raise self.refuse(key, "lists something twice; keep one")
        self._filled_in(key, value)
        if required and not value:
            raise self.refuse(key, "is empty; list at least one")
        for one in value:
            if allowed is not None and one not in allowed:
                raise self.refuse(key, f"lists '{one}'; known are {', '.join(sorted(allowed))}")
        return tuple(value)

    def flag(self, key: str, default: bool) -> bool:
        """true or false."""
        value = self._take(key, default, "")
        if not isinstance(value, bool):
            raise self.refuse(key, f"is {_shown(value)}; give true or false")
        return value

    def share(self, key: str, default: float | None = None) -> float:
        """A probability, 0 < x <= 1."""
        value = self._take(key, default, "give a probability between 0 and 1, such as 0.2")
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
            raise self.refuse(key, f"is {_shown(value)}; give a probability above 0 and up to 1, such as 0.2")
        return float(value)

    def number(self, key: str, default: float, *, most: float) -> float:
        """A number from 0 to `most`."""
        value = self._take(key, default, "")
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
            raise self.refuse(key, f"is {_shown(value)}; give a number from 0 to {most:g}")
        return float(value)

    def amount(self, key: str) -> float:
        """A number above 0."""
        value = self._take(key, None, "give a number above 0")
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
            raise self.refuse(key, f"is {_shown(value)}; give a number above 0")
        return float(value)

    def server(self, key: str, default: str | None = None) -> str:
        """The URL of a server: https, or http on loopback outside production."""
        value = self.text(key, default, remedy="give the server's https URL")
        if value != default:
            self.check_server(key, value)
        return value

    def servers(self, key: str) -> tuple[str, ...]:
        """A list of server URLs."""
        values = self.texts(key)
        for value in values:
            self.check_server(key, value)
        return values

    def origins(self, key: str) -> tuple[str, ...]:
        """A list of origins (scheme, host, port): what stands in security headers, so nothing else may."""
        values = self.servers(key)
        for value in values:
            if not _ORIGIN.fullmatch(value):
                raise self.refuse(
                    key, f"lists '{value}'; give scheme, host and port alone: https://ehr.example.org"
                )
        return values

    def check_server(self, key: str, url: str) -> None:
        """Raises TenantError unless `url` may be talked to."""
        fault = server_fault(url, production=self.production)
        if fault:
            raise self.refuse(key, f"is '{url}'; {fault}")

    def table(self, key: str) -> Table:
        """The table below `key`; an empty one where absent."""
        value = self._take(key, {}, "")
        if not isinstance(value, dict):
            raise self.refuse(key, f"is {_shown(value)}; give a table, [{key}]")
        return Table(f"{self.name} [{key}]", value, production=self.production)

    def tables(self, key: str) -> tuple[Table, ...]:
        """The tables of the list `[[key]]`."""
        value = self._take(key, [], "")
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise self.refuse(key, f"is {_shown(value)}; give tables, [[{key}]]")
        name = f"{self.name} [[{key}]] number"
        return tuple(Table(f"{name} {n}", one, production=self.production) for n, one in enumerate(value, 1))

    def _filled_in(self, key: str, values: Iterable[Any]) -> None:
        """Raises TenantError for a template's placeholder, which is no value."""
        for value in values:
            blank = _BLANK.search(value) if isinstance(value, str) else None
            if blank:
                raise self.refuse(key, f"is still the template's {blank[0]}; put in the site's own")

    def _take(self, key: str, default: Any, remedy: str) -> Any:
        self._asked.add(key)
        if key in self._rows:
            return self._rows[key]
        if default is None:
            raise self.refuse(key, f"is missing; {remedy or f'add {key} = ...'}")
        return default


def server_fault(url: str, *, production: bool) -> str:
    """Why `url` may not be a server of ours, with the remedy; "" when it may."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "that is not a URL"
    if parts.scheme not in ("http", "https") or not host or re.search(r"[\s\\\x00-\x1f\"'<>;,*]", url):
        return "give an https URL without spaces, quotes or wildcards"
    if parts.username is not None or parts.query or parts.fragment:
        return "leave out user names, '?' and '#'"
    if nowhere(host):
        return "that address is no server's; give the hospital's own"
    if parts.scheme == "http" and production:
        return "production needs https"
    if parts.scheme == "http" and not loopback(host):
        return "only loopback may do without https; give an https URL"
    return ""


def nowhere(host: str) -> bool:
    """Whether `host` is an address that no hospital has: link-local (where clouds keep secrets), multicast, none."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    inner = getattr(address, "ipv4_mapped", None) or address
    return bool(inner.is_link_local or inner.is_multicast or inner.is_unspecified)


def loopback(host: str) -> bool:
    """Whether `host` can only be this machine."""
    if host.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    inner = getattr(address, "ipv4_mapped", None) or address  # ::ffff:127.0.0.1
    return bool(inner.is_loopback)


def _shown(value: object) -> str:
    """A value as a message may show it: short; what may be a secret is never asked through here."""
    return "empty" if value in ("", [], {}) else repr(value)[:60]
