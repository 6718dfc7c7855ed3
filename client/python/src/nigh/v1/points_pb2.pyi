from nigh.v1 import common_pb2 as _common_pb2
from nigh.v1 import ranking_pb2 as _ranking_pb2
from nigh.v1 import sources_pb2 as _sources_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Durability(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DURABILITY_UNSPECIFIED: _ClassVar[Durability]
    DURABILITY_APPLIED: _ClassVar[Durability]
    DURABILITY_LOGGED: _ClassVar[Durability]
    DURABILITY_DURABLE: _ClassVar[Durability]
DURABILITY_UNSPECIFIED: Durability
DURABILITY_APPLIED: Durability
DURABILITY_LOGGED: Durability
DURABILITY_DURABLE: Durability

class Op(_message.Message):
    __slots__ = ("upsert", "delete", "set_payload", "overwrite_payload", "delete_payload_keys", "clear_payload", "update_vectors", "delete_vectors", "set_expiry", "if_version")
    UPSERT_FIELD_NUMBER: _ClassVar[int]
    DELETE_FIELD_NUMBER: _ClassVar[int]
    SET_PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    OVERWRITE_PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    DELETE_PAYLOAD_KEYS_FIELD_NUMBER: _ClassVar[int]
    CLEAR_PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    UPDATE_VECTORS_FIELD_NUMBER: _ClassVar[int]
    DELETE_VECTORS_FIELD_NUMBER: _ClassVar[int]
    SET_EXPIRY_FIELD_NUMBER: _ClassVar[int]
    IF_VERSION_FIELD_NUMBER: _ClassVar[int]
    upsert: _common_pb2.Point
    delete: Selector
    set_payload: PayloadOp
    overwrite_payload: PayloadOp
    delete_payload_keys: PayloadKeysOp
    clear_payload: Selector
    update_vectors: _common_pb2.Point
    delete_vectors: DeleteVectorsOp
    set_expiry: SetExpiryOp
    if_version: int
    def __init__(self, upsert: _Optional[_Union[_common_pb2.Point, _Mapping]] = ..., delete: _Optional[_Union[Selector, _Mapping]] = ..., set_payload: _Optional[_Union[PayloadOp, _Mapping]] = ..., overwrite_payload: _Optional[_Union[PayloadOp, _Mapping]] = ..., delete_payload_keys: _Optional[_Union[PayloadKeysOp, _Mapping]] = ..., clear_payload: _Optional[_Union[Selector, _Mapping]] = ..., update_vectors: _Optional[_Union[_common_pb2.Point, _Mapping]] = ..., delete_vectors: _Optional[_Union[DeleteVectorsOp, _Mapping]] = ..., set_expiry: _Optional[_Union[SetExpiryOp, _Mapping]] = ..., if_version: _Optional[int] = ...) -> None: ...

class Selector(_message.Message):
    __slots__ = ("ids", "filter")
    IDS_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    ids: _common_pb2.PointIds
    filter: _common_pb2.Filter
    def __init__(self, ids: _Optional[_Union[_common_pb2.PointIds, _Mapping]] = ..., filter: _Optional[_Union[_common_pb2.Filter, _Mapping]] = ...) -> None: ...

class PayloadOp(_message.Message):
    __slots__ = ("points", "payload")
    POINTS_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    points: Selector
    payload: str
    def __init__(self, points: _Optional[_Union[Selector, _Mapping]] = ..., payload: _Optional[str] = ...) -> None: ...

class PayloadKeysOp(_message.Message):
    __slots__ = ("points", "keys")
    POINTS_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    points: Selector
    keys: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, points: _Optional[_Union[Selector, _Mapping]] = ..., keys: _Optional[_Iterable[str]] = ...) -> None: ...

class DeleteVectorsOp(_message.Message):
    __slots__ = ("points", "names")
    POINTS_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    points: Selector
    names: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, points: _Optional[_Union[Selector, _Mapping]] = ..., names: _Optional[_Iterable[str]] = ...) -> None: ...

class SetExpiryOp(_message.Message):
    __slots__ = ("points", "expires_at_ms")
    POINTS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    points: Selector
    expires_at_ms: int
    def __init__(self, points: _Optional[_Union[Selector, _Mapping]] = ..., expires_at_ms: _Optional[int] = ...) -> None: ...

