"""Messages of any type of the .proto files, made up by chance: as bytes and as JSON."""

import pathlib
import re
import struct

import h2

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent / "proto"
FIELD = re.compile(r"(repeated |optional )?(map<\s*(\w+)\s*,\s*([\w.]+)\s*>|[\w.]+)\s+(\w+)\s*=\s*(\d+)")
RPC = re.compile(r"rpc (\w+)\s*\((stream )?([\w.]+)\) returns \((stream )?([\w.]+)\)")
VARINTS = {"uint32", "uint64", "int32", "int64", "bool", "sint32", "sint64"}
FIXED = {"double": "<d", "float": "<f", "fixed64": "<Q", "fixed32": "<I", "sfixed64": "<q", "sfixed32": "<i"}
#: Depth of a message, and elements of a list.
DEPTH, MANY = 6, 4
NUMBERS = [0, 1, 2, 3, 7, 10, 100, 127, 128, 255, 10_000, 65_535, 1 << 20, (1 << 31) - 1, (1 << 32) - 1, (1 << 63) - 1, (1 << 64) - 1]
FLOATS = [0.0, 1.0, -1.0, 0.5, 1e-30, 1e30, float("inf"), float("-inf"), float("nan"), 3.4e38, 1e300, -0.0]
WORDS = ["", "v", "t", "n", "a.b", "fox", "n = 1", "n >= 1 AND NOT t IS EMPTY", "{}", '{"n": 1}', '{"t": "x", "n": [1, null]}', "[1", "\0", "é" * 50, "a" * 3000, "../../etc", "2026-01-01", "file:///etc", "english", "$", "\U0001f98a"]
COLLECTIONS = ["docs", "other", "absent", "docs", "other", "", "../docs", "docs\0", "DOCS", "a" * 300]
UUID = "6f1c2f9e-8a55-4c0e-9f0e-2d1f5a3b7c10"


