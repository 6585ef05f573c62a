"""Turns what libcloud raises into our own error: what was asked, what happened, no secret, clean text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from json import JSONDecodeError
from urllib.parse import urlsplit
from xml.etree.ElementTree import ParseError

import requests
from libcloud.common.exceptions import BaseHTTPError
from libcloud.common.types import InvalidCredsError, LibcloudError, MalformedResponseError

from tfce.cloud import clean
from tfce.cloud.http import BoundaryError, reason
from tfce.model.errors import CloudError, ConfigError, shorten
from tfce.model.reasons import Kind, Reason
from tfce.model.redact import redacted

CERTIFICATE = "TLS"  # the code of a reason: the server could not show who it is
# What code raises that reads an answer which is not what it should be.
_UNREADABLE = (LookupError, AttributeError, TypeError, ParseError, JSONDecodeError, UnicodeError, RecursionError)
# A server's alert speaks of our certificate, a failed verification of the server's.
_OURS = re.compile(r"\balert ((?:[a-z]+ )*(?:unknown ca|certificate(?: [a-z]+)*))")
_SHOW = (
    "show one that it knows: for secret = PROXY, a proxy of a VO that it serves, by an authority that it trusts"
)


@contextmanager
def translated(asking: str, secrets: Iterable[str]) -> Iterator[None]:
    """Turn whatever libcloud raises into a ``CloudError`` that says what was asked and holds no secret."""
    try:
        yield
    except (CloudError, ConfigError):
        raise
    except InvalidCredsError as error:
        said = f"the cloud refuses the login: {_clean(error.value or error, secrets)}"
        raise _error(asking, said, Kind.AUTHENTICATION) from None
    except requests.exceptions.RequestException as error:
        if refused := _OURS.search(str(error)):
            said = f"the cloud refuses the certificate that it is shown ({refused[1]})"
            raise _error(asking, said, Kind.AUTHENTICATION, cure=_SHOW) from None
        code = CERTIFICATE if isinstance(error, requests.exceptions.SSLError) else ""
        said = f"the cloud does not answer: {_reason(error, secrets)}"
        raise _error(asking, said, Kind.UNREACHABLE, code) from None
    except BoundaryError as error:
        raise _error(asking, _clean(error, secrets), Kind.UNREACHABLE, cure=error.cure) from None
    except (MalformedResponseError, *_UNREADABLE) as error:
        text = _clean(f"{type(error).__name__}: {error}", secrets)
        raise _error(asking, f"the cloud's answer is not understood: {text}", Kind.UNREACHABLE) from None
    except BaseHTTPError as error:
        said = _clean(error.message, secrets) or f"HTTP {error.code}"
        raise _error(asking, said, code=str(error.code)) from None
    except LibcloudError as error:
        raise _error(asking, _clean(getattr(error, "value", None) or error, secrets)) from None
    # libcloud raises bare Exception, parsers their own; a driver class of somebody's may end the process it is in
    except (Exception, SystemExit) as error:
        raise _error(asking, _clean(f"{type(error).__name__}: {error}", secrets)) from None


def _error(asking: str, said: str, kind: Kind = Kind.UNCLASSIFIED, code: str = "", cure: str = "") -> CloudError:
    problem = f"{asking}: {said}"
    return CloudError(problem, reason=Reason(kind, problem, code, cure), said=said)


def _clean(text: object, secrets: Iterable[str]) -> str:
    return shorten(redacted(clean.line(str(text)), secrets))


def _reason(error: requests.exceptions.RequestException, secrets: Iterable[str]) -> str:
    # The text of these errors holds the whole URL; its end says what happened.
    if words := reason(error):
        return f"{_asked(error)}{type(error).__name__} ({words})"
    return shorten(redacted(clean.line(str(error)), secrets), 200)


def _asked(error: requests.exceptions.RequestException) -> str:
    """Who was asked, as ``host:port: ``, without the rest of the URL, which may hold a secret."""
    try:
        parts = urlsplit(getattr(error.request, "url", None) or "")
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    return f"{parts.hostname}{port}: " if parts.hostname else ""
