"""`python -m tollkeeper.worker GROUP`: one process of the sidecar; started by the supervisor, which gives it its place.

A module of its own, so that its start does not wait for the command line.
"""

import sys

import tollkeeper.lean  # noqa: F401 - ahead of all that imports structlog
from serving.addresses import CannotListenError
from tollkeeper.config import read_settings
from tollkeeper.handover import Place
from tollkeeper.logs import configure_logs


def main() -> None:
    settings, place = read_settings(), Place()
    configure_logs(settings.log_level, f"{sys.argv[1]}-spare")
    from tollkeeper.server import run_worker  # after the logs: its modules make loggers

    try:
        run_worker(settings, place)
    except CannotListenError as error:  # somebody has taken the address since the supervisor looked
        import structlog

        structlog.get_logger(__name__).error(str(error))
        sys.exit(1)


if __name__ == "__main__":
    main()