class WriteRequest(_message.Message):
    __slots__ = ("collection", "ops", "durability", "op_id", "positions")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    OPS_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    OP_ID_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    collection: str
    ops: _containers.RepeatedCompositeFieldContainer[Op]
    durability: Durability
    op_id: bytes
    positions: _containers.RepeatedCompositeFieldContainer[_sources_pb2.SourcePosition]
    def __init__(self, collection: _Optional[str] = ..., ops: _Optional[_Iterable[_Union[Op, _Mapping]]] = ..., durability: _Optional[_Union[Durability, str]] = ..., op_id: _Optional[bytes] = ..., positions: _Optional[_Iterable[_Union[_sources_pb2.SourcePosition, _Mapping]]] = ...) -> None: ...

class WriteReply(_message.Message):
    __slots__ = ("seq", "reached", "affected", "duplicate")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    REACHED_FIELD_NUMBER: _ClassVar[int]
    AFFECTED_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    seq: int
    reached: Durability
    affected: int
    duplicate: bool
    def __init__(self, seq: _Optional[int] = ..., reached: _Optional[_Union[Durability, str]] = ..., affected: _Optional[int] = ..., duplicate: bool = ...) -> None: ...

class IngestRequest(_message.Message):
    __slots__ = ("open", "batch")
    OPEN_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    open: IngestOpen
    batch: IngestBatch
    def __init__(self, open: _Optional[_Union[IngestOpen, _Mapping]] = ..., batch: _Optional[_Union[IngestBatch, _Mapping]] = ...) -> None: ...

class IngestOpen(_message.Message):
    __slots__ = ("collection", "durability")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    collection: str
    durability: Durability
    def __init__(self, collection: _Optional[str] = ..., durability: _Optional[_Union[Durability, str]] = ...) -> None: ...

class IngestBatch(_message.Message):
    __slots__ = ("number", "ops", "op_id", "positions")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    OPS_FIELD_NUMBER: _ClassVar[int]
    OP_ID_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    number: int
    ops: _containers.RepeatedCompositeFieldContainer[Op]
    op_id: bytes
    positions: _containers.RepeatedCompositeFieldContainer[_sources_pb2.SourcePosition]
    def __init__(self, number: _Optional[int] = ..., ops: _Optional[_Iterable[_Union[Op, _Mapping]]] = ..., op_id: _Optional[bytes] = ..., positions: _Optional[_Iterable[_Union[_sources_pb2.SourcePosition, _Mapping]]] = ...) -> None: ...

class IngestReply(_message.Message):
    __slots__ = ("credits", "ack", "refusal")
    CREDITS_FIELD_NUMBER: _ClassVar[int]
    ACK_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    credits: Credits
    ack: IngestAck
    refusal: IngestRefusal
    def __init__(self, credits: _Optional[_Union[Credits, _Mapping]] = ..., ack: _Optional[_Union[IngestAck, _Mapping]] = ..., refusal: _Optional[_Union[IngestRefusal, _Mapping]] = ...) -> None: ...

class Credits(_message.Message):
    __slots__ = ("batches", "bytes")
    BATCHES_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    batches: int
    bytes: int
    def __init__(self, batches: _Optional[int] = ..., bytes: _Optional[int] = ...) -> None: ...

class IngestAck(_message.Message):
    __slots__ = ("number", "seq", "reached", "duplicate")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    REACHED_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    number: int
    seq: int
    reached: Durability
    duplicate: bool
    def __init__(self, number: _Optional[int] = ..., seq: _Optional[int] = ..., reached: _Optional[_Union[Durability, str]] = ..., duplicate: bool = ...) -> None: ...

class IngestRefusal(_message.Message):
    __slots__ = ("number", "field", "message", "code")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    number: int
    field: str
    message: str
    code: int
    def __init__(self, number: _Optional[int] = ..., field: _Optional[str] = ..., message: _Optional[str] = ..., code: _Optional[int] = ...) -> None: ...

