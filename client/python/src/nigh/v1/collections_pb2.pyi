from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Metric(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    METRIC_UNSPECIFIED: _ClassVar[Metric]
    METRIC_COSINE: _ClassVar[Metric]
    METRIC_DOT: _ClassVar[Metric]
    METRIC_EUCLID: _ClassVar[Metric]
    METRIC_MANHATTAN: _ClassVar[Metric]
METRIC_UNSPECIFIED: Metric
METRIC_COSINE: Metric
METRIC_DOT: Metric
METRIC_EUCLID: Metric
METRIC_MANHATTAN: Metric

class CollectionSpec(_message.Message):
    __slots__ = ("vectors", "texts", "no_auto_index", "sparse", "multi")
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    NO_AUTO_INDEX_FIELD_NUMBER: _ClassVar[int]
    SPARSE_FIELD_NUMBER: _ClassVar[int]
    MULTI_FIELD_NUMBER: _ClassVar[int]
    vectors: _containers.RepeatedCompositeFieldContainer[VectorField]
    texts: _containers.RepeatedCompositeFieldContainer[TextField]
    no_auto_index: bool
    sparse: _containers.RepeatedCompositeFieldContainer[SparseField]
    multi: _containers.RepeatedCompositeFieldContainer[MultiField]
    def __init__(self, vectors: _Optional[_Iterable[_Union[VectorField, _Mapping]]] = ..., texts: _Optional[_Iterable[_Union[TextField, _Mapping]]] = ..., no_auto_index: bool = ..., sparse: _Optional[_Iterable[_Union[SparseField, _Mapping]]] = ..., multi: _Optional[_Iterable[_Union[MultiField, _Mapping]]] = ...) -> None: ...

class VectorField(_message.Message):
    __slots__ = ("name", "size", "metric", "hnsw", "ivf")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    HNSW_FIELD_NUMBER: _ClassVar[int]
    IVF_FIELD_NUMBER: _ClassVar[int]
    name: str
    size: int
    metric: Metric
    hnsw: HnswSpec
    ivf: IvfSpec
    def __init__(self, name: _Optional[str] = ..., size: _Optional[int] = ..., metric: _Optional[_Union[Metric, str]] = ..., hnsw: _Optional[_Union[HnswSpec, _Mapping]] = ..., ivf: _Optional[_Union[IvfSpec, _Mapping]] = ...) -> None: ...

class SparseField(_message.Message):
    __slots__ = ("name", "idf")
    NAME_FIELD_NUMBER: _ClassVar[int]
    IDF_FIELD_NUMBER: _ClassVar[int]
    name: str
    idf: bool
    def __init__(self, name: _Optional[str] = ..., idf: bool = ...) -> None: ...

class MultiField(_message.Message):
    __slots__ = ("name", "size", "metric")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    name: str
    size: int
    metric: Metric
    def __init__(self, name: _Optional[str] = ..., size: _Optional[int] = ..., metric: _Optional[_Union[Metric, str]] = ...) -> None: ...

class HnswSpec(_message.Message):
    __slots__ = ("m", "ef_construct")
    M_FIELD_NUMBER: _ClassVar[int]
    EF_CONSTRUCT_FIELD_NUMBER: _ClassVar[int]
    m: int
    ef_construct: int
    def __init__(self, m: _Optional[int] = ..., ef_construct: _Optional[int] = ...) -> None: ...

class IvfSpec(_message.Message):
    __slots__ = ("lists", "code", "rerank")
    LISTS_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    RERANK_FIELD_NUMBER: _ClassVar[int]
    lists: int
    code: str
    rerank: int
    def __init__(self, lists: _Optional[int] = ..., code: _Optional[str] = ..., rerank: _Optional[int] = ...) -> None: ...

class TextField(_message.Message):
    __slots__ = ("name", "paths", "analyzer", "k1", "b")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PATHS_FIELD_NUMBER: _ClassVar[int]
    ANALYZER_FIELD_NUMBER: _ClassVar[int]
    K1_FIELD_NUMBER: _ClassVar[int]
    B_FIELD_NUMBER: _ClassVar[int]
    name: str
    paths: _containers.RepeatedScalarFieldContainer[str]
    analyzer: str
    k1: float
    b: float
    def __init__(self, name: _Optional[str] = ..., paths: _Optional[_Iterable[str]] = ..., analyzer: _Optional[str] = ..., k1: _Optional[float] = ..., b: _Optional[float] = ...) -> None: ...

class ChangeAliasesRequest(_message.Message):
    __slots__ = ("changes",)
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    changes: _containers.RepeatedCompositeFieldContainer[AliasChange]
    def __init__(self, changes: _Optional[_Iterable[_Union[AliasChange, _Mapping]]] = ...) -> None: ...

class AliasChange(_message.Message):
    __slots__ = ("set", "delete", "rename")
    SET_FIELD_NUMBER: _ClassVar[int]
    DELETE_FIELD_NUMBER: _ClassVar[int]
    RENAME_FIELD_NUMBER: _ClassVar[int]
    set: Alias
    delete: str
    rename: AliasRename
    def __init__(self, set: _Optional[_Union[Alias, _Mapping]] = ..., delete: _Optional[str] = ..., rename: _Optional[_Union[AliasRename, _Mapping]] = ...) -> None: ...

class Alias(_message.Message):
    __slots__ = ("alias", "collection")
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    alias: str
    collection: str
    def __init__(self, alias: _Optional[str] = ..., collection: _Optional[str] = ...) -> None: ...

class AliasRename(_message.Message):
    __slots__ = ("to",)
    FROM_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    to: str
    def __init__(self, to: _Optional[str] = ..., **kwargs) -> None: ...

class ChangeAliasesReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListAliasesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListAliasesReply(_message.Message):
    __slots__ = ("aliases",)
    ALIASES_FIELD_NUMBER: _ClassVar[int]
    aliases: _containers.RepeatedCompositeFieldContainer[Alias]
    def __init__(self, aliases: _Optional[_Iterable[_Union[Alias, _Mapping]]] = ...) -> None: ...

class EstimateRequest(_message.Message):
    __slots__ = ("spec", "points", "payload_bytes", "text_bytes")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_BYTES_FIELD_NUMBER: _ClassVar[int]
    TEXT_BYTES_FIELD_NUMBER: _ClassVar[int]
    spec: CollectionSpec
    points: int
    payload_bytes: int
    text_bytes: int
    def __init__(self, spec: _Optional[_Union[CollectionSpec, _Mapping]] = ..., points: _Optional[int] = ..., payload_bytes: _Optional[int] = ..., text_bytes: _Optional[int] = ...) -> None: ...

class EstimateReply(_message.Message):
    __slots__ = ("memory_bytes", "memory_peak_bytes", "mapped_bytes", "disk_bytes", "disk_peak_bytes", "build_seconds", "build_cpu_seconds")
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    MEMORY_PEAK_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAPPED_BYTES_FIELD_NUMBER: _ClassVar[int]
    DISK_BYTES_FIELD_NUMBER: _ClassVar[int]
    DISK_PEAK_BYTES_FIELD_NUMBER: _ClassVar[int]
    BUILD_SECONDS_FIELD_NUMBER: _ClassVar[int]
    BUILD_CPU_SECONDS_FIELD_NUMBER: _ClassVar[int]
    memory_bytes: int
    memory_peak_bytes: int
    mapped_bytes: int
    disk_bytes: int
    disk_peak_bytes: int
    build_seconds: float
    build_cpu_seconds: float
    def __init__(self, memory_bytes: _Optional[int] = ..., memory_peak_bytes: _Optional[int] = ..., mapped_bytes: _Optional[int] = ..., disk_bytes: _Optional[int] = ..., disk_peak_bytes: _Optional[int] = ..., build_seconds: _Optional[float] = ..., build_cpu_seconds: _Optional[float] = ...) -> None: ...

class CreateCollectionRequest(_message.Message):
    __slots__ = ("collection", "spec", "if_absent")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    IF_ABSENT_FIELD_NUMBER: _ClassVar[int]
    collection: str
    spec: CollectionSpec
    if_absent: bool
    def __init__(self, collection: _Optional[str] = ..., spec: _Optional[_Union[CollectionSpec, _Mapping]] = ..., if_absent: bool = ...) -> None: ...

class CreateCollectionReply(_message.Message):
    __slots__ = ("created",)
    CREATED_FIELD_NUMBER: _ClassVar[int]
    created: bool
    def __init__(self, created: bool = ...) -> None: ...

class DropCollectionRequest(_message.Message):
    __slots__ = ("collection",)
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    collection: str
    def __init__(self, collection: _Optional[str] = ...) -> None: ...

class DropCollectionReply(_message.Message):
    __slots__ = ("dropped",)
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    dropped: bool
    def __init__(self, dropped: bool = ...) -> None: ...

class DescribeCollectionRequest(_message.Message):
    __slots__ = ("collection",)
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    collection: str
    def __init__(self, collection: _Optional[str] = ...) -> None: ...

class DescribeCollectionReply(_message.Message):
    __slots__ = ("spec", "status")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    spec: CollectionSpec
    status: CollectionStatus
    def __init__(self, spec: _Optional[_Union[CollectionSpec, _Mapping]] = ..., status: _Optional[_Union[CollectionStatus, _Mapping]] = ...) -> None: ...

class OptimizeRequest(_message.Message):
    __slots__ = ("collection",)
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    collection: str
    def __init__(self, collection: _Optional[str] = ...) -> None: ...

class OptimizeReply(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: CollectionStatus
    def __init__(self, status: _Optional[_Union[CollectionStatus, _Mapping]] = ...) -> None: ...

class CancelMergeRequest(_message.Message):
    __slots__ = ("collection",)
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    collection: str
    def __init__(self, collection: _Optional[str] = ...) -> None: ...

class CancelMergeReply(_message.Message):
    __slots__ = ("cancelled",)
    CANCELLED_FIELD_NUMBER: _ClassVar[int]
    cancelled: bool
    def __init__(self, cancelled: bool = ...) -> None: ...

class AnalyzeRequest(_message.Message):
    __slots__ = ("analyzer", "text")
    ANALYZER_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    analyzer: str
    text: str
    def __init__(self, analyzer: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class AnalyzeReply(_message.Message):
    __slots__ = ("tokens",)
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    tokens: _containers.RepeatedCompositeFieldContainer[Token]
    def __init__(self, tokens: _Optional[_Iterable[_Union[Token, _Mapping]]] = ...) -> None: ...

class Token(_message.Message):
    __slots__ = ("term", "position", "to")
    TERM_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    FROM_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    term: str
    position: int
    to: int
    def __init__(self, term: _Optional[str] = ..., position: _Optional[int] = ..., to: _Optional[int] = ..., **kwargs) -> None: ...

class AddVectorsRequest(_message.Message):
    __slots__ = ("collection", "dense", "sparse", "multi", "if_absent")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    DENSE_FIELD_NUMBER: _ClassVar[int]
    SPARSE_FIELD_NUMBER: _ClassVar[int]
    MULTI_FIELD_NUMBER: _ClassVar[int]
    IF_ABSENT_FIELD_NUMBER: _ClassVar[int]
    collection: str
    dense: VectorField
    sparse: SparseField
    multi: MultiField
    if_absent: bool
    def __init__(self, collection: _Optional[str] = ..., dense: _Optional[_Union[VectorField, _Mapping]] = ..., sparse: _Optional[_Union[SparseField, _Mapping]] = ..., multi: _Optional[_Union[MultiField, _Mapping]] = ..., if_absent: bool = ...) -> None: ...

class AddVectorsReply(_message.Message):
    __slots__ = ("added",)
    ADDED_FIELD_NUMBER: _ClassVar[int]
    added: bool
    def __init__(self, added: bool = ...) -> None: ...

class DropVectorsRequest(_message.Message):
    __slots__ = ("collection", "name")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    collection: str
    name: str
    def __init__(self, collection: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class DropVectorsReply(_message.Message):
    __slots__ = ("dropped",)
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    dropped: bool
    def __init__(self, dropped: bool = ...) -> None: ...

class AddTextRequest(_message.Message):
    __slots__ = ("collection", "field", "if_absent")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    IF_ABSENT_FIELD_NUMBER: _ClassVar[int]
    collection: str
    field: TextField
    if_absent: bool
    def __init__(self, collection: _Optional[str] = ..., field: _Optional[_Union[TextField, _Mapping]] = ..., if_absent: bool = ...) -> None: ...

class AddTextReply(_message.Message):
    __slots__ = ("added",)
    ADDED_FIELD_NUMBER: _ClassVar[int]
    added: bool
    def __init__(self, added: bool = ...) -> None: ...

class DropTextRequest(_message.Message):
    __slots__ = ("collection", "name")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    collection: str
    name: str
    def __init__(self, collection: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class DropTextReply(_message.Message):
    __slots__ = ("dropped",)
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    dropped: bool
    def __init__(self, dropped: bool = ...) -> None: ...

class ListCollectionsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListCollectionsReply(_message.Message):
    __slots__ = ("collections",)
    COLLECTIONS_FIELD_NUMBER: _ClassVar[int]
    collections: _containers.RepeatedCompositeFieldContainer[CollectionSummary]
    def __init__(self, collections: _Optional[_Iterable[_Union[CollectionSummary, _Mapping]]] = ...) -> None: ...

class CollectionSummary(_message.Message):
    __slots__ = ("name", "state", "reason", "opening")
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    OPENING_FIELD_NUMBER: _ClassVar[int]
    name: str
    state: str
    reason: str
    opening: OpeningProgress
    def __init__(self, name: _Optional[str] = ..., state: _Optional[str] = ..., reason: _Optional[str] = ..., opening: _Optional[_Union[OpeningProgress, _Mapping]] = ...) -> None: ...

class OpeningProgress(_message.Message):
    __slots__ = ("stage", "done_bytes", "total_bytes")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    DONE_BYTES_FIELD_NUMBER: _ClassVar[int]
    TOTAL_BYTES_FIELD_NUMBER: _ClassVar[int]
    stage: str
    done_bytes: int
    total_bytes: int
    def __init__(self, stage: _Optional[str] = ..., done_bytes: _Optional[int] = ..., total_bytes: _Optional[int] = ...) -> None: ...

class CollectionStatus(_message.Message):
    __slots__ = ("state", "points", "seq", "durable_seq", "segments", "live_rows", "live_bytes", "disk_bytes", "upkeep", "refuses_writes", "resident_bytes", "tasks", "upkeep_failed", "archived_seq", "archive_gap", "upkeep_waits", "memory")
    STATE_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    DURABLE_SEQ_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    LIVE_ROWS_FIELD_NUMBER: _ClassVar[int]
    LIVE_BYTES_FIELD_NUMBER: _ClassVar[int]
    DISK_BYTES_FIELD_NUMBER: _ClassVar[int]
    UPKEEP_FIELD_NUMBER: _ClassVar[int]
    REFUSES_WRITES_FIELD_NUMBER: _ClassVar[int]
    RESIDENT_BYTES_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    UPKEEP_FAILED_FIELD_NUMBER: _ClassVar[int]
    ARCHIVED_SEQ_FIELD_NUMBER: _ClassVar[int]
    ARCHIVE_GAP_FIELD_NUMBER: _ClassVar[int]
    UPKEEP_WAITS_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    state: str
    points: int
    seq: int
    durable_seq: int
    segments: _containers.RepeatedCompositeFieldContainer[SegmentStatus]
    live_rows: int
    live_bytes: int
    disk_bytes: int
    upkeep: str
    refuses_writes: str
    resident_bytes: int
    tasks: _containers.RepeatedCompositeFieldContainer[UpkeepTask]
    upkeep_failed: str
    archived_seq: int
    archive_gap: bool
    upkeep_waits: str
    memory: MemoryStatus
    def __init__(self, state: _Optional[str] = ..., points: _Optional[int] = ..., seq: _Optional[int] = ..., durable_seq: _Optional[int] = ..., segments: _Optional[_Iterable[_Union[SegmentStatus, _Mapping]]] = ..., live_rows: _Optional[int] = ..., live_bytes: _Optional[int] = ..., disk_bytes: _Optional[int] = ..., upkeep: _Optional[str] = ..., refuses_writes: _Optional[str] = ..., resident_bytes: _Optional[int] = ..., tasks: _Optional[_Iterable[_Union[UpkeepTask, _Mapping]]] = ..., upkeep_failed: _Optional[str] = ..., archived_seq: _Optional[int] = ..., archive_gap: bool = ..., upkeep_waits: _Optional[str] = ..., memory: _Optional[_Union[MemoryStatus, _Mapping]] = ...) -> None: ...

class MemoryStatus(_message.Message):
    __slots__ = ("limit", "held", "live", "queue", "graphs", "builds", "refused_writes")
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    LIVE_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    GRAPHS_FIELD_NUMBER: _ClassVar[int]
    BUILDS_FIELD_NUMBER: _ClassVar[int]
    REFUSED_WRITES_FIELD_NUMBER: _ClassVar[int]
    limit: int
    held: int
    live: int
    queue: int
    graphs: int
    builds: int
    refused_writes: int
    def __init__(self, limit: _Optional[int] = ..., held: _Optional[int] = ..., live: _Optional[int] = ..., queue: _Optional[int] = ..., graphs: _Optional[int] = ..., builds: _Optional[int] = ..., refused_writes: _Optional[int] = ...) -> None: ...

class UpkeepTask(_message.Message):
    __slots__ = ("what", "reason", "rows", "stage", "files_done", "files", "running_ms")
    WHAT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    FILES_DONE_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    RUNNING_MS_FIELD_NUMBER: _ClassVar[int]
    what: str
    reason: str
    rows: int
    stage: str
    files_done: int
    files: int
    running_ms: int
    def __init__(self, what: _Optional[str] = ..., reason: _Optional[str] = ..., rows: _Optional[int] = ..., stage: _Optional[str] = ..., files_done: _Optional[int] = ..., files: _Optional[int] = ..., running_ms: _Optional[int] = ...) -> None: ...

class SegmentStatus(_message.Message):
    __slots__ = ("number", "rows", "dead_rows", "bytes")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    DEAD_ROWS_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    number: int
    rows: int
    dead_rows: int
    bytes: int
    def __init__(self, number: _Optional[int] = ..., rows: _Optional[int] = ..., dead_rows: _Optional[int] = ..., bytes: _Optional[int] = ...) -> None: ...
