"""`jq` for the shells that tests run: that of this machine or, where there is none, the same engine from its wheel."""

import os
import shutil
import sys
from pathlib import Path

STAND_IN = f"""#!{sys.executable}
import json, sys
import jq

options, rest = [each for each in sys.argv[1:] if each[:1] == "-"], [each for each in sys.argv[1:] if each[:1] != "-"]
assert options in ([], ["-r"]) and len(rest) == 1, sys.argv
for each in jq.compile(rest[0]).input_text(sys.stdin.read()):
    print(each if options and isinstance(each, str) else json.dumps(each, indent=2, ensure_ascii=False))
"""


def path_with_jq(directory: Path) -> str:
    """A PATH on which there is a jq; `directory` is where a stand-in may be put."""
    path = os.environ.get("PATH", os.defpath)
    if shutil.which("jq"):
        return path
    program = directory / "jq"
    program.write_text(STAND_IN)
    program.chmod(0o755)
    return f"{path}{os.pathsep}{directory}"
