from nigh.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SearchParams(_message.Message):
    __slots__ = ("ef", "exact", "recall")
    EF_FIELD_NUMBER: _ClassVar[int]
    EXACT_FIELD_NUMBER: _ClassVar[int]
    RECALL_FIELD_NUMBER: _ClassVar[int]
    ef: int
    exact: bool
    recall: float
    def __init__(self, ef: _Optional[int] = ..., exact: bool = ..., recall: _Optional[float] = ...) -> None: ...

class Target(_message.Message):
    __slots__ = ("vector", "point")
    VECTOR_FIELD_NUMBER: _ClassVar[int]
    POINT_FIELD_NUMBER: _ClassVar[int]
    vector: _common_pb2.Vector
    point: _common_pb2.PointId
    def __init__(self, vector: _Optional[_Union[_common_pb2.Vector, _Mapping]] = ..., point: _Optional[_Union[_common_pb2.PointId, _Mapping]] = ...) -> None: ...

class Fusion(_message.Message):
    __slots__ = ("reciprocal_rank", "scores")
    RECIPROCAL_RANK_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    reciprocal_rank: ReciprocalRank
    scores: ScoreFusion
    def __init__(self, reciprocal_rank: _Optional[_Union[ReciprocalRank, _Mapping]] = ..., scores: _Optional[_Union[ScoreFusion, _Mapping]] = ...) -> None: ...

