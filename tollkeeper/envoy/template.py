"""The marks in envoy.yaml and meter.lua: replacing values, and cutting out the parts that Envoy includes.

Pure.

    key: value # render: name          one value
    # render: begin name               lines, up to
    # render: end
    # part: file.yaml                  a part, up to
    # part: end

The template is itself a valid configuration, so nothing can be in it that was never tried.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

VALUE = re.compile(r"^(?P<before>.*?(?:: |= ))(?P<value>.*) (?P<comment>#|--) render: (?P<name>[a-z_.]+)$")
YAML_COMMENT = "#"
BEGIN = re.compile(r"^(?P<indent> *)# render: begin (?P<name>[a-z_.]+)$")
END = re.compile(r"^ *# render: end$")
PART = re.compile(r"^(?P<indent> *)# part: (?P<name>[a-z_/.]+)$")
NAMED = re.compile(r"^- name: (?P<name>[A-Za-z_.]+)$")
TYPE = re.compile(r'^ +"@type": (?P<type>type\.googleapis\.com/[A-Za-z0-9_.]+)$', re.MULTILINE)
# A scalar that means the same with and without quotes, and the words that YAML 1.1 takes for something else.
PLAIN = re.compile(r"(?!(y|yes|n|no|true|false|on|off|null)\Z)[A-Za-z/][A-Za-z0-9/._-]*|[0-9]+(\.[0-9]+){0,3}s?", re.I)


Found = TypeVar("Found")


class UnknownMark(KeyError):
    """The template asks for a value, or was given one, that the other side does not know."""


@dataclass(frozen=True, slots=True)
class Part:
    """`text` is what lies between its marks, moved to the left margin, without marks."""

    name: str
    text: str


def fill(template: str, values: Mapping[str, str], blocks: Mapping[str, Sequence[str]]) -> str:
    """`template` with each value and block replaced; every one must be used."""
    lines: list[str] = []
    used: set[str] = set()
    inside = False
    for line in template.splitlines():
        if inside and not END.match(line):
            continue
        inside = False
        if begin := BEGIN.match(line):
            used.add(begin["name"])
            lines += [line, *(begin["indent"] + block for block in _look_up(blocks, begin["name"]))]
            inside = True
        elif value := VALUE.match(line):
            used.add(value["name"])
            text = _look_up(values, value["name"])
            scalar = quote(text) if value["comment"] == YAML_COMMENT else text
            lines.append(f"{value['before']}{scalar} {value['comment']} render: {value['name']}")
        else:
            lines.append(line)
    if unused := {*values, *blocks} - used:
        raise UnknownMark(f"the template has no mark for {sorted(unused)}")
    return "\n".join(lines) + "\n"


def _look_up(known: Mapping[str, Found], name: str) -> Found:
    if name not in known:
        raise UnknownMark(f"the template asks for {name}")
    return known[name]


def quote(text: str) -> str:
    """A YAML scalar: JSON's quoted strings are YAML's too."""
    return text if PLAIN.fullmatch(text) else json.dumps(text)


def parts(filled: str) -> list[Part]:
    found: list[Part] = []
    name, indent, lines = "", "", list[str]()
    for line in filled.splitlines():
        mark = PART.match(line)
        if mark and mark["name"] == "end":
            found.append(Part(name, "\n".join(lines) + "\n"))
            name = ""
        elif mark:
            name, indent, lines = mark["name"], mark["indent"], []
        elif name and not BEGIN.match(line) and not END.match(line):
            value = VALUE.match(line)
            kept = f"{value['before']}{value['value']}" if value else line
            lines.append(kept.removeprefix(indent))
    return found


def resources(part: Part, kind: str) -> str:
    """A file for path_config_source: each `- name:` item of the part becomes a resource of type `kind`."""
    lines = ["resources:"]
    for line in part.text.splitlines():
        named = NAMED.match(line)
        lines += [f'- "@type": type.googleapis.com/{kind}', f"  name: {named['name']}"] if named else [line]
    return "\n".join(lines) + "\n"


def filter_name(part: Part) -> str:
    return next(named["name"] for line in part.text.splitlines() if (named := NAMED.match(line)))


def filter_type(part: Part) -> str:
    found = TYPE.search(part.text)
    if found is None:
        raise UnknownMark(f"{part.name} has no @type")
    return found["type"]
