"""Over TLS only callers with a certificate are heard, and with the secret served; on the engines that serve TCP."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from structlog.testing import capture_logs

from serving.call import Unary
from serving.engine import EngineKind, open_engine
from serving.guard import SECRET_KEY, Guard
from serving.tls import server_credentials
from serving.tls_files import KEY, BadCertificates, read_files, stamp_of
from tests.serving.certificates import issue
from tests.serving.conftest import Server, on_tcp
from tests.serving.test_guard import ECHO, NEW, TCP, echo, unary

SECRET = ((SECRET_KEY, NEW),)
UNAVAILABLE, UNAUTHENTICATED = grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNAUTHENTICATED
Refused = Callable[[grpc.Channel], grpc.StatusCode]

# At a terminal of its own.  0: they are refused.
READ = """
import sys
from pathlib import Path
from serving.tls_files import BadCertificates, read_files
try:
    read_files(Path(sys.argv[1]))
except BadCertificates:
    sys.exit(0)
sys.exit(1)
"""


@contextmanager
def channel_to(target: str, ca: trustme.CA, directory: Path | None) -> Iterator[grpc.Channel]:
    """With the certificate in `directory`, if any."""
    files = read_files(directory) if directory else None
    credentials = grpc.ssl_channel_credentials(
        ca.cert_pem.bytes(), *((files.key, files.chain) if files else (None, None))
    )
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.secure_channel(target, credentials, options) as channel:
        yield channel


def code(channel: grpc.Channel, metadata: tuple[tuple[str, str], ...] = SECRET) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as refused:
        unary(channel, ECHO, metadata)
    return refused.value.code()


@on_tcp
def test_only_a_certificate_and_the_secret_together_are_served(kind: EngineKind, serve: Server, tmp_path: Path) -> None:
    ca, other = trustme.CA(), trustme.CA()
    ours, theirs = issue(ca, tmp_path / "ours", "127.0.0.1"), issue(ca, tmp_path / "theirs", "envoy.test")
    strangers = issue(other, tmp_path / "strangers", "envoy.test")
    addresses = [TCP, f"unix:{tmp_path}/s.sock"]
    engine = open_engine(kind, [Unary(ECHO, echo)], addresses, guard=Guard([NEW]), tls=server_credentials(ours))
    served = serve.run(engine, TCP)
    assert code(served.channel) is UNAVAILABLE  # in the clear
    with channel_to(served.address, ca, None) as channel:
        assert code(channel) is UNAVAILABLE
    with channel_to(served.address, ca, strangers) as channel:
        assert code(channel) is UNAVAILABLE
    with channel_to(served.address, ca, theirs) as channel:
        assert code(channel, ()) is UNAUTHENTICATED
        assert unary(channel, ECHO, SECRET) == b"a"
    with grpc.insecure_channel(f"unix:{tmp_path}/s.sock") as channel:
        assert unary(channel, ECHO, ()) == b"a"

    # Half of it is written: what was read before stays in use, which is said once.  Then all of it.
    (ours / "tls.key").write_text("")
    with capture_logs() as logs:
        for _ in range(3):
            with channel_to(served.address, ca, theirs) as channel:
                assert unary(channel, ECHO, SECRET) == b"a"
    assert [log["event"] for log in logs] == ["the certificates before stay in use"]
    issue(other, ours, "127.0.0.1")
    with channel_to(served.address, other, strangers) as channel:
        assert unary(channel, ECHO, SECRET) == b"a"
    with channel_to(served.address, ca, theirs) as channel:
        assert code(channel) is UNAVAILABLE


def test_what_is_wrong_with_the_files_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadCertificates, match="No such file"):
        server_credentials(tmp_path)
    issue(trustme.CA(), tmp_path, "127.0.0.1")
    (tmp_path / "tls.crt").write_bytes(issue(trustme.CA(), tmp_path / "other", "b").joinpath("tls.crt").read_bytes())
    with pytest.raises(BadCertificates, match="KEY_VALUES_MISMATCH"):
        server_credentials(tmp_path)


def test_a_file_that_becomes_readable_is_another(tmp_path: Path) -> None:
    directory = issue(trustme.CA(), tmp_path, "sidecar")
    before = stamp_of(directory / KEY)
    (directory / KEY).chmod(0o640)
    assert stamp_of(directory / KEY) != before is not None
    assert stamp_of(directory / "none") is None


def test_a_key_with_a_passphrase_is_refused_and_not_asked_about(tmp_path: Path) -> None:
    directory = issue(trustme.CA(), tmp_path, "sidecar")
    key = load_pem_private_key((directory / KEY).read_bytes(), None)
    sealed = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"secret"))
    (directory / KEY).write_bytes(sealed)
    command = [sys.executable, "-c", READ, str(directory)]
    ours, theirs = os.openpty()
    with open(ours), open(theirs):
        process = subprocess.run(command, preexec_fn=lambda: os.login_tty(theirs), timeout=30, check=False)
    assert process.returncode == 0
