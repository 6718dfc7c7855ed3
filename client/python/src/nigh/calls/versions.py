"""Versions that are kept, backups and restores, sources, and whether files are what was written."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from nigh import mirror
from nigh.points import Points, selector_out
from nigh.schema import Backup, Change, Progress, ReachedPosition, Restored, ScrubbedCollection, Version
from nigh.transport import Call, Stream
from nigh.v1 import integrity_pb2, sources_pb2, versions_pb2
from nigh.wire import PointId, id_in, id_out


@dataclass(frozen=True)
class DiffPage:
    """What differs between two versions, in rising order of id."""

    changes: tuple[Change, ...]
    #: Where the next page starts; ``None`` after the last one.
    next: int | uuid.UUID | None
    before_seq: int
    after_seq: int


def pin(collection: str, version: str) -> Call[Version]:
    """Keeps the newest state of a collection under a name; every read takes that as ``version``.

    >>> client.pin("books", "monday").points
    4
    >>> client.delete("books", [1]).affected
    1
    >>> client.count("books", version="monday"), client.count("books")
    (4, 3)
    """
    request = versions_pb2.PinRequest(collection=collection, version=version)
    return Call("Versions.Pin", request, lambda reply: mirror.read(Version, reply.version), harmless=False)


def pins(collection: str) -> Call[tuple[Version, ...]]:
    """Every version that is kept, the oldest first.

    >>> client.pins("books")
    ()
    """
    return Call("Versions.Pins", versions_pb2.PinsRequest(collection=collection), _versions)


def _versions(reply: versions_pb2.PinsReply) -> tuple[Version, ...]:
    return tuple(mirror.read(Version, one) for one in reply.versions)


def unpin(collection: str, version: str) -> Call[bool]:
    """Drops a version: whether there was one.

    >>> client.unpin("books", "monday")
    False
    """
    request = versions_pb2.UnpinRequest(collection=collection, version=version)
    return Call("Versions.Unpin", request, lambda reply: bool(reply.dropped), harmless=False)


def diff(
    collection: str, before: str, after: str = "", *, start: PointId | None = None, limit: int = 0
) -> Call[DiffPage]:
    """A page of what differs between two versions; an empty ``after`` is the collection of now.

    >>> _ = client.pin("books", "monday")
    >>> _ = client.delete("books", [1])
    >>> client.diff("books", "monday").changes
    (Change(id=1, kind='removed'),)
    """
    request = versions_pb2.DiffRequest(collection=collection, before=before, after=after, limit=limit)
    if start is not None:
        getattr(request, "from").CopyFrom(id_out(start))
    return Call("Versions.Diff", request, _diff_page)


def _diff_page(reply: versions_pb2.DiffReply) -> DiffPage:
    changes = tuple(mirror.read(Change, one) for one in reply.changes)
    following = id_in(reply.next) if reply.HasField("next") else None
    return DiffPage(changes, following, reply.before_seq, reply.after_seq)


def backup(
    target: str = "", collections: Sequence[str] = (), *, on_progress: Callable[[Progress], None] | None = None
) -> Stream[Backup]:
    """Copies collections, all that are open where none is named, to a target that the server was started with.

    >>> made = client.backup(collections=["books"])
    >>> [one.points for one in made.collections]
    [4]
    """
    request = versions_pb2.BackupRequest(target=target, collections=collections)
    outcome = lambda word: mirror.read(Backup, word.backup) if word.HasField("backup") else None  # noqa: E731
    return Stream("Versions.Backup", request, outcome, _seen_by(on_progress))


def restore(
    collection: str,
    *,
    into: str = "",
    target: str = "",
    backup: str = "",
    seq: int | None = None,
    time_ms: int | None = None,
    newest: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> Stream[Restored]:
    """Makes a new collection of a backup, at the backup's own moment unless ``seq``, ``time_ms`` or ``newest`` names
    another one, which needs the archived log.

    >>> _ = client.backup(collections=["books"])
    >>> client.restore("books", into="again").points
    4
    """
    request = versions_pb2.RestoreRequest(target=target, backup=backup, collection=collection, into=into)
    if seq is not None:
        request.seq = seq
    elif time_ms is not None:
        request.time_ms = time_ms
    elif newest:
        request.newest = True
    outcome = lambda word: mirror.read(Restored, word.restored) if word.HasField("restored") else None  # noqa: E731
    return Stream("Versions.Restore", request, outcome, _seen_by(on_progress))


def _seen_by(on_progress: Callable[[Progress], None] | None) -> Callable[[Any], None]:
    def see(word: versions_pb2.TransferProgress) -> None:
        if on_progress is not None:
            on_progress(mirror.read(Progress, word))

    return see


def backups(target: str = "") -> Call[tuple[Backup, ...]]:
    """Every backup of a target, the oldest first.

    >>> [one.broken for one in client.backups()]
    []
    """
    return Call("Versions.Backups", versions_pb2.BackupsRequest(target=target), _backups)


def _backups(reply: versions_pb2.BackupsReply) -> tuple[Backup, ...]:
    return tuple(mirror.read(Backup, one) for one in reply.backups)


def drop_backup(backup: str, target: str = "") -> Call[int]:
    """Drops a backup, and the files that no other one holds: the bytes that came free.

    >>> made = client.backup(collections=["books"])
    >>> client.drop_backup(made.id) >= 0
    True
    """
    request = versions_pb2.DropBackupRequest(target=target, backup=backup)
    return Call("Versions.DropBackup", request, lambda reply: int(reply.bytes_freed), harmless=False, patient=True)


def source_positions(collection: str, source: str = "") -> Call[tuple[ReachedPosition, ...]]:
    """How far the sources of a collection were read, by partition.

    >>> place = nigh.SourcePosition("orders", 7)
    >>> _ = client.write("books", [nigh.Point(5)], positions=[place])
    >>> client.source_positions("books")[0].offset
    7
    """
    request = sources_pb2.GetSourcePositionsRequest(collection=collection, source=source)
    return Call("Sources.GetSourcePositions", request, _positions)


def _positions(reply: sources_pb2.GetSourcePositionsReply) -> tuple[ReachedPosition, ...]:
    return tuple(mirror.read(ReachedPosition, one) for one in reply.positions)


def drop_source(collection: str, source: str) -> Call[bool]:
    """Forgets a source: whether there was one. Batches from it are applied again.

    >>> client.drop_source("books", "orders")
    False
    """
    request = sources_pb2.DropSourceRequest(collection=collection, source=source)
    return Call("Sources.DropSource", request, lambda reply: bool(reply.dropped), harmless=False)


def scrub(collection: str = "", *, bytes_per_second: int = 0) -> Call[tuple[ScrubbedCollection, ...]]:
    """Reads every file again from the medium; answers when that is done.

    >>> [one.damage for one in client.scrub("books")]
    ['']
    """
    request = integrity_pb2.ScrubRequest(collection=collection, bytes_per_second=bytes_per_second)
    return Call("Integrity.Scrub", request, _scrubbed, patient=True)


def _scrubbed(reply: integrity_pb2.ScrubReply) -> tuple[ScrubbedCollection, ...]:
    return tuple(mirror.read(ScrubbedCollection, one) for one in reply.collections)


def erase(collection: str, points: Points | None = None) -> Call[dict[str, Any]]:
    """Removes all that was deleted from the disk, these points too; answers with a receipt.

    >>> receipt = client.erase("books", [1])
    >>> receipt["collection"]
    'books'
    """
    selected = None if points is None else selector_out(points)
    request = integrity_pb2.EraseRequest(collection=collection, points=selected)
    return Call("Integrity.Erase", request, _receipt, patient=True)


def _receipt(reply: integrity_pb2.EraseReply) -> dict[str, Any]:
    receipt: dict[str, Any] = json.loads(reply.receipt)
    return receipt
