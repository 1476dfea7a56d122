"""An extraction away from its flow, in another process or on another machine: whom it asks before each request."""

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
    """The budget of a token that the flow counts (see `coordinator`); it waits here and decides there.

    Args:
        settings: of the connection.
        stop: ends a wait early when set.
        url: of the coordinator.
        run_id: of the run that this extraction is a part of.
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
        """Tell the flow that a page has landed."""
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
                f"the sync that this list is read for does not answer at {self._http.base_url} "
                f"({type(error).__name__}): it has ended, or {variable('coordinator')} is no address that leads to it"
            ) from None


def key_of(settings: DripSettings, run_id: str) -> str:
    """What an extraction shows to prove that it reads for this run with this token."""
    return hashlib.blake2b(f"{settings.token}\0{run_id}".encode(), digest_size=20).hexdigest()


class RemoteConnection(Connection):
    """What the tasks of a run share within a process that is not the flow's: the flow counts their requests."""

    def __init__(self, run: ConnectionRun) -> None:
        use_secret_blocks("")
        super().__init__(run.connection)
        budget = RemoteRateLimit(self.settings, self.client.stop, run.coordinator, run.id)
        self.client.budget, self.emit = budget, budget.landed
