"""The rate limit of an extraction in another process or on another machine, which asks the flow before each request."""

import hashlib
import threading
from typing import Any

import httpx
import msgspec

from flows.common.events import Event
from flows.orchestration.secret_blocks import use_secret_blocks
from flows.pipeline.context import Connection, ConnectionRun
from flows.source.errors import Stopped
from flows.source.rate_limit import RateLimit
from flows.source.settings import DripSettings, variable

ANSWER_SECONDS = 30.0
LANDED = "landed"


class RemoteRateLimit(RateLimit):
    """A client of the flow's rate limit for a token (see `coordinator`). The flow decides; waits happen here.

    Args:
        settings: settings of the connection.
        stop: ends a wait early when set.
        url: URL of the coordinator.
        run_id: id of the sync's run.
    """

    def __init__(self, settings: DripSettings, stop: threading.Event, url: str, run_id: str) -> None:
        super().__init__(settings.rate_limit, settings.rate_window, settings.max_wait, say=lambda text: None, stop=stop)
        headers = {"Authorization": f"Bearer {key_of(settings, run_id)}"}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=ANSWER_SECONDS, trust_env=False)

    def try_take(self) -> float:
        return float(self._ask("try_take"))

    def announce(self, seconds: float) -> None:
        self._ask("announce", seconds)

    def go_on(self) -> None:
        self._ask("go_on")

    def plan(self, what: str, requests: int) -> None:
        self._ask("plan", what, requests)

    def done(self) -> None:
        self._ask("done")

    def count(self) -> None:
        self._ask("count")

    def take_back(self) -> None:
        self._ask("take_back")

    def observe(self, remaining: int | None) -> None:
        self._ask("observe", remaining)

    def spent(self) -> None:
        self._ask("spent")

    def left(self) -> int:
        return int(self._ask("left"))

    def landed(self, event: Event) -> None:
        """Report to the flow that a page has landed."""
        self._post(LANDED, event)

    def _ask(self, operation: str, *arguments: Any) -> Any:
        return msgspec.json.decode(self._post(operation, arguments))

    def _post(self, path: str, content: Any) -> bytes:
        try:
            answer = self._http.post(path, content=msgspec.json.encode(content))
            if answer.status_code == httpx.codes.GONE:
                raise Stopped(answer.text)
            return answer.raise_for_status().content
        except httpx.HTTPError as error:
            raise Stopped(
                f"the sync that this list belongs to does not answer at {self._http.base_url} "
                f"({type(error).__name__}): it has ended, or {variable('coordinator')} is not reachable from here"
            ) from None


def key_of(settings: DripSettings, run_id: str) -> str:
    """The key with which an extraction authenticates to the coordinator: a hash of its token and run."""
    return hashlib.blake2b(f"{settings.token}\0{run_id}".encode(), digest_size=20).hexdigest()


class RemoteConnection(Connection):
    """The connection shared by a run's tasks in a process other than the flow's. The flow counts its requests."""

    def __init__(self, run: ConnectionRun) -> None:
        use_secret_blocks("")
        super().__init__(run.connection)
        budget = RemoteRateLimit(self.settings, self.client.stop, run.coordinator, run.id)
        self.client.budget, self.emit = budget, budget.landed
