"""A stand-in for Drip's REST API v2 on localhost: invented accounts, a request budget, faults on purpose."""

from flows.sandbox.server import Server, serve
from flows.sandbox.world import Account, World

__all__ = ["Account", "Server", "World", "serve"]
