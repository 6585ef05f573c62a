"""What every libcloud driver needs from us: counted calls, translated errors, a bounded wait."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import requests
from libcloud.common.exceptions import BaseHTTPError
from libcloud.common.types import InvalidCredsError, LibcloudError

from tfce.model.errors import CloudError, shorten
from tfce.model.redact import redacted

TIMEOUT = 30  # seconds for one request, unless Driver_timeout says otherwise


@contextmanager
def translated(asking: str, secrets: Iterable[str]) -> Iterator[None]:
    """Turn whatever libcloud raises into a ``CloudError`` that says what was asked and holds no secret."""
    try:
        yield
    except CloudError:
        raise
    except InvalidCredsError as error:
        text = shorten(redacted(str(error.value or error), secrets))
        raise CloudError(f"{asking}: the cloud refuses the credentials: {text}", "authentication") from None
    except requests.exceptions.RequestException as error:
        raise CloudError(
            f"{asking}: the cloud does not answer: {_reason(error, secrets)}", "unreachable"
        ) from None
    except (BaseHTTPError, LibcloudError) as error:
        text = shorten(redacted(str(getattr(error, "message", None) or error), secrets))
        raise CloudError(f"{asking}: {text}") from None
    except Exception as error:  # libcloud raises bare Exception, and parsers raise their own
        raise CloudError(f"{asking}: {shorten(redacted(f'{type(error).__name__}: {error}', secrets))}") from None


def _reason(error: requests.exceptions.RequestException, secrets: Iterable[str]) -> str:
    # The text of these errors holds the whole URL; its end says what happened.
    text = str(error)
    for words in ("refused", "timed out", "resolve", "reset", "certificate", "unreachable"):
        if words in text:
            return f"{type(error).__name__} ({words})"
    return shorten(redacted(text, secrets), 200)


def counting(connection: type[Any], calls: Counter[str], name: Any) -> type[Any]:
    """A subclass of a libcloud connection class that counts each request; ``name(action, params, method)``
    gives the word to count it under; where there are no params, it gets the body."""

    class Counting(connection):  # type: ignore[misc]
        def request(self, action: str, params: Any = None, *args: Any, **kwargs: Any) -> Any:
            calls[name(action, params or kwargs.get("data") or {}, kwargs.get("method", "GET"))] += 1
            return super().request(action, params, *args, **kwargs)

    return Counting
