#!/bin/bash
# mypyc cannot compile a class with an attribute called `_thread`: what it writes is no C.
#
# Seen with: mypy 2.4.1 (mypyc), setuptools 80.9.0, gcc 12.2, Python 3.11, Linux x86-64.
# Where: the struct of a native class.  mypyc puts one underscore ahead of each attribute, and GCC and Clang have the keyword
# `__thread`.
#
# A usual name for what a class keeps its thread under; mypy is content, mypyc too, and the C compiler stops at the header,
# some minutes into the build of a larger package, in a file whose lines nobody wrote.  `thread` and `_worker` compile.
#
# Seen: with `_worker` the build succeeds and the module works; with `_thread` gcc says "expected identifier or '(' before
# '__thread'".
# Exits 0 if that is still so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/python -m pip install --quiet mypy==2.4.1 setuptools==80.9.0

build() { # ATTRIBUTE: in a directory of its own; prints what the compiler says of keywords, then the module's answer
  mkdir "$1"
  cat > "$1/holder.py" <<PY
class Holder:
    def __init__(self, number: int) -> None:
        self.$1 = number

    def number(self) -> int:
        return self.$1
PY
  printf 'from setuptools import setup\nfrom mypyc.build import mypycify\nsetup(name="holder", ext_modules=mypycify(["holder.py"], opt_level="0"))\n' > "$1/setup.py"
  (
    cd "$1"
    LC_ALL=C ../venv/bin/python setup.py build_ext --inplace > log 2>&1 || true
    grep -o "before .__thread." log | tail -1 | tr -d "'\`" || true
    ../venv/bin/python -c 'import holder; print("compiled" if holder.__file__.endswith(".so") else "not compiled", holder.Holder(7).number())'
  )
}

one=$(build _worker) other=$(build _thread)
echo "_worker: $one"
echo "_thread: $other"
[ "$one" = "compiled 7" ] && [[ "$other" == *__thread*"not compiled 7" ]]