class QueryRequest(_message.Message):
    __slots__ = ("collection", "retrievers", "filter", "fusion", "limit", "offset", "payload", "vectors", "explain", "score_threshold", "version", "group_by", "paging")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    RETRIEVERS_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    FUSION_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    SCORE_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    GROUP_BY_FIELD_NUMBER: _ClassVar[int]
    PAGING_FIELD_NUMBER: _ClassVar[int]
    collection: str
    retrievers: _containers.RepeatedCompositeFieldContainer[Retriever]
    filter: _common_pb2.Filter
    fusion: _ranking_pb2.Fusion
    limit: int
    offset: int
    payload: _common_pb2.PayloadSelection
    vectors: _common_pb2.VectorSelection
    explain: bool
    score_threshold: float
    version: str
    group_by: _ranking_pb2.GroupBy
    paging: _ranking_pb2.Paging
    def __init__(self, collection: _Optional[str] = ..., retrievers: _Optional[_Iterable[_Union[Retriever, _Mapping]]] = ..., filter: _Optional[_Union[_common_pb2.Filter, _Mapping]] = ..., fusion: _Optional[_Union[_ranking_pb2.Fusion, _Mapping]] = ..., limit: _Optional[int] = ..., offset: _Optional[int] = ..., payload: _Optional[_Union[_common_pb2.PayloadSelection, _Mapping]] = ..., vectors: _Optional[_Union[_common_pb2.VectorSelection, _Mapping]] = ..., explain: bool = ..., score_threshold: _Optional[float] = ..., version: _Optional[str] = ..., group_by: _Optional[_Union[_ranking_pb2.GroupBy, _Mapping]] = ..., paging: _Optional[_Union[_ranking_pb2.Paging, _Mapping]] = ...) -> None: ...

class Retriever(_message.Message):
    __slots__ = ("name", "dense", "text", "sparse", "multi", "fusion", "formula", "mmr", "recommend", "discover", "context", "order_by", "sample", "limit", "filter", "score_threshold", "sources", "corpus")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DENSE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    SPARSE_FIELD_NUMBER: _ClassVar[int]
    MULTI_FIELD_NUMBER: _ClassVar[int]
    FUSION_FIELD_NUMBER: _ClassVar[int]
    FORMULA_FIELD_NUMBER: _ClassVar[int]
    MMR_FIELD_NUMBER: _ClassVar[int]
    RECOMMEND_FIELD_NUMBER: _ClassVar[int]
    DISCOVER_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    ORDER_BY_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    SCORE_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    CORPUS_FIELD_NUMBER: _ClassVar[int]
    name: str
    dense: Dense
    text: Text
    sparse: Sparse
    multi: Multi
    fusion: _ranking_pb2.Fusion
    formula: _ranking_pb2.Formula
    mmr: _ranking_pb2.Mmr
    recommend: _ranking_pb2.Recommend
    discover: _ranking_pb2.Discover
    context: _ranking_pb2.Context
    order_by: _ranking_pb2.OrderBy
    sample: _ranking_pb2.Sample
    limit: int
    filter: _common_pb2.Filter
    score_threshold: float
    sources: _containers.RepeatedCompositeFieldContainer[Retriever]
    corpus: _common_pb2.Filter
    def __init__(self, name: _Optional[str] = ..., dense: _Optional[_Union[Dense, _Mapping]] = ..., text: _Optional[_Union[Text, _Mapping]] = ..., sparse: _Optional[_Union[Sparse, _Mapping]] = ..., multi: _Optional[_Union[Multi, _Mapping]] = ..., fusion: _Optional[_Union[_ranking_pb2.Fusion, _Mapping]] = ..., formula: _Optional[_Union[_ranking_pb2.Formula, _Mapping]] = ..., mmr: _Optional[_Union[_ranking_pb2.Mmr, _Mapping]] = ..., recommend: _Optional[_Union[_ranking_pb2.Recommend, _Mapping]] = ..., discover: _Optional[_Union[_ranking_pb2.Discover, _Mapping]] = ..., context: _Optional[_Union[_ranking_pb2.Context, _Mapping]] = ..., order_by: _Optional[_Union[_ranking_pb2.OrderBy, _Mapping]] = ..., sample: _Optional[_Union[_ranking_pb2.Sample, _Mapping]] = ..., limit: _Optional[int] = ..., filter: _Optional[_Union[_common_pb2.Filter, _Mapping]] = ..., score_threshold: _Optional[float] = ..., sources: _Optional[_Iterable[_Union[Retriever, _Mapping]]] = ..., corpus: _Optional[_Union[_common_pb2.Filter, _Mapping]] = ...) -> None: ...

