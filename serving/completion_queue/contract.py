"""Checks that the running grpcio still has what this package uses of its private module.

Names are looked up at every start.  Under a version that our tests did not run on, calls are tried too, in a process of
their own, because a C library whose rules have changed aborts rather than raises.
"""

import subprocess
import sys
from collections.abc import Sequence

import grpc
from grpc._cython import cygrpc  # type: ignore[attr-defined]

# The grpcio that the tests passed on; the same as in pyproject.toml.
TESTED_VERSION = "1.85.1"
_TRIAL_SECONDS = 10.0
NEEDED = (
    "BatchOperationEvent.batch_operations",
    "BatchOperationEvent.success",
    "BatchOperationEvent.tag",
    "Call.cancel",
    "Call.peer",
    "Call.start_server_batch",
    "CallDetails.deadline",
    "CallDetails.method",
    "CompletionQueue.poll",
    "CompletionQueue.shutdown",
    "CompletionType.queue_shutdown",
    "ReceiveCloseOnServerOperation.cancelled",
    "ReceiveMessageOperation.message",
    "RequestCallEvent.call",
    "RequestCallEvent.call_details",
    "RequestCallEvent.invocation_metadata",
    "RequestCallEvent.success",
    "RequestCallEvent.tag",
    "SendInitialMetadataOperation",
    "SendMessageOperation",
    "SendStatusFromServerOperation",
    "Server.add_http2_port",
    "Server.cancel_all_calls",
    "Server.destroy",
    "Server.register_completion_queue",
    "Server.request_call",
    "Server.shutdown",
    "Server.start",
)


def problems() -> Sequence[str]:
    """What keeps the completion queue engine from running here; empty if nothing."""
    return missing(cygrpc) or ([] if grpc.__version__ == TESTED_VERSION else failed_trial())


def missing(module: object) -> list[str]:
    """The needed names that `module` lacks."""
    return [name for name in NEEDED if not _has(module, name.split("."))]


def failed_trial(python: str = sys.executable) -> list[str]:
    """Why a trial of the engine in a process of its own failed; empty if it did not."""
    command = [python, "-m", "serving.completion_queue.trial"]
    try:
        trial = subprocess.run(command, capture_output=True, text=True, timeout=_TRIAL_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return [f"a trial on grpcio {grpc.__version__} did not end"]
    if trial.returncode == 0:
        return []
    return [f"a trial on grpcio {grpc.__version__} failed ({trial.returncode}): {trial.stderr[-500:].strip()}"]


def _has(owner: object, names: Sequence[str]) -> bool:
    for name in names:
        if not hasattr(owner, name):
            return False
        owner = getattr(owner, name)
    return True
