"""The sandbox as an ASGI application: authentication, rate limit, faults, endpoints and a request log."""

import asyncio
import base64
import binascii
import hashlib
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable
from email.utils import format_datetime
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from flows.sandbox import endpoints, webhooks
from flows.sandbox.endpoints import Endpoint, Invalid
from flows.sandbox.fault_actions import Action, Status
from flows.sandbox.messages import Answer, Call, errors, flat, of_json
from flows.sandbox.metrics import Refused
from flows.sandbox.request_log import Logged
from flows.sandbox.world import Account, World

BASE = "/v2"
NO_LINGER = struct.pack("ii", 1, 0)


Watch = Callable[[Logged], None]
"""Is told of every request as it is answered."""


class Sandbox:
    """Answers requests from a world, each after `latency` seconds."""

    def __init__(self, world: World, latency: float = 0.0, watch: Watch = lambda logged: None) -> None:
        self.world = world
        self.latency = latency
        self.watch = watch
        self.log: list[Logged] = []
        self._failed: set[tuple[str, str]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle an HTTP request."""
        request = Request(scope, receive)
        answer = self.answer(request, await request.body() if request.method == "POST" else b"")
        if await _waited(self.latency + (0 if answer.pieces else answer.seconds), receive):
            await _deliver(answer, scope, receive, send)

    def answer(self, request: Request, body: bytes = b"") -> Answer:
        """The complete response. The request is logged and, unless refused, counted against the rate limit.

        Args:
            request: the request, without its body.
            body: the body of a POST.
        """
        call, endpoint = _call(request, body)
        with self.world.lock:
            authorized = _authorized(call.authorization, self.world.api_key)
            answer, actions = self._answer(call, endpoint) if authorized else (errors(401), [])
            answer = answer.with_headers(self._headers())
            agent = request.headers.get("user-agent", "")
            self._log(call, answer, actions, agent, authorized)
        return answer

    def _log(self, call: Call, answer: Answer, actions: list[Action], agent: str, authorized: bool) -> None:
        name = (call.path, urlencode(call.query))
        logged = Logged(
            time.time(),
            call.method,
            call.path,
            call.query,
            None if answer.reset else answer.status,
            agent,
            authorized,
            tuple(str(action.__struct_config__.tag) for action in actions),
            name in self._failed,
            self.world.budget.remaining,
        )
        (self._failed.add if logged.failed else self._failed.discard)(name)
        self.log.append(logged)
        self.watch(logged)

    def _answer(self, call: Call, endpoint: Endpoint | None) -> tuple[Answer, list[Action]]:
        """The answer, and what was injected into it."""
        world = self.world
        if not world.budget.remaining:
            return flat(429), []
        account = _account(world, call)
        actions = world.faults.actions(call)
        for action in actions:
            action.before(call, account, world)
        if not world.budget.take():
            return flat(429), actions
        answer = _look_up(world, call, endpoint, actions)
        for action in actions:
            answer = action.answer(answer)
        return answer, actions

    def _headers(self) -> dict[str, str]:
        budget = self.world.budget
        return {
            "date": format_datetime(self.world.now(), usegmt=True),
            "x-ratelimit-limit": str(budget.limit),
            "x-ratelimit-remaining": str(budget.remaining),
        }


def _call(request: Request, body: bytes) -> tuple[Call, Endpoint | None]:
    path = request.url.path
    below = path.removeprefix(BASE).rstrip("/")  # the provider's Node client ends many paths with a slash
    endpoint, ids = endpoints.find(below) if path.startswith(BASE + "/") else (None, {})
    call = Call(
        method=request.method,
        path=path,
        query=_query(request),
        authorization=request.headers.get("authorization", ""),
        resource=endpoint.resource if endpoint else None,
        account_id=ids.get("account") or webhooks.account_of(path.removeprefix(BASE)),
        parent_id=ids.get("parent"),
        body=body,
        etag=request.headers.get("if-none-match", ""),
    )
    return call, endpoint


def _query(request: Request) -> dict[str, str]:
    """The parameters by name; the values of one that may be repeated, `name[]`, joined by commas."""
    query = request.query_params
    return {name: ",".join(query.getlist(name)) if name.endswith("[]") else query[name] for name in query}


def _authorized(header: str, api_key: str) -> bool:
    """Whether a header has the token, as a Basic user name with any or no password, or as a Bearer token."""
    scheme, _, credentials = header.strip().partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip() == api_key
    if scheme.lower() != "basic":
        return False
    try:
        user = base64.b64decode(credentials, validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return False
    return user == api_key


def _account(world: World, call: Call) -> Account | None:
    return world.account(call.account_id) if call.account_id in world.account_ids else None


def _look_up(world: World, call: Call, endpoint: Endpoint | None, actions: list[Action]) -> Answer:
    account = _account(world, call)
    if account is not None and account.forbidden:
        return errors(403)
    refused = any(isinstance(action, Status) for action in actions)
    changed = webhooks.change(world, account, call, call.path.removeprefix(BASE)) if account and not refused else None
    return changed or _read(world, call, endpoint, actions)


def _read(world: World, call: Call, endpoint: Endpoint | None, actions: list[Action]) -> Answer:
    if endpoint is None or (call.account_id and _account(world, call) is None):
        return errors(404)
    if call.method != "GET":
        return errors(405).with_headers({"allow": "GET"})
    for action in actions:
        call = action.ask(call)
    return _found(world, call, endpoint, actions)


def _found(world: World, call: Call, endpoint: Endpoint, actions: list[Action]) -> Answer:
    """What an endpoint has, or why it refuses."""
    try:
        body = endpoints.envelope(endpoint, world, call)
    except KeyError:
        return errors(404)
    except Refused as refused:
        return refused.answer
    except Invalid as refused:
        return errors(422, message=str(refused), attribute=refused.attribute)
    for action in actions:
        body = action.envelope(body, endpoint.selector)
    answer = of_json(200, body)
    return _tagged(answer, call) if endpoint.tagged else answer


def _tagged(answer: Answer, call: Call) -> Answer:
    """The answer with its ETag; none of its body where the client has that already."""
    etag = f'W/"{hashlib.md5(answer.body, usedforsecurity=False).hexdigest()}"'
    known = Answer(304, b"", {}) if call.etag == etag else answer
    return known.with_headers({"etag": etag})


async def _deliver(answer: Answer, scope: Scope, receive: Receive, send: Send) -> None:
    if answer.reset:
        await _hang_up(scope, receive, abort=True)
    elif answer.sent is not None:
        await _cut(answer, scope, receive, send)
    elif answer.pieces:
        headers = {**answer.headers, "content-length": str(len(answer.body))}
        await StreamingResponse(_pieces(answer, receive), answer.status, headers)(scope, receive, send)
    else:
        await Response(answer.body, answer.status, answer.headers)(scope, receive, send)


async def _pieces(answer: Answer, receive: Receive) -> AsyncIterator[bytes]:
    size = max(-(-len(answer.body) // answer.pieces), 1)
    for start in range(0, len(answer.body), size):
        if not await _waited(answer.seconds / answer.pieces, receive):
            return
        yield answer.body[start : start + size]


async def _cut(answer: Answer, scope: Scope, receive: Receive, send: Send) -> None:
    headers = {**answer.headers, "content-length": str(len(answer.body))}
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    await send({"type": "http.response.body", "body": answer.body[: answer.sent], "more_body": True})
    await _hang_up(scope, receive, abort=False)


async def _hang_up(scope: Scope, receive: Receive, *, abort: bool) -> None:
    """Close the connection below HTTP, through the transport in the scope's state (see `OpenProtocol`)."""
    transport: asyncio.Transport = scope["state"]["transport"]
    if abort:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        transport.abort()
    else:
        transport.close()
    await _gone(receive)


async def _waited(seconds: float, receive: Receive) -> bool:
    """Wait; False if the client disconnected meanwhile."""
    try:
        if seconds > 0:
            await asyncio.wait_for(_gone(receive), seconds)
    except TimeoutError:
        return True
    return seconds <= 0


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
