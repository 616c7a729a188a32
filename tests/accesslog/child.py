"""A process that serves the access log on a Unix socket, to be killed.  Arguments: directory, database, Redis."""

import sys
from pathlib import Path

from accesslog.metrics import AccessLogMetrics
from accesslog.pipeline import Pipeline
from accesslog.service import AccessLogService
from ledger.postgres.ledger import PostgresLedger
from ratelimit.budgets.redis import RedisBudgets
from serving.engine import open_engine
from serving.loop import LoopThread
from store.postgres import open_postgres
from store.redis import open_redis


def main(directory: Path, database_url: str, redis_url: str) -> None:
    loop, metrics = LoopThread(), AccessLogMetrics()

    async def open_pool() -> "PostgresLedger":
        return PostgresLedger(await open_postgres(database_url))

    pipeline = Pipeline(
        budgets=RedisBudgets(lambda: open_redis(redis_url, timeout=1.0), 60.0, timeout=1.0),
        ledger=loop.run(open_pool()),
        loop=loop,
        metrics=metrics,
        spool_dir=directory / "spool",
        checkpoint_file=directory / "checkpoint.json",
        log_file=directory / "access.jsonl",
    )
    pipeline.start()
    open_engine("auto", AccessLogService(pipeline, metrics).methods(), [f"unix:{directory}/als.sock"]).serve()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
