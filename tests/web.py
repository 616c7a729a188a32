"""HTTP without TLS: the certificates that a client of httpx loads, needed or not, take it 80 ms."""

import ssl

import httpx

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
# Each request has a connection of its own, as with `httpx.get`.
WEB = httpx.Client(verify=NO_TLS, limits=httpx.Limits(max_keepalive_connections=0))
