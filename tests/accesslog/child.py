"""A process that serves the access log on a Unix socket, to be killed.  Arguments: directory, database, Redis."""

import sys
from pathlib import Path

from accesslog.metrics import AccessLogMetrics
from accesslog.pipeline import Pipeline
from accesslog.service import AccessLogService
from ledger.postgres.ledger import PostgresLedger
from ratelimit.budgets.jobs_redis import RedisJobs
from ratelimit.budgets.redis import RedisBudgets
from serving.engine import open_engine
from serving.loop import LoopThread
from store.postgres import PostgresPool, open_postgres
from store.redis import open_redis, open_redis_async
from tenancy.postgres.catalog import PostgresModelSource
from tenancy.postgres.key_uses import PostgresKeyUses
from tenancy.redis.catalog import RedisModelCache
from tenancy.resolving.catalog import ModelCatalog


def main(directory: Path, database_url: str, redis_url: str) -> None:
    loop, metrics = LoopThread(), AccessLogMetrics()

    async def open_pool() -> PostgresPool:
        return await open_postgres(database_url)

    pool = loop.run(open_pool())
    models = ModelCatalog(PostgresModelSource(pool), RedisModelCache(open_redis_async(redis_url, timeout=1.0)))
    loop.spawn(models.run(), "model catalog")
    pipeline = Pipeline(
        budgets=RedisBudgets(lambda: open_redis(redis_url, timeout=1.0), 60.0, timeout=1.0),
        jobs=RedisJobs(lambda: open_redis(redis_url, timeout=1.0), 600.0),
        ledger=PostgresLedger(pool),
        prices=models.price_list,
        key_uses=PostgresKeyUses(pool),
        loop=loop,
        metrics=metrics,
        sift=lambda entry: entry,
        spool_dir=directory / "spool",
        checkpoint_file=directory / "checkpoint.json",
        log_file=directory / "access.jsonl",
    )
    pipeline.start()
    open_engine("auto", AccessLogService(pipeline, metrics).methods(), [f"unix:{directory}/als.sock"]).serve()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
