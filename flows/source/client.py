"""Requests to the API: authentication, retries, limits on the size and duration of replies, the rate limit."""

import functools
import re
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import requests
from dlt.sources.helpers.requests import Client
from requests.auth import AuthBase, HTTPBasicAuth
from requests.utils import get_environ_proxies

from flows.common.loopback import is_loopback
from flows.common.scrubbing import scrub
from flows.source.decoding.malformed_json import RETRY_AFTER, retry_after, round_retry_after
from flows.source.environment_checks import certificates
from flows.source.errors import NOT_HERE, WRONG_BASE, RequestFailed, Unauthorized, Unreachable, UnreadableReply
from flows.source.prefetch import Prefetch
from flows.source.rate_limit import RateLimit, Say
from flows.source.reply_text import message_of, snippet_of
from flows.source.response_body import FAULT, FIELDS, Fields, read_body
from flows.source.settings import DripSettings

RETRIED_STATUSES = (500, 502, 503, 504)
"""429 is retried too, unless the rate limit is used up; then the client waits for the next window."""
BROKEN = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
REMAINING = "X-RateLimit-Remaining"
BELONGS_TO_ACCOUNT = re.compile(r"/\d+/")
T = TypeVar("T")


class Bearer(AuthBase):
    """Sends an OAuth token in the Authorization header, which `requests` drops on a redirect to another host."""

    def __init__(self, token: str) -> None:
        self.token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request


@dataclass(frozen=True)
class Reply:
    """A reply with status 200.

    Attributes:
        url: the requested URL.
        body: a JSON object.
        server_time: the server's clock when it replied.
        fields: the fields of the body; None if only Python's lenient JSON parser can read it.
        etag: the ETag of the body; empty if it has none.
        unchanged: whether the client's ETag is still valid, so that the body was not sent again.
    """

    url: str
    body: bytes
    server_time: datetime
    fields: Fields | None = None
    etag: str = ""
    unchanged: bool = False


