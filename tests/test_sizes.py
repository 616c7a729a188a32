"""How large files, functions and folders may be, and that the migrations of all rooms are one sequence.

What is larger is named here with its reason, and no longer once it is smaller.
"""

import ast
import subprocess
from collections import Counter
from pathlib import Path

from store.migrate import FILES, MIGRATIONS

ROOT = Path(__file__).parents[1]
MAX_FILES, MAX_LINES, MAX_FUNCTION_LINES = 20, 300, 50
CODE = {".py", ".lua", ".js", ".css", ".html", ".sql", ".sh"}
LARGE_FILES = {
    "tests/upgrade/f65c425/postgres.sql": "a dump of the database of an earlier version, as pg_dump wrote it",
}
LONG_FUNCTIONS = {
    "accesslog/pipeline.py:Pipeline.__init__": "a parameter a line, for each thing that a pipeline is made of",
    "admin/app.py:ports_on": "a port a line",
    "tollkeeper/envoy/commands.py:render_command": "an option a line: the command line is read off the signature",
}


def tracked() -> list[str]:
    """Files of the repository, those too that are yet to be added."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [name for name in listed if (ROOT / name).is_file()]


def functions(node: ast.AST, within: str = "") -> dict[str, int]:
    """Qualified name → lines, its decorators apart."""
    found: dict[str, int] = {}
    for child in ast.iter_child_nodes(node):
        name = within
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{within}.{child.name}".lstrip(".")
            if not isinstance(child, ast.ClassDef):
                found[name] = (child.end_lineno or 0) - child.lineno + 1
        found |= functions(child, name)
    return found


def test_no_folder_has_more_files_than_one_sees_at_a_glance() -> None:
    counts = Counter(str(Path(name).parent) for name in tracked())
    assert counts["serving"] > 10
    assert {folder: count for folder, count in counts.items() if count > MAX_FILES} == {}


def test_files_are_short() -> None:
    lines = {name: (ROOT / name).read_text().count("\n") for name in tracked() if Path(name).suffix in CODE}
    assert {name for name, count in lines.items() if count > MAX_LINES} == LARGE_FILES.keys()


def test_functions_are_short() -> None:
    names = (name for name in tracked() if name.endswith(".py"))
    found = {
        f"{name}:{function}": count
        for name in names
        for function, count in functions(ast.parse((ROOT / name).read_text())).items()
    }
    assert {name for name, count in found.items() if count > MAX_FUNCTION_LINES} == LONG_FUNCTIONS.keys()


def test_migrations_are_one_sequence() -> None:
    """Two slices that each begin one at the same time would take the same number."""
    numbers = [int(name.split("_")[0]) for name in MIGRATIONS]
    assert len(FILES) == len(list((ROOT / "store" / "migrations").rglob("*.sql")))
    assert numbers == sorted([*range(1, numbers[-1] + 1), 14])  # both of 14 are in databases by now
