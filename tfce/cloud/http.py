"""The one boundary that every HTTP answer of a cloud passes, below libcloud.

libcloud (through requests) bounds each read, not the request; it reads whatever comes, and sends the token
wherever a redirect leads. Here a request has an end, a reply a size, and redirects stay on their host.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from importlib.util import find_spec
from typing import Any
from urllib.parse import urljoin, urlsplit

from libcloud.http import LibcloudConnection
from requests import Response, Session
from requests.exceptions import ConnectTimeout, ProxyError
from requests.utils import select_proxy

from tfce.cloud import clean
from tfce.cloud.deadline import Deadline, TimedAdapter
from tfce.cloud.limits import RequestLimits
from tfce.cloud.retries import PASSING, Budget, retry_after, throttled
from tfce.config import environment
from tfce.model.errors import Fault
from tfce.model.trace import span

_CHUNK = 16 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_REASONS = ("refused", "timed out", "resolve", "reset", "certificate", "unreachable", "407")
SOCKS = find_spec("socks") is not None  # urllib3 speaks it with PySocks alone
_HEAD, _PAGE = 1024, (b"<html", b"<!doctype html")
_FOLLOWED = 3  # redirects on the same host


class BoundaryError(Exception):
    """An answer that is not taken; nobody knows what the cloud did. ``cure``: what to do, where that is known."""

    def __init__(self, problem: str, cure: str = "") -> None:
        super().__init__(problem)
        self.cure = cure


class Body(Enum):
    """What an answer's body is. APIs write data; gateways, balancers and portals write pages, or nothing."""

    NOTHING = "nothing"
    DATA = "JSON or XML"
    PAGE = "a page, or a text for people"


@dataclass
class LastAnswer:
    """What is kept of a cloud's last answer: its ``Date``, HTTP's ``status`` (0: none came), what its body is."""

    date: str | None = None
    status: int = 0
    body: Body = Body.NOTHING

    @property
    def time(self) -> datetime | None:
        """The cloud's clock; None where it does not tell."""
        try:
            when = parsedate_to_datetime(self.date or "")
        except (TypeError, ValueError, OverflowError):
            return None
        return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)


@dataclass(frozen=True)
class Bounds:
    """What a connection keeps. ``note(method, url, body)`` is called for each request that is sent, and names it;
    ``safe(method, url)``: whether it may be sent again whatever became of it."""

    limits: RequestLimits
    budget: Budget
    last: LastAnswer
    note: Callable[[str, str, Any], str]
    safe: Callable[[str, str], bool]


class _Bounded(LibcloudConnection):  # type: ignore[misc]
    """A connection of libcloud's that keeps its ``bounds``."""

    bounds: Bounds

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._deadline = Deadline()
        given = kwargs.get("proxy_url")  # with each request, else requests lets the environment's go before it
        self._proxies = {"http": given, "https": given} if given else {}
        super().__init__(*args, **kwargs)
        self.session.auth = lambda request: request  # else .netrc replaces the cloud's own
        files = {name: kwargs[name] for name in ("cert_file", "key_file") if name in kwargs}
        self.session.mount("http://", TimedAdapter(self._deadline))
        self.session.mount("https://", TimedAdapter(self._deadline, **files))

    def request(
        self,
        method: str,
        url: str,
        body: Any = None,
        headers: Any = None,
        raw: bool = False,
        stream: bool = False,
        hooks: Any = None,
    ) -> None:
        for attempt in range(self.bounds.limits.repeats + 1):
            self.bounds.budget.wait()
            self.response = self._followed(method, url, body, headers)
            if not self._again(attempt, self.bounds.safe(method, url)):
                break
        self.response.headers.pop("Retry-After", None)  # libcloud takes it for a number, whatever it is

    def _again(self, attempt: int, safe: bool) -> bool:
        """Whether the request is to be repeated: then the pause is over."""
        response = self.response
        asked = retry_after(response.headers.get("Retry-After")) if response.status_code in PASSING else None
        if asked and asked <= self.bounds.limits.longest:
            self.bounds.budget.hold(asked)
        passing = response.status_code in PASSING or throttled(response.status_code, response.content)
        if not (safe and passing) or (asked or 0) > self.bounds.limits.longest:
            return False
        return self.bounds.budget.again(attempt, self.bounds.limits)

    def prepared_request(self, *args: Any, **kwargs: Any) -> None:
        self.request(*args, **kwargs)

    def _followed(self, method: str, url: str, body: Any, headers: Any) -> Response:
        target = urljoin(self.host, url)
        for _ in range(_FOLLOWED + 1):
            with span("request", self.bounds.note(method, target, body)) as facts:
                answer = self._once(method, target, body, headers)
                facts |= {"status": answer.status_code, "bytes": len(answer.content)}
            if answer.status_code not in _REDIRECTS or "Location" not in answer.headers:
                return answer
            target = _same_host(target, answer.headers["Location"])
            if method.upper() not in ("GET", "HEAD"):
                break
        raise BoundaryError(f"the cloud redirects us to {_shown(target)}, which is not followed")

    def _once(self, method: str, url: str, body: Any, headers: Any) -> Response:
        self._deadline.start(self.bounds.limits.seconds)
        try:
            answer: Response = self.session.request(
                method=method.lower(),
                url=url,
                data=body,
                headers=self._normalize_headers(headers=headers),
                allow_redirects=False,
                stream=True,
                verify=self.verification,
                timeout=self.bounds.limits.seconds,
                proxies=dict(self._proxies),
            )
        except (OSError, ValueError) as error:
            fault = _blamed(self.session, self._proxies, url, self.verification, error)
            if fault is None:
                raise
            raise BoundaryError(fault.text, fault.cure) from None
        last = self.bounds.last
        last.date, last.status = answer.headers.get("Date", last.date), answer.status_code
        _read(answer, self.bounds.limits.size)
        last.body = _body_of(answer.content)
        return answer