class DripClient:
    """A client for one token. It can be shared between threads, along with its open connections and rate limit.

    Args:
        settings: base URL, token, retries and limits.
        say: called with a message when the client waits.
    """

    def __init__(self, settings: DripSettings, say: Say = lambda message: None) -> None:
        self.settings = settings
        self.stop = threading.Event()
        self.budget = RateLimit(settings.rate_limit, settings.rate_window, settings.max_wait, say=say, stop=self.stop)
        self._under_way = threading.BoundedSemaphore(settings.parallel)
        self._pool: ThreadPoolExecutor | None = None
        self._surroundings = surroundings(settings.base_url)
        self._http = self._session(settings.max_retries + 1)

    @functools.cached_property
    def _once(self) -> Client:
        return self._session(1)

    def _session(self, attempts: int) -> Client:
        """dlt's client, which sends a request so often at most."""
        settings = self.settings
        return Client(
            request_timeout=settings.timeout,
            raise_for_status=False,
            max_connections=max(settings.parallel, 10),
            status_codes=(),  # `retry_condition` alone decides, since it also counts the retries
            exceptions=(),
            retry_condition=self._try_again,
            request_max_attempts=attempts,
            request_backoff_factor=settings.backoff_factor,
            request_max_retry_delay=settings.max_wait,
            session_attrs={
                "auth": authentication(settings),
                "headers": request_headers(settings),
                **self._surroundings,
            },
        )

    def get(self, path: str, params: Mapping[str, Any], etag: str = "", once: bool = False) -> Reply:
        """Send a GET request, with retries.

        Args:
            path: below the base URL.
            params: of the query; a list is sent as a parameter that is repeated.
            etag: of the body that is known already, which then does not come again.
            once: without retries, for an endpoint whose own limit is counted elsewhere.

        Raises:
            Unauthorized: the status is 401.
            RequestFailed: any other status than 200, after retries if the status is retried.
            Unreachable: no response, or a broken connection, after all retries.
            UnreadableReply: a body that is incomplete or not JSON, after all retries.
            BudgetSpent: the wait for the rate limit would exceed `SOURCES__DRIP__MAX_WAIT`.
            Stopped: the client was told to stop.
        """
        while True:
            self.budget.take()
            try:
                with self._under_way:
                    response = self._send(self._once if once else self._http, path, params, etag)
                if self._is_faulty(response):
                    self.budget.take_back()
                self.budget.observe(_remaining(response))
            finally:
                self.budget.done()
            if not _is_spent(response):
                return self._checked(response, path)
            self.budget.spent()

    def give_up(self, reason: str) -> None:
        """Send no more requests. Reading of all unfinished lists stops, with this reason."""
        self.budget.reason = reason
        self.stop.set()

    def ahead(self, function: Callable[[int], T]) -> "Prefetch[T]":
        """A prefetcher that calls `function` for several pages at once, in threads shared by all lists."""
        if self._pool is None and self.settings.parallel > 1:
            self._pool = ThreadPoolExecutor(self.settings.parallel, thread_name_prefix="drip-page")
        return Prefetch(function, self._pool)

    def _send(self, http: Client, path: str, params: Mapping[str, Any], etag: str) -> requests.Response:
        url = self.settings.base_url + path
        try:
            return http.get(url, params=params, stream=True, headers={"If-None-Match": etag} if etag else None)
        except requests.RequestException as error:
            if isinstance(error, BROKEN):
                self.budget.take_back()
            reason = scrub(f"{type(error).__name__}: {_root(error)}")
            raise Unreachable(
                f"no answer from {url} after {self.settings.max_retries + 1} tries ({reason}); "
                "check SOURCES__DRIP__BASE_URL and the network"
            ) from None

    def _try_again(self, response: requests.Response | None, error: BaseException | None) -> bool:
        """Whether to retry a request, after reading the body. Counts the retry against the rate limit."""
        again = isinstance(error, BROKEN) if response is None else self._is_faulty(response)
        if again:
            self.budget.count()
        return again

    def _is_faulty(self, response: requests.Response) -> bool:
        read_body(response, self.settings.max_reply_mb << 20, self.settings.reply_timeout)
        round_retry_after(response.headers)
        if response.status_code == 429:
            return not _is_spent(response)
        if response.status_code == 200:
            return bool(getattr(response, FAULT))
        return response.status_code in RETRIED_STATUSES

    def _checked(self, response: requests.Response, path: str) -> Reply:
        url, of_account = str(response.url), BELONGS_TO_ACCOUNT.match(path)
        if response.status_code == 401:
            self.stop.set()
            raise Unauthorized(url, self._message(response), self.settings.token_setting)
        if response.status_code == 304 and "If-None-Match" in response.request.headers:
            return Reply(url, b"", _server_time(response), unchanged=True)
        if response.status_code != 200:
            advice = WRONG_BASE if response.status_code in NOT_HERE and not of_account else ""
            wait = retry_after(response.headers)
            raise RequestFailed(response.status_code, url, self._message(response), advice, wait)
        if fault := getattr(response, FAULT):
            advice = "" if of_account else f"; {WRONG_BASE}"
            raise UnreadableReply(
                f"{fault} from {url}; it began {snippet_of(response, bool(self.settings.mask))}{advice}"
            )
        tag = response.headers.get("ETag", "")
        return Reply(url, response.content, _server_time(response), getattr(response, FIELDS), tag)

    def _message(self, response: requests.Response) -> str:
        return message_of(response, bool(self.settings.mask))


def authentication(settings: DripSettings) -> AuthBase:
    """What a request proves its token with."""
    if settings.access_token:
        return Bearer(settings.access_token)
    return HTTPBasicAuth(settings.api_key or "", settings.password)


def request_headers(settings: DripSettings) -> requests.structures.CaseInsensitiveDict[str]:
    """The headers of every request."""
    headers = requests.utils.default_headers()
    headers.update({"User-Agent": settings.user_agent, "Accept": "application/json"})
    return headers


def surroundings(base_url: str) -> dict[str, Any]:
    """Proxies and certificates from the environment, read once, since `requests` would read them for every request.

    Raises:
        SettingsError: the certificates cannot be used.
    """
    proxies = {} if is_loopback(base_url) else get_environ_proxies(base_url)
    return {"trust_env": False, "proxies": proxies, "verify": certificates() or True}


def _is_spent(response: requests.Response) -> bool:
    """Whether the rate limit is used up: 429 without Retry-After, and nothing is left or the body is flat."""
    if response.status_code != 429 or RETRY_AFTER in response.headers:
        return False
    fields = getattr(response, FIELDS, None) or {}
    return _remaining(response) == 0 or ("message" in fields and "errors" not in fields)


def _remaining(response: requests.Response) -> int | None:
    value = response.headers.get(REMAINING, "")
    return int(value) if value.isdecimal() else None


def _server_time(response: requests.Response) -> datetime:
    """The response's `Date`, since time filters follow the server's clock; the local time if it is missing."""
    try:
        return parsedate_to_datetime(response.headers["Date"]).astimezone(UTC)
    except (KeyError, ValueError, TypeError):
        return datetime.now(UTC)


def _root(error: BaseException) -> BaseException:
    """The innermost cause, which names the problem; the outer errors repeat the URL."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return error