class Dense(_message.Message):
    __slots__ = ("field", "vector", "point", "params")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    VECTOR_FIELD_NUMBER: _ClassVar[int]
    POINT_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    field: str
    vector: _common_pb2.Vector
    point: _common_pb2.PointId
    params: _ranking_pb2.SearchParams
    def __init__(self, field: _Optional[str] = ..., vector: _Optional[_Union[_common_pb2.Vector, _Mapping]] = ..., point: _Optional[_Union[_common_pb2.PointId, _Mapping]] = ..., params: _Optional[_Union[_ranking_pb2.SearchParams, _Mapping]] = ...) -> None: ...

class Sparse(_message.Message):
    __slots__ = ("field", "vector", "point")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    VECTOR_FIELD_NUMBER: _ClassVar[int]
    POINT_FIELD_NUMBER: _ClassVar[int]
    field: str
    vector: _common_pb2.SparseVector
    point: _common_pb2.PointId
    def __init__(self, field: _Optional[str] = ..., vector: _Optional[_Union[_common_pb2.SparseVector, _Mapping]] = ..., point: _Optional[_Union[_common_pb2.PointId, _Mapping]] = ...) -> None: ...

class Multi(_message.Message):
    __slots__ = ("field", "vectors", "point")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    POINT_FIELD_NUMBER: _ClassVar[int]
    field: str
    vectors: _common_pb2.MultiVector
    point: _common_pb2.PointId
    def __init__(self, field: _Optional[str] = ..., vectors: _Optional[_Union[_common_pb2.MultiVector, _Mapping]] = ..., point: _Optional[_Union[_common_pb2.PointId, _Mapping]] = ...) -> None: ...

class Text(_message.Message):
    __slots__ = ("field", "query", "syntax", "fields", "rarity_under_filter", "highlight")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    SYNTAX_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    RARITY_UNDER_FILTER_FIELD_NUMBER: _ClassVar[int]
    HIGHLIGHT_FIELD_NUMBER: _ClassVar[int]
    field: str
    query: str
    syntax: bool
    fields: _containers.RepeatedCompositeFieldContainer[TextWeight]
    rarity_under_filter: bool
    highlight: Highlighting
    def __init__(self, field: _Optional[str] = ..., query: _Optional[str] = ..., syntax: bool = ..., fields: _Optional[_Iterable[_Union[TextWeight, _Mapping]]] = ..., rarity_under_filter: bool = ..., highlight: _Optional[_Union[Highlighting, _Mapping]] = ...) -> None: ...

class TextWeight(_message.Message):
    __slots__ = ("field", "weight")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    field: str
    weight: float
    def __init__(self, field: _Optional[str] = ..., weight: _Optional[float] = ...) -> None: ...

class Highlighting(_message.Message):
    __slots__ = ("bytes", "pieces")
    BYTES_FIELD_NUMBER: _ClassVar[int]
    PIECES_FIELD_NUMBER: _ClassVar[int]
    bytes: int
    pieces: int
    def __init__(self, bytes: _Optional[int] = ..., pieces: _Optional[int] = ...) -> None: ...

class Highlight(_message.Message):
    __slots__ = ("field", "text", "words")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    FROM_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    field: str
    text: str
    words: _containers.RepeatedCompositeFieldContainer[Span]
    def __init__(self, field: _Optional[str] = ..., text: _Optional[str] = ..., words: _Optional[_Iterable[_Union[Span, _Mapping]]] = ..., **kwargs) -> None: ...

class Span(_message.Message):
    __slots__ = ("to",)
    FROM_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    to: int
    def __init__(self, to: _Optional[int] = ..., **kwargs) -> None: ...

class QueryReply(_message.Message):
    __slots__ = ("hits", "seq", "plans", "explanation", "groups", "next")
    HITS_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    PLANS_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    hits: _containers.RepeatedCompositeFieldContainer[Hit]
    seq: int
    plans: _containers.RepeatedCompositeFieldContainer[Plan]
    explanation: Explanation
    groups: _containers.RepeatedCompositeFieldContainer[Group]
    next: _ranking_pb2.RankPlace
    def __init__(self, hits: _Optional[_Iterable[_Union[Hit, _Mapping]]] = ..., seq: _Optional[int] = ..., plans: _Optional[_Iterable[_Union[Plan, _Mapping]]] = ..., explanation: _Optional[_Union[Explanation, _Mapping]] = ..., groups: _Optional[_Iterable[_Union[Group, _Mapping]]] = ..., next: _Optional[_Union[_ranking_pb2.RankPlace, _Mapping]] = ...) -> None: ...

