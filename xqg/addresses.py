"""Addresses of servers: with their port, without logins, whether others reach them, and through which proxy."""

from __future__ import annotations

import ipaddress
import os
import re
from urllib.parse import urlsplit

QDRANT_PORT = 6333
PORTS = {"http": 80, "https": 443}


def server_address(url: str) -> str:
    """The address at which Qdrant is looked for: scheme, host, port and path; a login in it is left out.

    A bare host means Qdrant's own port, as everywhere; an address with a path is that of a gateway, on the scheme's.

    :raises ValueError: if ``url`` has no host or a port that is none.
    """
    parts = urlsplit(url.strip())
    scheme, path = parts.scheme.lower(), parts.path.rstrip("/")
    if not parts.hostname:
        raise ValueError(f"{without_login(url)!r} has no host")
    port = parts.port or (PORTS.get(scheme, QDRANT_PORT) if path else QDRANT_PORT)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{scheme}://{host}:{port}{path}"


def without_login(url: str) -> str:
    """``url`` without the name and password before its host."""
    return re.sub(r"//[^/?#]*@", "//", url)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens on ``host``."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:  # a name, which may mean any address
        return False


def proxy_note(url: str) -> str:
    """A clause on the proxy that requests to ``url`` go through; "" where they go directly."""
    from urllib.request import getproxies, proxy_bypass  # brings HTTP in, and `import xqg` is to be quick

    parts = urlsplit(url)
    proxies = getproxies()
    kind = next((kind for kind in (parts.scheme.lower(), "all") if proxies.get(kind)), None)
    if kind is None or not parts.hostname or proxy_bypass(parts.hostname):
        return ""
    names = [name for name in (f"{kind}_proxy", f"{kind}_proxy".upper()) if os.environ.get(name)]
    source = names[0] if names else "the system's settings"
    return (
        f", asked through the proxy {without_login(proxies[kind])} of {source}; "
        f"put {parts.hostname} into NO_PROXY if it can be reached directly"
    )
