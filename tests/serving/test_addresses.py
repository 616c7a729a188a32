import re
import socket
import stat
import threading
from pathlib import Path

import grpc
import pytest

from serving.addresses import CannotListenError
from serving.call import Call, Unary
from serving.engine import EngineKind, open_engine
from tests.serving.conftest import Server, on_tcp

ECHO = "/test.Service/Echo"


def echo(message: bytes, call: Call) -> bytes:
    return message


METHOD = Unary(ECHO, echo)


def call(address: str) -> bytes:
    with grpc.insecure_channel(address) as channel:
        answer: bytes = channel.unary_unary(ECHO, None, None)(b"hello", timeout=10.0)
        return answer


@pytest.mark.parametrize("form", ["unix:{}", "unix://{}"])
def test_a_unix_socket_is_made_with_its_directory_and_removed_at_the_stop(
    serve: Server, tmp_path: Path, form: str
) -> None:
    path = tmp_path / "run" / "tollkeeper" / "engine.sock"
    served = serve(METHOD, address=form.format(path))
    assert served.call(ECHO, b"hello") == b"hello"
    assert stat.filemode(path.stat().st_mode) == "srw-rw----"
    assert served.engine.ports == {}
    served.stop()
    assert not path.exists()


def test_several_addresses_are_served_at_once(kind: EngineKind, serve: Server, tmp_path: Path) -> None:
    ports = set() if kind == "http2" else {"127.0.0.1:0", "localhost:0"}
    addresses = [f"unix:{tmp_path}/a.sock", f"unix:{tmp_path}/b.sock", *ports]
    engine = open_engine(kind, [METHOD], addresses)
    thread = threading.Thread(target=engine.serve)
    thread.start()
    assert set(engine.ports) == ports
    for address in [*addresses[:2], *(f"127.0.0.1:{port}" for port in engine.ports.values())]:
        assert call(address) == b"hello"
    engine.stop()
    thread.join()


def test_a_stale_socket_file_is_replaced(serve: Server, tmp_path: Path) -> None:
    path = tmp_path / "engine.sock"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
    assert path.is_socket()
    assert serve(METHOD, address=f"unix:{path}").call(ECHO, b"hello") == b"hello"


def test_a_socket_that_is_served_is_not_taken_away(kind: EngineKind, serve: Server, tmp_path: Path) -> None:
    served = serve(METHOD, address=f"unix:{tmp_path}/engine.sock")
    with pytest.raises(CannotListenError, match=f"cannot listen on {served.address}: another process listens there"):
        open_engine(kind, [METHOD], [served.address])
    assert call(served.address) == b"hello"


def test_a_file_that_is_no_socket_is_left_alone(kind: EngineKind, tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    path.write_text("precious")
    with pytest.raises(CannotListenError, match="exists and is not a socket"):
        open_engine(kind, [METHOD], [f"unix:{path}"])
    assert path.read_text() == "precious"


@on_tcp
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost", "[::]"])
def test_a_taken_port_is_refused_by_name(kind: EngineKind, host: str) -> None:
    with socket.socket(socket.AF_INET6 if host == "[::]" else socket.AF_INET) as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(("::" if host == "[::]" else "127.0.0.1" if host == "localhost" else host, 0))
        holder.listen()
        address = f"{host}:{holder.getsockname()[1]}"
        with pytest.raises(CannotListenError, match=re.escape(f"cannot listen on {address}: Address already in use")):
            open_engine(kind, [METHOD], [address])


@on_tcp
def test_a_port_of_another_engine_is_refused_and_nothing_stays_bound(
    kind: EngineKind, serve: Server, tmp_path: Path
) -> None:
    served = serve(METHOD)
    free, taken = f"unix:{tmp_path}/free.sock", served.address
    with pytest.raises(CannotListenError, match=f"{taken}: Address already in use"):
        open_engine(kind, [METHOD], [free, taken])
    assert serve(METHOD, address=free).call(ECHO, b"hello") == b"hello"
    assert served.call(ECHO, b"hello") == b"hello"


def test_ours_serves_no_port_and_leaves_nothing_bound(tmp_path: Path) -> None:
    free = tmp_path / "free.sock"
    with pytest.raises(CannotListenError, match=r"127\.0\.0\.1:0: this engine serves Unix sockets only"):
        open_engine("http2", [METHOD], [f"unix:{free}", "127.0.0.1:0"])
    assert not free.exists()


BAD_ADDRESSES = [
    ("", "expected host:port or unix:/path"),
    ("9001", "expected host:port or unix:/path"),
    ("127.0.0.1:http", "expected host:port or unix:/path"),
    ("127.0.0.1:99999", "expected host:port or unix:/path"),
    ("no-such-host.invalid:9001", ""),
    ("unix:", "expected host:port or unix:/path"),
    ("unix:/" + "x" * 120, "the path is longer than 107 bytes"),
    ("unix:/proc/nothing/engine.sock", "No such file or directory"),
]


@pytest.mark.parametrize(("address", "reason"), BAD_ADDRESSES)
def test_a_bad_address_is_refused_with_the_reason(kind: EngineKind, address: str, reason: str) -> None:
    with pytest.raises(CannotListenError, match=re.escape(f"cannot listen on {address}: {reason}")):
        open_engine(kind, [METHOD], [address])