class Group(_message.Message):
    __slots__ = ("key", "hits", "lookup")
    KEY_FIELD_NUMBER: _ClassVar[int]
    HITS_FIELD_NUMBER: _ClassVar[int]
    LOOKUP_FIELD_NUMBER: _ClassVar[int]
    key: _common_pb2.Scalar
    hits: _containers.RepeatedCompositeFieldContainer[Hit]
    lookup: _common_pb2.Point
    def __init__(self, key: _Optional[_Union[_common_pb2.Scalar, _Mapping]] = ..., hits: _Optional[_Iterable[_Union[Hit, _Mapping]]] = ..., lookup: _Optional[_Union[_common_pb2.Point, _Mapping]] = ...) -> None: ...

class Hit(_message.Message):
    __slots__ = ("id", "score", "payload", "vectors", "placings", "version", "expires_at_ms", "order_value", "sparse", "multi", "highlights")
    class VectorsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _common_pb2.Vector
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_common_pb2.Vector, _Mapping]] = ...) -> None: ...
    class SparseEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _common_pb2.SparseVector
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_common_pb2.SparseVector, _Mapping]] = ...) -> None: ...
    class MultiEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _common_pb2.MultiVector
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_common_pb2.MultiVector, _Mapping]] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    PLACINGS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    ORDER_VALUE_FIELD_NUMBER: _ClassVar[int]
    SPARSE_FIELD_NUMBER: _ClassVar[int]
    MULTI_FIELD_NUMBER: _ClassVar[int]
    HIGHLIGHTS_FIELD_NUMBER: _ClassVar[int]
    id: _common_pb2.PointId
    score: float
    payload: str
    vectors: _containers.MessageMap[str, _common_pb2.Vector]
    placings: _containers.RepeatedCompositeFieldContainer[Placing]
    version: int
    expires_at_ms: int
    order_value: _ranking_pb2.OrderValue
    sparse: _containers.MessageMap[str, _common_pb2.SparseVector]
    multi: _containers.MessageMap[str, _common_pb2.MultiVector]
    highlights: _containers.RepeatedCompositeFieldContainer[Highlight]
    def __init__(self, id: _Optional[_Union[_common_pb2.PointId, _Mapping]] = ..., score: _Optional[float] = ..., payload: _Optional[str] = ..., vectors: _Optional[_Mapping[str, _common_pb2.Vector]] = ..., placings: _Optional[_Iterable[_Union[Placing, _Mapping]]] = ..., version: _Optional[int] = ..., expires_at_ms: _Optional[int] = ..., order_value: _Optional[_Union[_ranking_pb2.OrderValue, _Mapping]] = ..., sparse: _Optional[_Mapping[str, _common_pb2.SparseVector]] = ..., multi: _Optional[_Mapping[str, _common_pb2.MultiVector]] = ..., highlights: _Optional[_Iterable[_Union[Highlight, _Mapping]]] = ...) -> None: ...

class Placing(_message.Message):
    __slots__ = ("retriever", "rank", "score")
    RETRIEVER_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    retriever: str
    rank: int
    score: float
    def __init__(self, retriever: _Optional[str] = ..., rank: _Optional[int] = ..., score: _Optional[float] = ...) -> None: ...

class Plan(_message.Message):
    __slots__ = ("retriever", "routes", "ef", "matching")
    RETRIEVER_FIELD_NUMBER: _ClassVar[int]
    ROUTES_FIELD_NUMBER: _ClassVar[int]
    EF_FIELD_NUMBER: _ClassVar[int]
    MATCHING_FIELD_NUMBER: _ClassVar[int]
    retriever: str
    routes: _containers.RepeatedScalarFieldContainer[str]
    ef: int
    matching: int
    def __init__(self, retriever: _Optional[str] = ..., routes: _Optional[_Iterable[str]] = ..., ef: _Optional[int] = ..., matching: _Optional[int] = ...) -> None: ...

