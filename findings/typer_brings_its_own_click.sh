#!/bin/bash
# A Typer command in a click group works until somebody mistypes: then click shows a traceback in place of a usage error.
#
# Seen with: typer 0.29.2, click 8.3.1, Python 3.11, Linux x86-64.
# Where: `typer.main.get_command` with `click.Group.add_command`, and `raise click.BadParameter` within a Typer command.
#
# Typer was built on click for years: its commands were click's, could be put into click's groups, and caught click's
# exceptions.  This version has click inside itself, as `typer._click`, and does not depend on the package.  Its commands
# still have the methods that click calls, so a mixed program runs; but they are no `click.Command`, and neither side
# knows the other's exceptions as its own.
#
# Seen: a Typer command in a click group runs and exits with 0.  Given a word for a number, click's own runner reports
# exit code 1 and an unhandled `BadParameter` of typer._click, with no output, where a command of click's exits with 2 and
# says what is wrong.  The other way round, `click.BadParameter` raised within a Typer command is exit code 1 too, where
# `typer.BadParameter` is 2.
# Exits 0 if that is still so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/python -m pip install --quiet typer==0.29.2 click==8.3.1

cat > mixed.py <<'PY'
import click
import typer
from click.testing import CliRunner
from typer.main import get_command
from typer.testing import CliRunner as TyperRunner


def of_typer(raised: type[Exception] | None = None) -> typer.Typer:
    app = typer.Typer()

    @app.command()
    def repeat(word: str, times: int = 1) -> None:
        if raised:
            raise raised("not this word")
        print(word * times)

    return app


@click.command()
@click.argument("word")
@click.option("--times", type=int, default=1)
def repeat(word: str, times: int) -> None:
    print(word * times)


command = get_command(of_typer())
group = click.Group()
group.add_command(command, "typer")
group.add_command(repeat, "click")
run = CliRunner().invoke

assert not isinstance(command, click.Command), type(command).__mro__
good = [run(group, [name, "ab", "--times", "2"]) for name in ("click", "typer")]
assert [(each.exit_code, each.output) for each in good] == [(0, "abab\n")] * 2, good
usual, odd = (run(group, [name, "ab", "--times", "two"]) for name in ("click", "typer"))
assert usual.exit_code == 2 and "'two' is not a valid integer" in usual.output, usual.output
assert odd.exit_code == 1 and odd.output == "", odd.output
assert type(odd.exception).__name__ == "BadParameter" and type(odd.exception).__module__ == "typer._click.exceptions"
raised = [TyperRunner().invoke(of_typer(each), ["ab"]).exit_code for each in (typer.BadParameter, click.BadParameter)]
assert raised == [2, 1], raised
print("a mistyped number:", f"click's command {usual.exit_code},", f"Typer's {odd.exit_code}, {odd.exception!r}")
print("BadParameter in a Typer command:", f"typer's {raised[0]},", f"click's {raised[1]}")
PY
venv/bin/python mixed.py
