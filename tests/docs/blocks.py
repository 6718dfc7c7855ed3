"""The code blocks of a document, and what is said of them in a comment before them.

A block of `sh` or `python` is run where nothing else is said; the others are looked at by what they are. A comment (HTML, so
that no reader sees it) directly before a block says otherwise:

    <!-- not run: REASON -->      nobody runs it here, and why
    <!-- file: NAME -->           what it holds is a file of the reader's, of this name
    <!-- beside -->               the server that it starts serves beside the one that runs
    <!-- stopped -->              the server is stopped for it
    <!-- refused -->              its last command ends with an error
    <!-- needs: NAME -->          run where the data of this name is there (NIGH_DATA)
"""

import dataclasses
import pathlib
import re

FENCE = re.compile(r"(?:<!-- ([^\n]*?) -->\n+)?^```([a-z]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RUN = {"sh", "python"}
#: Languages of blocks that are looked at, or that show something.
SHOWN = {"toml", "yaml", "json", "rust", "text", "filter"}
SAYINGS = {"not run", "file", "beside", "stopped", "refused", "needs"}


@dataclasses.dataclass
class Block:
    """A block, where it stands, and what is said of it."""

    document: str
    line: int
    language: str
    text: str
    saying: str
    of: str

    @property
    def place(self):
        return f"{self.document}:{self.line}"


def blocks(path: pathlib.Path, name: str) -> list[Block]:
    text = path.read_text()
    found = []
    for match in FENCE.finditer(text):
        said, language, body = match.groups()
        saying, _, of = (said or "").partition(": ")
        line = text.count("\n", 0, match.start(2)) + 1
        # A comment about something else (a text that a test writes) says nothing of a block.
        saying = saying if saying in SAYINGS else ""
        found.append(Block(name, line, language, body, saying, of if saying else ""))
    return found


def wrong(found: list[Block]) -> list[str]:
    """Blocks of which nobody knows what they are."""
    told = []
    for block in found:
        if block.language not in RUN | SHOWN:
            told.append(f"{block.place}: a block says what it is: {', '.join(sorted(RUN | SHOWN))}; not `{block.language}`")
        if block.saying in ("not run", "file", "needs") and not block.of:
            told.append(f"{block.place}: `{block.saying}` says of what, or why")
    return told