class Explanation(_message.Message):
    __slots__ = ("parts", "stages", "total_us", "scanned_fields", "retrievers")
    PARTS_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    TOTAL_US_FIELD_NUMBER: _ClassVar[int]
    SCANNED_FIELDS_FIELD_NUMBER: _ClassVar[int]
    RETRIEVERS_FIELD_NUMBER: _ClassVar[int]
    parts: _containers.RepeatedCompositeFieldContainer[PartPlan]
    stages: _containers.RepeatedCompositeFieldContainer[Stage]
    total_us: int
    scanned_fields: _containers.RepeatedScalarFieldContainer[str]
    retrievers: _containers.RepeatedCompositeFieldContainer[RetrieverRun]
    def __init__(self, parts: _Optional[_Iterable[_Union[PartPlan, _Mapping]]] = ..., stages: _Optional[_Iterable[_Union[Stage, _Mapping]]] = ..., total_us: _Optional[int] = ..., scanned_fields: _Optional[_Iterable[str]] = ..., retrievers: _Optional[_Iterable[_Union[RetrieverRun, _Mapping]]] = ...) -> None: ...

class RetrieverRun(_message.Message):
    __slots__ = ("retriever", "kind", "depth", "matching", "found", "took_us")
    RETRIEVER_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    MATCHING_FIELD_NUMBER: _ClassVar[int]
    FOUND_FIELD_NUMBER: _ClassVar[int]
    TOOK_US_FIELD_NUMBER: _ClassVar[int]
    retriever: str
    kind: str
    depth: int
    matching: int
    found: int
    took_us: int
    def __init__(self, retriever: _Optional[str] = ..., kind: _Optional[str] = ..., depth: _Optional[int] = ..., matching: _Optional[int] = ..., found: _Optional[int] = ..., took_us: _Optional[int] = ...) -> None: ...

class PartPlan(_message.Message):
    __slots__ = ("retriever", "place", "segment", "rows", "matching", "route", "ef", "distances_full", "distances_coded", "expanded", "postings", "took_us", "considered", "recall", "note", "measured")
    RETRIEVER_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    MATCHING_FIELD_NUMBER: _ClassVar[int]
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    EF_FIELD_NUMBER: _ClassVar[int]
    DISTANCES_FULL_FIELD_NUMBER: _ClassVar[int]
    DISTANCES_CODED_FIELD_NUMBER: _ClassVar[int]
    EXPANDED_FIELD_NUMBER: _ClassVar[int]
    POSTINGS_FIELD_NUMBER: _ClassVar[int]
    TOOK_US_FIELD_NUMBER: _ClassVar[int]
    CONSIDERED_FIELD_NUMBER: _ClassVar[int]
    RECALL_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    MEASURED_FIELD_NUMBER: _ClassVar[int]
    retriever: str
    place: int
    segment: int
    rows: int
    matching: int
    route: str
    ef: int
    distances_full: int
    distances_coded: int
    expanded: int
    postings: int
    took_us: int
    considered: _containers.RepeatedCompositeFieldContainer[PlanCost]
    recall: float
    note: str
    measured: MeasuredRecall
    def __init__(self, retriever: _Optional[str] = ..., place: _Optional[int] = ..., segment: _Optional[int] = ..., rows: _Optional[int] = ..., matching: _Optional[int] = ..., route: _Optional[str] = ..., ef: _Optional[int] = ..., distances_full: _Optional[int] = ..., distances_coded: _Optional[int] = ..., expanded: _Optional[int] = ..., postings: _Optional[int] = ..., took_us: _Optional[int] = ..., considered: _Optional[_Iterable[_Union[PlanCost, _Mapping]]] = ..., recall: _Optional[float] = ..., note: _Optional[str] = ..., measured: _Optional[_Union[MeasuredRecall, _Mapping]] = ...) -> None: ...

class MeasuredRecall(_message.Message):
    __slots__ = ("recall", "low", "high", "queries")
    RECALL_FIELD_NUMBER: _ClassVar[int]
    LOW_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    QUERIES_FIELD_NUMBER: _ClassVar[int]
    recall: float
    low: float
    high: float
    queries: int
    def __init__(self, recall: _Optional[float] = ..., low: _Optional[float] = ..., high: _Optional[float] = ..., queries: _Optional[int] = ...) -> None: ...

class PlanCost(_message.Message):
    __slots__ = ("route", "cost_us")
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    COST_US_FIELD_NUMBER: _ClassVar[int]
    route: str
    cost_us: float
    def __init__(self, route: _Optional[str] = ..., cost_us: _Optional[float] = ...) -> None: ...

