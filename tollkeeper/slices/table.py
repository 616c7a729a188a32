"""The services of a sidecar, as the command line, the plan of processes and the wiring see them.

A new service is a name here, in the group of processes that is to carry it, and a file of that name beside this one.
Those files import grpc, which the command line and the supervisor do without: they are imported where they run.
"""

from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from tollkeeper.config import Settings

if TYPE_CHECKING:
    from serving.call import Method
    from tollkeeper.slices.shared import Shared


class Service(StrEnum):
    AUTHZ = "authz"
    RATELIMIT = "ratelimit"
    ACCESSLOG = "accesslog"


# A lease is best settled where it was made.
GROUPS = {"authz": (Service.AUTHZ,), "ratelimit": (Service.RATELIMIT, Service.ACCESSLOG)}


def socket_of(group: str, settings: Settings) -> Path:
    """Where the first process of `group` listens."""
    return {"authz": settings.authz_socket, "ratelimit": settings.ratelimit_socket}[group]


def load_services() -> None:
    """Imports every service, so that `wire` need not: a process loads them before it knows which it will carry."""
    for service in Service:
        import_module(f"tollkeeper.slices.{service}")


def wire(service: Service, shared: "Shared") -> "list[Method]":
    """Makes a service in this process, with its background tasks, and returns what it serves."""
    methods: list[Method] = import_module(f"tollkeeper.slices.{service}").wire(shared)
    return methods
