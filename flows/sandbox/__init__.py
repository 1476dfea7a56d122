"""A stand-in for Drip's REST API v2 on localhost, with generated accounts, a rate limit and injectable faults."""

from flows.sandbox.server import Server, serve
from flows.sandbox.world import Account, World

__all__ = ["Account", "Server", "World", "serve"]