class Stage(_message.Message):
    __slots__ = ("name", "took_us")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TOOK_US_FIELD_NUMBER: _ClassVar[int]
    name: str
    took_us: int
    def __init__(self, name: _Optional[str] = ..., took_us: _Optional[int] = ...) -> None: ...

class GetRequest(_message.Message):
    __slots__ = ("collection", "ids", "payload", "vectors", "version")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    collection: str
    ids: _containers.RepeatedCompositeFieldContainer[_common_pb2.PointId]
    payload: _common_pb2.PayloadSelection
    vectors: _common_pb2.VectorSelection
    version: str
    def __init__(self, collection: _Optional[str] = ..., ids: _Optional[_Iterable[_Union[_common_pb2.PointId, _Mapping]]] = ..., payload: _Optional[_Union[_common_pb2.PayloadSelection, _Mapping]] = ..., vectors: _Optional[_Union[_common_pb2.VectorSelection, _Mapping]] = ..., version: _Optional[str] = ...) -> None: ...

class GetReply(_message.Message):
    __slots__ = ("points", "seq")
    POINTS_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    points: _containers.RepeatedCompositeFieldContainer[_common_pb2.Point]
    seq: int
    def __init__(self, points: _Optional[_Iterable[_Union[_common_pb2.Point, _Mapping]]] = ..., seq: _Optional[int] = ...) -> None: ...

class ScrollRequest(_message.Message):
    __slots__ = ("collection", "filter", "limit", "payload", "vectors", "version")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    FROM_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    collection: str
    filter: _common_pb2.Filter
    limit: int
    payload: _common_pb2.PayloadSelection
    vectors: _common_pb2.VectorSelection
    version: str
    def __init__(self, collection: _Optional[str] = ..., filter: _Optional[_Union[_common_pb2.Filter, _Mapping]] = ..., limit: _Optional[int] = ..., payload: _Optional[_Union[_common_pb2.PayloadSelection, _Mapping]] = ..., vectors: _Optional[_Union[_common_pb2.VectorSelection, _Mapping]] = ..., version: _Optional[str] = ..., **kwargs) -> None: ...

class ScrollReply(_message.Message):
    __slots__ = ("points", "next", "seq")
    POINTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    points: _containers.RepeatedCompositeFieldContainer[_common_pb2.Point]
    next: _common_pb2.PointId
    seq: int
    def __init__(self, points: _Optional[_Iterable[_Union[_common_pb2.Point, _Mapping]]] = ..., next: _Optional[_Union[_common_pb2.PointId, _Mapping]] = ..., seq: _Optional[int] = ...) -> None: ...

class CountRequest(_message.Message):
    __slots__ = ("collection", "filter", "version")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    collection: str
    filter: _common_pb2.Filter
    version: str
    def __init__(self, collection: _Optional[str] = ..., filter: _Optional[_Union[_common_pb2.Filter, _Mapping]] = ..., version: _Optional[str] = ...) -> None: ...

class CountReply(_message.Message):
    __slots__ = ("count", "seq")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    count: int
    seq: int
    def __init__(self, count: _Optional[int] = ..., seq: _Optional[int] = ...) -> None: ...

class FacetRequest(_message.Message):
    __slots__ = ("collection", "path", "filter", "limit", "version")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    collection: str
    path: str
    filter: _common_pb2.Filter
    limit: int
    version: str
    def __init__(self, collection: _Optional[str] = ..., path: _Optional[str] = ..., filter: _Optional[_Union[_common_pb2.Filter, _Mapping]] = ..., limit: _Optional[int] = ..., version: _Optional[str] = ...) -> None: ...

class FacetReply(_message.Message):
    __slots__ = ("values", "distinct", "seq", "scanned_fields")
    VALUES_FIELD_NUMBER: _ClassVar[int]
    DISTINCT_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    SCANNED_FIELDS_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedCompositeFieldContainer[FacetValue]
    distinct: int
    seq: int
    scanned_fields: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, values: _Optional[_Iterable[_Union[FacetValue, _Mapping]]] = ..., distinct: _Optional[int] = ..., seq: _Optional[int] = ..., scanned_fields: _Optional[_Iterable[str]] = ...) -> None: ...

class FacetValue(_message.Message):
    __slots__ = ("value", "count")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    value: _common_pb2.Scalar
    count: int
    def __init__(self, value: _Optional[_Union[_common_pb2.Scalar, _Mapping]] = ..., count: _Optional[int] = ...) -> None: ...