class ReciprocalRank(_message.Message):
    __slots__ = ("k", "weights", "weighing")
    class Weighing(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        WEIGHING_UNSPECIFIED: _ClassVar[ReciprocalRank.Weighing]
        WEIGHING_SCORE: _ClassVar[ReciprocalRank.Weighing]
        WEIGHING_RANK: _ClassVar[ReciprocalRank.Weighing]
    WEIGHING_UNSPECIFIED: ReciprocalRank.Weighing
    WEIGHING_SCORE: ReciprocalRank.Weighing
    WEIGHING_RANK: ReciprocalRank.Weighing
    K_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    WEIGHING_FIELD_NUMBER: _ClassVar[int]
    k: float
    weights: _containers.RepeatedScalarFieldContainer[float]
    weighing: ReciprocalRank.Weighing
    def __init__(self, k: _Optional[float] = ..., weights: _Optional[_Iterable[float]] = ..., weighing: _Optional[_Union[ReciprocalRank.Weighing, str]] = ...) -> None: ...

class ScoreFusion(_message.Message):
    __slots__ = ("scale", "weights", "bounds")
    class Scale(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        SCALE_UNSPECIFIED: _ClassVar[ScoreFusion.Scale]
        SCALE_MIN_MAX: _ClassVar[ScoreFusion.Scale]
        SCALE_DISTRIBUTION: _ClassVar[ScoreFusion.Scale]
        SCALE_BOUNDS: _ClassVar[ScoreFusion.Scale]
    SCALE_UNSPECIFIED: ScoreFusion.Scale
    SCALE_MIN_MAX: ScoreFusion.Scale
    SCALE_DISTRIBUTION: ScoreFusion.Scale
    SCALE_BOUNDS: ScoreFusion.Scale
    SCALE_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    BOUNDS_FIELD_NUMBER: _ClassVar[int]
    scale: ScoreFusion.Scale
    weights: _containers.RepeatedScalarFieldContainer[float]
    bounds: _containers.RepeatedCompositeFieldContainer[ScoreBounds]
    def __init__(self, scale: _Optional[_Union[ScoreFusion.Scale, str]] = ..., weights: _Optional[_Iterable[float]] = ..., bounds: _Optional[_Iterable[_Union[ScoreBounds, _Mapping]]] = ...) -> None: ...

class ScoreBounds(_message.Message):
    __slots__ = ("low", "high")
    LOW_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    low: float
    high: float
    def __init__(self, low: _Optional[float] = ..., high: _Optional[float] = ...) -> None: ...

class Mmr(_message.Message):
    __slots__ = ("field", "target", "diversity", "candidates", "params")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    DIVERSITY_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    field: str
    target: Target
    diversity: float
    candidates: int
    params: SearchParams
    def __init__(self, field: _Optional[str] = ..., target: _Optional[_Union[Target, _Mapping]] = ..., diversity: _Optional[float] = ..., candidates: _Optional[int] = ..., params: _Optional[_Union[SearchParams, _Mapping]] = ...) -> None: ...

class Recommend(_message.Message):
    __slots__ = ("field", "positive", "negative", "strategy", "params")
    class Strategy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STRATEGY_UNSPECIFIED: _ClassVar[Recommend.Strategy]
        STRATEGY_AVERAGE_VECTOR: _ClassVar[Recommend.Strategy]
        STRATEGY_BEST_SCORE: _ClassVar[Recommend.Strategy]
        STRATEGY_SUM_SCORES: _ClassVar[Recommend.Strategy]
    STRATEGY_UNSPECIFIED: Recommend.Strategy
    STRATEGY_AVERAGE_VECTOR: Recommend.Strategy
    STRATEGY_BEST_SCORE: Recommend.Strategy
    STRATEGY_SUM_SCORES: Recommend.Strategy
    FIELD_FIELD_NUMBER: _ClassVar[int]
    POSITIVE_FIELD_NUMBER: _ClassVar[int]
    NEGATIVE_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    field: str
    positive: _containers.RepeatedCompositeFieldContainer[Target]
    negative: _containers.RepeatedCompositeFieldContainer[Target]
    strategy: Recommend.Strategy
    params: SearchParams
    def __init__(self, field: _Optional[str] = ..., positive: _Optional[_Iterable[_Union[Target, _Mapping]]] = ..., negative: _Optional[_Iterable[_Union[Target, _Mapping]]] = ..., strategy: _Optional[_Union[Recommend.Strategy, str]] = ..., params: _Optional[_Union[SearchParams, _Mapping]] = ...) -> None: ...

class ContextPair(_message.Message):
    __slots__ = ("positive", "negative")
    POSITIVE_FIELD_NUMBER: _ClassVar[int]
    NEGATIVE_FIELD_NUMBER: _ClassVar[int]
    positive: Target
    negative: Target
    def __init__(self, positive: _Optional[_Union[Target, _Mapping]] = ..., negative: _Optional[_Union[Target, _Mapping]] = ...) -> None: ...

class Discover(_message.Message):
    __slots__ = ("field", "target", "context")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    field: str
    target: Target
    context: _containers.RepeatedCompositeFieldContainer[ContextPair]
    def __init__(self, field: _Optional[str] = ..., target: _Optional[_Union[Target, _Mapping]] = ..., context: _Optional[_Iterable[_Union[ContextPair, _Mapping]]] = ...) -> None: ...

class Context(_message.Message):
    __slots__ = ("field", "pairs")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    PAIRS_FIELD_NUMBER: _ClassVar[int]
    field: str
    pairs: _containers.RepeatedCompositeFieldContainer[ContextPair]
    def __init__(self, field: _Optional[str] = ..., pairs: _Optional[_Iterable[_Union[ContextPair, _Mapping]]] = ...) -> None: ...

class OrderBy(_message.Message):
    __slots__ = ("path", "descending", "start_from")
    PATH_FIELD_NUMBER: _ClassVar[int]
    DESCENDING_FIELD_NUMBER: _ClassVar[int]
    START_FROM_FIELD_NUMBER: _ClassVar[int]
    path: str
    descending: bool
    start_from: OrderValue
    def __init__(self, path: _Optional[str] = ..., descending: bool = ..., start_from: _Optional[_Union[OrderValue, _Mapping]] = ...) -> None: ...

class OrderValue(_message.Message):
    __slots__ = ("integer", "natural", "float", "datetime")
    INTEGER_FIELD_NUMBER: _ClassVar[int]
    NATURAL_FIELD_NUMBER: _ClassVar[int]
    FLOAT_FIELD_NUMBER: _ClassVar[int]
    DATETIME_FIELD_NUMBER: _ClassVar[int]
    integer: int
    natural: int
    float: float
    datetime: str
    def __init__(self, integer: _Optional[int] = ..., natural: _Optional[int] = ..., float: _Optional[float] = ..., datetime: _Optional[str] = ...) -> None: ...

class Sample(_message.Message):
    __slots__ = ("seed",)
    SEED_FIELD_NUMBER: _ClassVar[int]
    seed: int
    def __init__(self, seed: _Optional[int] = ...) -> None: ...

class Formula(_message.Message):
    __slots__ = ("constant", "score", "field", "holds", "distance", "sum", "product", "quotient", "power", "negative", "absolute", "square_root", "exponential", "ln", "log10", "decay", "datetime", "greatest", "least", "acosh")
    CONSTANT_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    HOLDS_FIELD_NUMBER: _ClassVar[int]
    DISTANCE_FIELD_NUMBER: _ClassVar[int]
    SUM_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_FIELD_NUMBER: _ClassVar[int]
    QUOTIENT_FIELD_NUMBER: _ClassVar[int]
    POWER_FIELD_NUMBER: _ClassVar[int]
    NEGATIVE_FIELD_NUMBER: _ClassVar[int]
    ABSOLUTE_FIELD_NUMBER: _ClassVar[int]
    SQUARE_ROOT_FIELD_NUMBER: _ClassVar[int]
    EXPONENTIAL_FIELD_NUMBER: _ClassVar[int]
    LN_FIELD_NUMBER: _ClassVar[int]
    LOG10_FIELD_NUMBER: _ClassVar[int]
    DECAY_FIELD_NUMBER: _ClassVar[int]
    DATETIME_FIELD_NUMBER: _ClassVar[int]
    GREATEST_FIELD_NUMBER: _ClassVar[int]
    LEAST_FIELD_NUMBER: _ClassVar[int]
    ACOSH_FIELD_NUMBER: _ClassVar[int]
    constant: float
    score: SourceScore
    field: FieldValue
    holds: _common_pb2.Condition
    distance: GeoDistance
    sum: Formulas
    product: Formulas
    quotient: Quotient
    power: Power
    negative: Formula
    absolute: Formula
    square_root: Formula
    exponential: Formula
    ln: Formula
    log10: Formula
    decay: Decay
    datetime: str
    greatest: Formulas
    least: Formulas
    acosh: Formula
    def __init__(self, constant: _Optional[float] = ..., score: _Optional[_Union[SourceScore, _Mapping]] = ..., field: _Optional[_Union[FieldValue, _Mapping]] = ..., holds: _Optional[_Union[_common_pb2.Condition, _Mapping]] = ..., distance: _Optional[_Union[GeoDistance, _Mapping]] = ..., sum: _Optional[_Union[Formulas, _Mapping]] = ..., product: _Optional[_Union[Formulas, _Mapping]] = ..., quotient: _Optional[_Union[Quotient, _Mapping]] = ..., power: _Optional[_Union[Power, _Mapping]] = ..., negative: _Optional[_Union[Formula, _Mapping]] = ..., absolute: _Optional[_Union[Formula, _Mapping]] = ..., square_root: _Optional[_Union[Formula, _Mapping]] = ..., exponential: _Optional[_Union[Formula, _Mapping]] = ..., ln: _Optional[_Union[Formula, _Mapping]] = ..., log10: _Optional[_Union[Formula, _Mapping]] = ..., decay: _Optional[_Union[Decay, _Mapping]] = ..., datetime: _Optional[str] = ..., greatest: _Optional[_Union[Formulas, _Mapping]] = ..., least: _Optional[_Union[Formulas, _Mapping]] = ..., acosh: _Optional[_Union[Formula, _Mapping]] = ...) -> None: ...

class Formulas(_message.Message):
    __slots__ = ("formulas",)
    FORMULAS_FIELD_NUMBER: _ClassVar[int]
    formulas: _containers.RepeatedCompositeFieldContainer[Formula]
    def __init__(self, formulas: _Optional[_Iterable[_Union[Formula, _Mapping]]] = ...) -> None: ...

class SourceScore(_message.Message):
    __slots__ = ("source", "missing")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    source: int
    missing: float
    def __init__(self, source: _Optional[int] = ..., missing: _Optional[float] = ...) -> None: ...

class FieldValue(_message.Message):
    __slots__ = ("path", "missing")
    PATH_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    path: str
    missing: float
    def __init__(self, path: _Optional[str] = ..., missing: _Optional[float] = ...) -> None: ...

class GeoDistance(_message.Message):
    __slots__ = ("path", "missing")
    PATH_FIELD_NUMBER: _ClassVar[int]
    FROM_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    path: str
    missing: float
    def __init__(self, path: _Optional[str] = ..., missing: _Optional[float] = ..., **kwargs) -> None: ...

class Quotient(_message.Message):
    __slots__ = ("of", "by", "by_zero")
    OF_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    BY_ZERO_FIELD_NUMBER: _ClassVar[int]
    of: Formula
    by: Formula
    by_zero: float
    def __init__(self, of: _Optional[_Union[Formula, _Mapping]] = ..., by: _Optional[_Union[Formula, _Mapping]] = ..., by_zero: _Optional[float] = ...) -> None: ...

class Power(_message.Message):
    __slots__ = ("base", "exponent")
    BASE_FIELD_NUMBER: _ClassVar[int]
    EXPONENT_FIELD_NUMBER: _ClassVar[int]
    base: Formula
    exponent: Formula
    def __init__(self, base: _Optional[_Union[Formula, _Mapping]] = ..., exponent: _Optional[_Union[Formula, _Mapping]] = ...) -> None: ...

class Decay(_message.Message):
    __slots__ = ("shape", "of", "target", "scale", "midpoint")
    class Shape(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        SHAPE_UNSPECIFIED: _ClassVar[Decay.Shape]
        SHAPE_EXPONENTIAL: _ClassVar[Decay.Shape]
        SHAPE_LINEAR: _ClassVar[Decay.Shape]
        SHAPE_GAUSS: _ClassVar[Decay.Shape]
    SHAPE_UNSPECIFIED: Decay.Shape
    SHAPE_EXPONENTIAL: Decay.Shape
    SHAPE_LINEAR: Decay.Shape
    SHAPE_GAUSS: Decay.Shape
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    OF_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    SCALE_FIELD_NUMBER: _ClassVar[int]
    MIDPOINT_FIELD_NUMBER: _ClassVar[int]
    shape: Decay.Shape
    of: Formula
    target: Formula
    scale: float
    midpoint: float
    def __init__(self, shape: _Optional[_Union[Decay.Shape, str]] = ..., of: _Optional[_Union[Formula, _Mapping]] = ..., target: _Optional[_Union[Formula, _Mapping]] = ..., scale: _Optional[float] = ..., midpoint: _Optional[float] = ...) -> None: ...

class GroupBy(_message.Message):
    __slots__ = ("path", "groups", "size", "lookup")
    PATH_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    LOOKUP_FIELD_NUMBER: _ClassVar[int]
    path: str
    groups: int
    size: int
    lookup: GroupLookup
    def __init__(self, path: _Optional[str] = ..., groups: _Optional[int] = ..., size: _Optional[int] = ..., lookup: _Optional[_Union[GroupLookup, _Mapping]] = ...) -> None: ...

class GroupLookup(_message.Message):
    __slots__ = ("collection", "payload", "vectors")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    collection: str
    payload: _common_pb2.PayloadSelection
    vectors: _common_pb2.VectorSelection
    def __init__(self, collection: _Optional[str] = ..., payload: _Optional[_Union[_common_pb2.PayloadSelection, _Mapping]] = ..., vectors: _Optional[_Union[_common_pb2.VectorSelection, _Mapping]] = ...) -> None: ...

class RankPlace(_message.Message):
    __slots__ = ("score", "id", "value")
    SCORE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    score: float
    id: _common_pb2.PointId
    value: OrderValue
    def __init__(self, score: _Optional[float] = ..., id: _Optional[_Union[_common_pb2.PointId, _Mapping]] = ..., value: _Optional[_Union[OrderValue, _Mapping]] = ...) -> None: ...

class Paging(_message.Message):
    __slots__ = ("after",)
    AFTER_FIELD_NUMBER: _ClassVar[int]
    after: RankPlace
    def __init__(self, after: _Optional[_Union[RankPlace, _Mapping]] = ...) -> None: ...
