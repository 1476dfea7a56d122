"""A request that changes something in Drip. Only the registration of webhooks does."""

from typing import Any

import requests

from flows.common.scrubbing import scrub
from flows.source.client import DripClient, authentication, request_headers, surroundings
from flows.source.decoding.redaction import redacted_text
from flows.source.errors import RequestFailed, Unauthorized, Unreachable
from flows.source.reply_text import message_of

ADVICE = "nothing was changed; changing webhooks needs a key with write rights"


def send(client: DripClient, method: str, path: str, body: Any = None) -> None:
    """Send a request without retries: after a broken connection, it is unknown whether it took effect.

    Args:
        client: of the token, whose rate limit counts.
        method: POST or DELETE.
        path: below the base URL.
        body: sent as JSON; None for none.

    Raises:
        Unauthorized: 401.
        RequestFailed: any other status outside 2xx: nothing was changed.
        Unreachable: nobody answered, or the connection broke.
        BudgetSpent: the budget comes back later than the longest wait.
    """
    settings = client.settings
    url, around = settings.base_url + path, surroundings(settings.base_url)
    client.budget.take()
    try:
        response = requests.request(
            method,
            url,
            json=body,
            auth=authentication(settings),
            headers=request_headers(settings),
            timeout=settings.timeout,
            proxies=around["proxies"],
            verify=around["verify"],
            allow_redirects=False,
        )
    except requests.RequestException as error:
        raise Unreachable(scrub(f"no answer to {method} {url}: {redacted_text(str(error))}")) from None
    finally:
        client.budget.done()
    if response.status_code == 401:
        raise Unauthorized(url, message_of(response, bool(settings.mask)), settings.token_setting)
    if not 200 <= response.status_code < 300:
        message = redacted_text(message_of(response, bool(settings.mask)))
        raise RequestFailed(response.status_code, url, message, ADVICE)
