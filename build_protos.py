"""Build hook: generates `protos/` from the descriptors of the pinned xds-protos.

xds-protos ships Envoy's API as generated modules without their .proto sources, so the descriptors are read back from
those modules and given to protoc.  Every import is relocated below `protos.`: the top-level name `envoy` stays free,
and no generated module collides with one that another package installs.  Owns generation only; nothing imports this at
run time.
"""

import importlib
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOTS = (
    "envoy/service/auth/v3/external_auth.proto",
    "envoy/service/ratelimit/v3/rls.proto",
    "envoy/service/accesslog/v3/als.proto",
)
# `from envoy.x import y` and `import envoy.x` in .py and .pyi, for each tree that is generated.
TREES = ("envoy", "xds", "udpa", "validate", r"google\.rpc")
IMPORT = re.compile(rf"^(\s*)(from|import) ((?:{'|'.join(TREES)})[.\w]*)", re.MULTILINE)
# google/protobuf comes with the runtime; every other tree is generated.
PROVIDED = "google/protobuf/"


class GenerateProtos(BuildHookInterface[Any]):
    """Hatchling runs this ahead of the wheel, the editable wheel and the sdist."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name == "wheel":
            generate(Path(self.root) / "protos")


def generate(target: Path) -> None:
    """Writes `*_pb2.py` and `*_pb2.pyi` below `target` for ROOTS and all that they import."""
    from grpc_tools import protoc

    files = [file for file in descriptors(ROOTS) if not file.name.startswith(PROVIDED)]
    with tempfile.TemporaryDirectory() as directory:
        descriptor_set = Path(directory) / "api.binpb"
        descriptor_set.write_bytes(FileDescriptorSet(file=descriptors(ROOTS)).SerializeToString())
        names = [file.name for file in files]
        arguments = [f"--descriptor_set_in={descriptor_set}", f"--python_out={target}", f"--pyi_out={target}", *names]
        if protoc.main(["protoc", *arguments]) != 0:
            raise RuntimeError("protoc failed on the descriptors of xds-protos")
    for name in names:
        for suffix in ("_pb2.py", "_pb2.pyi"):
            relocate(target / name.replace(".proto", suffix))
        for directory in (target / name).parents:
            if directory != target and directory.is_relative_to(target):
                (directory / "__init__.py").touch()  # protoc makes none, and tools that read imports look for it


def descriptors(roots: tuple[str, ...]) -> list[FileDescriptorProto]:
    """The files of `roots` and everything they import, each after its own imports."""
    ordered: dict[str, FileDescriptorProto] = {}

    def visit(file: FileDescriptor) -> None:
        if file.name in ordered:
            return
        for dependency in file.dependencies:
            visit(dependency)
        proto = FileDescriptorProto()
        file.CopyToProto(proto)
        ordered[file.name] = proto

    for root in module_descriptors(roots):
        visit(root)
    return list(ordered.values())


def module_descriptors(roots: tuple[str, ...]) -> Iterator[FileDescriptor]:
    for root in roots:
        yield importlib.import_module(root.removesuffix(".proto").replace("/", ".") + "_pb2").DESCRIPTOR


def relocate(path: Path) -> None:
    path.write_text(IMPORT.sub(r"\1\2 protos.\3", path.read_text()))


if __name__ == "__main__":
    generate(Path(sys.argv[1]))
