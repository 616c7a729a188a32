"""`tollkeeper stub-model`: the only command that imports the stub model."""

import sys
from typing import Annotated

import typer

EXIT_BAD_SETTINGS = 2


def stub_model(
    listen: Annotated[str, typer.Option(help="Where to listen, HOST:PORT.")] = "127.0.0.1:8081",
    tokens: Annotated[int, typer.Option(help="Visible output tokens per reply.")] = 16,
    tokens_per_second: Annotated[float, typer.Option(help="Output tokens per second; 0: all at once.")] = 0.0,
    delay_ms: Annotated[int, typer.Option(help="Milliseconds before the first byte.")] = 0,
    capacity: Annotated[int, typer.Option(help="Maximum concurrent requests; 0: no limit.")] = 0,
    over_capacity: Annotated[str, typer.Option(help="What happens to more requests: refuse or wait.")] = "refuse",
    failure_rate: Annotated[float, typer.Option(help="Share of requests that fail, 0 to 1.")] = 0.0,
    failure_status: Annotated[int, typer.Option(help="Status of those that fail.")] = 500,
    usage: Annotated[bool, typer.Option(help="Whether answers report usage.")] = True,
) -> None:
    """Serve mock-model, for tests and demos: OpenAI and Anthropic protocols, with exact usage."""
    from stub_model.options import StubOptions
    from stub_model.server import serve

    host, _, port = listen.rpartition(":")
    try:
        options = StubOptions(
            tokens=tokens,
            tokens_per_second=tokens_per_second,
            delay_ms=delay_ms,
            capacity=capacity,
            over_capacity=over_capacity,  # type: ignore[arg-type] # checked by StubOptions
            failure_rate=failure_rate,
            failure_status=failure_status,
            usage=usage,
        )
        serve(host, int(port), options)
    except ValueError as error:
        typer.echo(f"tollkeeper: {error}", err=True)
        sys.exit(EXIT_BAD_SETTINGS)