class Schema:
    """The messages and calls of a package."""

    def __init__(self, folder, package):
        self.package, self.messages, self.enums, self.calls = package, {}, set(), []
        for path in sorted((ROOT / folder).glob("*.proto")):
            self.read(re.sub(r"//[^\n]*|/\*.*?\*/", "", path.read_text(), flags=re.DOTALL))

    def read(self, text):
        inside, buffer = [], ""
        for piece in re.split(r"([{};])", text):
            if piece == "{":
                words = buffer.split()
                kind, name = (words[0], words[1]) if len(words) > 1 else ("", "")
                if kind in ("message", "enum"):
                    name = ".".join([of for kind_of, of in inside if kind_of == "message"] + [name])
                    (self.messages.setdefault(name, []) if kind == "message" else self.enums.add(name.split(".")[-1]))
                    inside.append((kind, words[1]))
                else:
                    self.call(buffer, inside)
                    inside.append((kind, name))
                buffer = ""
            elif piece in ("}", ";"):
                self.call(buffer, inside)
                field = FIELD.search(buffer)
                owner = ".".join(of for kind, of in inside if kind == "message")
                if field and owner and inside[-1][0] in ("message", "oneof"):
                    label, of, key, value, name, number = field.groups()
                    one = inside[-1][1] if inside[-1][0] == "oneof" else None
                    self.messages[owner].append((name, of, label == "repeated ", (key, value) if key else None, int(number), one))
                if piece == "}" and inside:
                    inside.pop()
                buffer = ""
            else:
                buffer += piece

    def call(self, text, inside):
        if (found := RPC.search(text)) and inside:
            service = next((name for kind, name in reversed(inside) if kind == "service"), None)
            if service:
                self.calls.append((f"/{self.package}.{service}/{found[1]}", found[3], bool(found[2] or found[4])))

    def find(self, name, owner):
        """A type by its name, as it is looked for from inside another one."""
        name = name.removeprefix(f"{self.package}.").removeprefix(".")
        parts = owner.split(".")
        for depth in range(len(parts), -1, -1):
            full = ".".join([*parts[:depth], name])
            if full in self.messages:
                return full
        return None

    def chosen(self, chance, owner, depth):
        """Fields of a message that are there, at most one of each oneof; fewer the deeper it is."""
        fields, taken = self.messages[owner], set()
        for field in chance.sample(fields, len(fields)):
            names = field[0] in ("collection", "collection_name")
            if not names and chance.random() > (0.6 if depth < 2 else 0.35):
                continue
            if field[5] is not None and field[5] in taken:
                continue
            taken.add(field[5])
            yield field

    def scalar(self, chance, name, of):
        if of == "string":
            if name in ("collection", "collection_name"):
                return chance.choice(COLLECTIONS)
            return chance.choice([UUID, *WORDS]) if name == "uuid" else chance.choice(WORDS)
        if of == "bytes":
            return chance.randbytes(chance.choice([0, 1, 16, 400]))
        if of in ("double", "float"):
            return chance.choice(FLOATS)
        if of == "bool":
            return chance.random() < 0.5
        return chance.choice(NUMBERS[:8] if name == "num" or chance.random() < 0.7 else NUMBERS)

    def many(self, chance, repeated, of):
        if not repeated:
            return 1
        # A vector of the right length, often.
        return chance.choice([4, 4, 4, chance.randrange(MANY)]) if of in ("float", "double") else chance.randrange(MANY)

    def message(self, chance, owner, depth=0):
        """As bytes."""
        out = bytearray()
        for name, of, repeated, pair, number, _ in self.chosen(chance, owner, depth):
            for _ in range(chance.randrange(3) if pair else self.many(chance, repeated, of)):
                if pair:
                    inner = self.element(chance, owner, "key", pair[0], 1, depth) + self.element(chance, owner, "value", pair[1], 2, depth)
                    out += h2.varint(number << 3 | 2) + h2.varint(len(inner)) + inner
                else:
                    out += self.element(chance, owner, name, of, number, depth)
        return bytes(out)

    def element(self, chance, owner, name, of, number, depth):
        if of in FIXED:
            value = self.scalar(chance, name, of) if of in ("double", "float") else chance.choice(NUMBERS[:12])
            try:
                packed = struct.pack(FIXED[of], value)
            except OverflowError:
                packed = struct.pack(FIXED[of], float("inf"))
            return h2.varint(number << 3 | (1 if len(packed) == 8 else 5)) + packed
        if of in ("string", "bytes"):
            value = self.scalar(chance, name, of)
            value = value.encode() if isinstance(value, str) else value
            return h2.varint(number << 3 | 2) + h2.varint(len(value)) + value
        if inner_type := self.find(of, owner):
            inner = self.message(chance, inner_type, depth + 1) if depth < DEPTH else b""
            return h2.varint(number << 3 | 2) + h2.varint(len(inner)) + inner
        value = int(self.scalar(chance, name, of)) if of in VARINTS else chance.randrange(8)
        return h2.varint(number << 3) + h2.varint(value)

    def json(self, chance, owner, depth=0):
        """As what becomes JSON."""
        out = {}
        for name, of, repeated, pair, _, _ in self.chosen(chance, owner, depth):
            if pair:
                out[name] = {chance.choice(WORDS): self.value(chance, owner, "value", pair[1], depth) for _ in range(chance.randrange(3))}
            elif repeated:
                out[name] = [self.value(chance, owner, name, of, depth) for _ in range(self.many(chance, True, of))]
            else:
                out[name] = self.value(chance, owner, name, of, depth)
        return out

    def value(self, chance, owner, name, of, depth):
        if chance.random() < 0.02:
            return chance.choice([None, {}, [], "x", 1e400, -1, [[]], {"a": {}}, True])
        if inner := self.find(of, owner):
            return self.json(chance, inner, depth + 1) if depth < DEPTH else {}
        if of in ("double", "float"):
            value = self.scalar(chance, name, of)
            return value if value == value and abs(value) != float("inf") else "NaN"
        if of == "bytes":
            return "AAAA"
        if of not in VARINTS and of not in FIXED and of != "string":
            return chance.randrange(8)
        value = self.scalar(chance, name, of)
        return str(value) if of in ("uint64", "int64") else value