def _blamed(
    session: Session, given: Mapping[str, str], url: str, authority: Any, error: Exception
) -> Fault | None:
    """What of the process's environment kept a request from its server."""
    scheme = urlsplit(url).scheme
    if scheme == "https" and isinstance(authority, str) and (fault := environment.tls(authority)):
        return fault
    proxies = session.merge_environment_settings(url, dict(given), None, authority, None)["proxies"]
    chosen = select_proxy(url, proxies)
    own = isinstance(error, ProxyError | ConnectTimeout)
    return environment.proxy(scheme, chosen, reason(error) if own else "", SOCKS) if chosen else None


def reason(error: Exception) -> str:
    """What became of a connection, in a word; "" where that is not known. The whole text of such errors may hold a
    login."""
    text = clean.line(str(error))
    return next((word for word in _REASONS if word in text), "")


def bounded(bounds: Bounds) -> type[LibcloudConnection]:
    """The class of a connection that keeps these ``bounds``: libcloud makes its connections itself, of a class."""
    return type("Bounded", (_Bounded,), {"bounds": bounds})


def _read(answer: Response, most: int) -> None:
    """Read the whole answer, as far as it has a reasonable size."""
    body = bytearray()
    try:
        for chunk in answer.iter_content(_CHUNK):
            body += chunk
            if len(body) > most:
                raise BoundaryError(f"the cloud's answer is larger than {most // 2**20} MiB")
    except BaseException:
        answer.close()  # what is left of it must not be the next request's answer
        raise
    answer._content, answer._content_consumed = bytes(body), True
    if "charset" not in answer.headers.get("Content-Type", ""):
        answer.encoding = "utf-8"  # else it is guessed, for seconds where a list is long


def _body_of(content: bytes) -> Body:
    head = content[:_HEAD].strip().lower()
    if not head:
        return Body.NOTHING
    is_data = head.startswith((b"{", b"[", b"<")) and not any(word in head for word in _PAGE)
    return Body.DATA if is_data else Body.PAGE


def _same_host(here: str, location: str) -> str:
    """Where a redirect leads, if it stays on its host."""
    there = urljoin(here, location)
    old, new = urlsplit(here), urlsplit(there)
    if (old.scheme, old.netloc) != (new.scheme, new.netloc):
        raise BoundaryError(f"the cloud redirects us to {_shown(there)}, another host, which is not followed")
    return there


def _shown(url: str) -> str:
    parts = urlsplit(url)
    return clean.line(f"{parts.scheme}://{parts.hostname}{parts.path}")[:200]
