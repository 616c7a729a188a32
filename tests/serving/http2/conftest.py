"""The HTTP/2 engine, and clients that break its rules."""

import pytest

from serving.call import Unary
from serving.engine import EngineKind
from tests.serving.conftest import Served, Server
from tests.serving.desk import ECHO, Desk, echo
from tests.serving.streams.test_stream import Sinks
from tests.serving.talks import Talks


@pytest.fixture
def kind() -> EngineKind:
    return "http2"


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def sinks() -> Sinks:
    return Sinks()


@pytest.fixture
def served(serve: Server, desk: Desk, sinks: Sinks, talks: Talks) -> Served:
    return serve(Unary(ECHO, echo), desk.method, sinks.method, talks.method)
