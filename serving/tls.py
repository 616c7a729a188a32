"""TLS over TCP, for callers that have a certificate themselves.  What its files are is tls_files.py's; they are read
again when they change, for connections that come from then on.
"""

from pathlib import Path
from typing import Any

import grpc
import structlog

from serving.tls_files import CA, CHAIN, KEY, BadCertificates, Files, Stamp, read_files, stamp_of

log = structlog.get_logger(__name__)


def server_credentials(directory: Path) -> grpc.ServerCredentials:
    """Only callers with a certificate of that CA get through.  BadCertificates."""
    stamps, latest = _look(directory), read_files(directory)

    def renewed() -> Any:
        """At each handshake: a ServerCertificateConfiguration; None: as before."""
        nonlocal stamps, latest
        if (now := _look(directory)) == stamps:
            return None
        stamps = now
        try:
            found = read_files(directory)
        except BadCertificates as error:  # half of them are written
            log.warning("the certificates before stay in use", error=str(error))
            return None
        if found == latest:
            return None
        latest = found
        return _configuration(found)

    return grpc.dynamic_ssl_server_credentials(_configuration(latest), renewed, require_client_authentication=True)


def _look(directory: Path) -> list[Stamp | None]:
    return [stamp_of(directory / name) for name in (CHAIN, KEY, CA)]


def _configuration(files: Files) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(files.key, files.chain)], root_certificates=files.ca)
