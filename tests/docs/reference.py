"""docs/api-reference.md: every call, message and field of nigh.v1, written from the .proto files and their comments.

    python tests/docs/reference.py            ends with 1 where the page is not what the files say
    python tests/docs/reference.py --write    writes it

docs/api.md tells of the calls in words; it is held to name every one of them.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "api-reference.md"
HEAD = """# Every message of nigh.v1

Written from the files in [`proto/nigh/v1`](../proto/nigh/v1) by `tests/docs/reference.py`, which also holds it against them. [api.md](api.md)
tells how the calls are made, what they are limited to, and what errors look like. Numbers of 64 bits are strings in JSON.
"""
RPC = re.compile(r"rpc (\w+)\((stream )?([\w.]+)\) returns \((stream )?([\w.]+)\)")
FIELD = re.compile(r"((?:repeated|optional) )?(map<[^>]+>|[\w.]+) (\w+) = (\d+)")
VALUE = re.compile(r"(\w+) = (\d+)")


class File:
    """What a file says, line by line: calls, messages, enums, with the comments before them."""

    def __init__(self, path):
        self.title, self.calls, self.messages = "", {}, {}
        comment, inside = [], []
        lines = path.read_text().splitlines()
        for line in (line.strip() for line in lines):
            if line.startswith("//"):
                comment.append(line.lstrip("/ "))
                continue
            said, comment = " ".join(comment), []
            if not line:
                # A comment that stands alone at the head is of the file.
                self.title = self.title or said
                continue
            self.line(line, said, inside)

    def line(self, line, said, inside):
        if line.startswith("}"):
            # An rpc with an empty body ends where it begins.
            if inside:
                inside.pop()
            return
        if opened := re.match(r"(service|message|enum|oneof) (\w+) \{", line):
            inside.append(opened.groups())
            kind, name = opened.groups()
            if kind == "service":
                self.calls[name] = (said, [])
            elif kind != "oneof":
                self.messages[self.path(inside)] = (kind, said, [])
            if line.endswith("}"):
                inside.pop()
            return
        # Further on a line of its own: it belongs to what is open.
        if not inside:
            return
        kind, name = inside[-1]
        if kind == "service" and (call := RPC.match(line)):
            self.calls[name][1].append((call, said))
            if line.endswith("{"):
                inside.append(("rpc", call[1]))
        elif kind == "enum" and (value := VALUE.match(line)):
            self.messages[self.path(inside)][2].append((value[1], "", said))
        elif kind in ("message", "oneof") and (field := FIELD.match(line)):
            of = f"one of `{name}`" if kind == "oneof" else ""
            type_name = f"{field[1] or ''}{field[2]}"
            self.messages[self.path(inside)][2].append((field[3], type_name, ". ".join(filter(None, [of, said])) if not said else f"{said}{' (' + of + ')' if of else ''}"))

    @staticmethod
    def path(inside):
        return ".".join(name for kind, name in inside if kind in ("message", "enum"))


def cell(text):
    return text.replace("|", "\\|").replace("<", "&lt;")


def written(files):
    out = [HEAD]
    for file in files.values():
        for service, (said, calls) in file.calls.items():
            out += [f"## {service}", "", said, ""] if said else [f"## {service}", ""]
            out += ["| call | asks | answers | |", "|---|---|---|---|"]
            for call, told in calls:
                asks, answers = (f"{stream or ''}`{name}`" for stream, name in ((call[2], call[3]), (call[4], call[5])))
                out.append(f"| `{call[1]}` | {asks} | {answers} | {cell(told)} |")
            out.append("")
    for name, file in files.items():
        out += [f"## Messages of {name}", ""]
        for message, (kind, said, fields) in file.messages.items():
            out += [f"### {message}", ""]
            out += [said, ""] if said else []
            if not fields:
                out += ["No fields.", ""] if kind == "message" else []
                continue
            out += ["| field | type | |", "|---|---|---|"] if kind == "message" else ["| value | |", "|---|---|"]
            for field, type_name, told in fields:
                middle = f" `{type_name}` |" if kind == "message" else ""
                out.append(f"| `{field}` |{middle} {cell(told)} |")
            out.append("")
    return "\n".join(out)


def main():
    files = {path.name: File(path) for path in sorted((ROOT / "proto/nigh/v1").glob("*.proto"))}
    text = written(files)
    if "--write" in sys.argv:
        PAGE.write_text(text)
    told, api = [], (ROOT / "docs/api.md").read_text()
    if PAGE.read_text() != text:
        told.append("docs/api-reference.md is not what the .proto files say: python3 tests/docs/reference.py --write")
    for file in files.values():
        for service, (_, calls) in file.calls.items():
            told += [f"docs/api.md does not name the call {service}/{call[1]}" for call, _ in calls if f"`{call[1]}`" not in api]
    # What no line of the files was taken for is not in the page.
    for name, file in files.items():
        fields = sum(len(fields) for _, _, fields in file.messages.values())
        numbered = len(re.findall(r"^\s+[^/\n]*= \d+;|^\s+[^/\n]*= \d+ \[", (ROOT / "proto/nigh/v1" / name).read_text(), re.MULTILINE))
        if fields != numbered:
            told.append(f"{name}: {numbered} fields and values, and {fields} in the page")
    if told:
        sys.exit("\n".join(told))
    print(f"reference: {sum(len(file.messages) for file in files.values())} messages as the files say")


if __name__ == "__main__":
    main()
