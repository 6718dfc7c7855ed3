"""What a collection holds and how it is indexed, and how it is."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Union

Metric = Literal["cosine", "dot", "euclid", "manhattan"]


@dataclass(frozen=True)
class HnswSpec:
    """The graph of a vector field; 0: the default."""

    #: Links of a node; twice as many on the base level.
    m: int = 0
    #: Width of the search that builds the graph.
    ef_construct: int = 0


@dataclass(frozen=True)
class IvfSpec:
    """Inverted lists instead of the graph, for vectors that stay on disk; 0 and empty: the default."""

    #: Lists of a segment.
    lists: int = 0
    #: What a list holds of a vector: ``pq4``, ``pq8``, ``bits1``, ``bits2``, ``bits4``, ``bits8``.
    code: str = ""
    #: Vectors that are compared in full, for each hit asked for.
    rerank: int = 0


@dataclass(frozen=True)
class VectorField:
    """A dense vector a point."""

    name: str
    #: Numbers in each vector.
    size: int
    metric: Metric = "cosine"
    hnsw: HnswSpec | None = None
    ivf: IvfSpec | None = None


@dataclass(frozen=True)
class SparseField:
    """A sparse vector a point, compared by dot product."""

    name: str
    #: The numbers of a query are multiplied by how rare their indices are when it is asked.
    idf: bool = False


@dataclass(frozen=True)
class MultiField:
    """Several vectors a point, compared by MaxSim."""

    name: str
    size: int
    metric: Metric = "cosine"


@dataclass(frozen=True)
class TextField:
    """Strings of the payload that are found by their words."""

    name: str
    #: Payload paths that are read as one text; empty: the name is the path.
    paths: Sequence[str] = ()
    #: ``standard`` or a language, with what else is done behind plus signs: ``german+fold+parts``.
    analyzer: str = "standard"
    #: BM25's own numbers; 1.2 and 0.75 where they are left out.
    k1: float | None = None
    b: float | None = None


AnyField = Union[VectorField, SparseField, MultiField]


@dataclass(frozen=True)
class CollectionSpec:
    """What a collection holds."""

    vectors: Sequence[VectorField] = ()
    texts: Sequence[TextField] = ()
    sparse: Sequence[SparseField] = ()
    multi: Sequence[MultiField] = ()
    #: Scalar payload fields are indexed without being asked unless this is set.
    no_auto_index: bool = False


@dataclass(frozen=True)
class SegmentStatus:
    """A segment."""

    number: int
    rows: int
    dead_rows: int
    bytes: int


@dataclass(frozen=True)
class UpkeepTask:
    """A seal or a merge that runs."""

    what: str
    reason: str
    rows: int
    stage: str
    files_done: int
    files: int
    running_ms: int


@dataclass(frozen=True)
class MemoryStatus:
    """What the server's process holds, of all collections, in bytes."""

    #: ``None``: there is none.
    limit: int | None
    held: int
    live: int
    queue: int
    graphs: int
    builds: int
    #: Writes that were refused for lack of memory.
    refused_writes: int


@dataclass(frozen=True)
class CollectionStatus:
    """How a collection is."""

    #: ``open``, ``opening`` or ``quarantined``.
    state: str
    points: int
    #: The newest sequence number that is applied, and that is on disk.
    seq: int
    durable_seq: int
    segments: tuple[SegmentStatus, ...]
    #: Rows not yet in a segment.
    live_rows: int
    live_bytes: int
    disk_bytes: int
    resident_bytes: int
    #: ``idle``, ``sealing`` or ``merging``.
    upkeep: str
    #: Why writes are refused; empty where they are not.
    refuses_writes: str
    tasks: tuple[UpkeepTask, ...]
    #: What upkeep could not do when it tried last, and why.
    upkeep_failed: str
    #: Where the log is archived: the last operation that is in the archive.
    archived_seq: int | None
    archive_gap: bool
    #: What upkeep waits for; empty: nothing.
    upkeep_waits: str = ""
    memory: MemoryStatus | None = None


@dataclass(frozen=True)
class Description:
    """What a collection holds, and how it is."""

    spec: CollectionSpec
    status: CollectionStatus


@dataclass(frozen=True)
class OpeningProgress:
    """How far the opening of a collection is, in bytes of its stage."""

    stage: str
    done_bytes: int
    total_bytes: int


@dataclass(frozen=True)
class CollectionSummary:
    """A collection of a list."""

    name: str
    #: ``open``, ``opening`` or ``quarantined``.
    state: str
    reason: str
    opening: OpeningProgress | None


@dataclass(frozen=True)
class Alias:
    """Another name of a collection."""

    alias: str
    collection: str


@dataclass(frozen=True)
class Estimate:
    """What a collection would take on the server's machine."""

    memory_bytes: int
    memory_peak_bytes: int
    #: Files that are mapped and not held: searches are fastest while they stay in the page cache.
    mapped_bytes: int
    disk_bytes: int
    disk_peak_bytes: int
    build_seconds: float
    build_cpu_seconds: float


@dataclass(frozen=True)
class Token:
    """A term as it stands in the index, and where its word stands, in bytes."""

    term: str
    position: int
    start: int
    end: int


@dataclass(frozen=True)
class Version:
    """A state of a collection that is kept under a name."""

    name: str
    seq: int
    time_ms: int
    points: int
    bytes: int
    #: Bytes of its files that the collection of now does not need.
    held_bytes: int
    #: Why it cannot be read; empty where it can.
    broken: str


@dataclass(frozen=True)
class Change:
    """What became of a point between two versions."""

    id: int | uuid.UUID
    kind: Literal["added", "removed", "changed"]


@dataclass(frozen=True)
class BackedUpCollection:
    """A collection of a backup."""

    name: str
    seq: int
    seq_time_ms: int
    points: int
    bytes: int


@dataclass(frozen=True)
class LeftOutCollection:
    """A collection that a backup should hold and does not."""

    name: str
    reason: str


@dataclass(frozen=True)
class Backup:
    """A backup."""

    id: str
    time_ms: int
    collections: tuple[BackedUpCollection, ...]
    #: Its description cannot be read.
    broken: bool
    #: Told when it is made, not when it is listed.
    left_out: tuple[LeftOutCollection, ...]


@dataclass(frozen=True)
class Restored:
    """What was restored."""

    backup: str
    collection: str
    seq: int
    points: int


@dataclass(frozen=True)
class Progress:
    """How far a backup or a restore is."""

    collection: str
    files: int
    files_total: int
    bytes: int
    bytes_total: int
    #: Bytes that were at the target already.
    bytes_reused: int


@dataclass(frozen=True)
class ScrubbedCollection:
    """What was found when every file was read again."""

    collection: str
    files: int
    bytes: int
    took_ms: int
    mended: tuple[str, ...]
    #: What is damaged; empty: nothing.
    damage: str


@dataclass(frozen=True)
class SourcePosition:
    """A place in what a batch was read from; it lands with the batch or not at all."""

    source: str
    offset: int
    partition: str = ""
    #: Where the partition has to stand before; a batch behind a gap is refused. ``None``: anywhere.
    after: int | None = None


@dataclass(frozen=True)
class ReachedPosition:
    """How far a partition has come."""

    source: str
    partition: str
    offset: int
    #: The last operation of its last batch.
    seq: int
