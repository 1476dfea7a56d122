"""Loopback addresses, which are never requested through a proxy."""

import ipaddress
import os
from urllib.parse import urlsplit

LOOPBACK = ("localhost", "127.0.0.1", "::1")
NO_PROXY = ("no_proxy", "NO_PROXY")


def is_loopback(url: str) -> bool:
    """Whether a URL's host is this machine, which a proxy could not reach."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return bool(mapped.is_loopback or mapped.is_unspecified)


def bypass_proxies_for_loopback(*urls: str) -> None:
    """Add the loopback addresses, and the hosts of those `urls` that are loopback, to `NO_PROXY`."""
    listed = [name for variable in NO_PROXY for name in os.environ.get(variable, "").split(",")]
    hosts = [urlsplit(url).hostname or "" for url in urls if is_loopback(url)]
    names = [name.strip() for name in (*listed, *LOOPBACK, *hosts)]
    for variable in NO_PROXY:
        os.environ[variable] = ",".join(dict.fromkeys(filter(None, names)))
