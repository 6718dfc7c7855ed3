from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PointId(_message.Message):
    __slots__ = ("num", "uuid")
    NUM_FIELD_NUMBER: _ClassVar[int]
    UUID_FIELD_NUMBER: _ClassVar[int]
    num: int
    uuid: str
    def __init__(self, num: _Optional[int] = ..., uuid: _Optional[str] = ...) -> None: ...

class PointIds(_message.Message):
    __slots__ = ("ids",)
    IDS_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedCompositeFieldContainer[PointId]
    def __init__(self, ids: _Optional[_Iterable[_Union[PointId, _Mapping]]] = ...) -> None: ...

class Vector(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, values: _Optional[_Iterable[float]] = ...) -> None: ...

class SparseVector(_message.Message):
    __slots__ = ("indices", "values")
    INDICES_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    indices: _containers.RepeatedScalarFieldContainer[int]
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, indices: _Optional[_Iterable[int]] = ..., values: _Optional[_Iterable[float]] = ...) -> None: ...

class MultiVector(_message.Message):
    __slots__ = ("vectors",)
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    vectors: _containers.RepeatedCompositeFieldContainer[Vector]
    def __init__(self, vectors: _Optional[_Iterable[_Union[Vector, _Mapping]]] = ...) -> None: ...

class Point(_message.Message):
    __slots__ = ("id", "vectors", "payload", "version", "expires_at_ms", "sparse", "multi")
    class VectorsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Vector
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Vector, _Mapping]] = ...) -> None: ...
    class SparseEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: SparseVector
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[SparseVector, _Mapping]] = ...) -> None: ...
    class MultiEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: MultiVector
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[MultiVector, _Mapping]] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    SPARSE_FIELD_NUMBER: _ClassVar[int]
    MULTI_FIELD_NUMBER: _ClassVar[int]
    id: PointId
    vectors: _containers.MessageMap[str, Vector]
    payload: str
    version: int
    expires_at_ms: int
    sparse: _containers.MessageMap[str, SparseVector]
    multi: _containers.MessageMap[str, MultiVector]
    def __init__(self, id: _Optional[_Union[PointId, _Mapping]] = ..., vectors: _Optional[_Mapping[str, Vector]] = ..., payload: _Optional[str] = ..., version: _Optional[int] = ..., expires_at_ms: _Optional[int] = ..., sparse: _Optional[_Mapping[str, SparseVector]] = ..., multi: _Optional[_Mapping[str, MultiVector]] = ...) -> None: ...

class Filter(_message.Message):
    __slots__ = ("must", "should", "must_not")
    MUST_FIELD_NUMBER: _ClassVar[int]
    SHOULD_FIELD_NUMBER: _ClassVar[int]
    MUST_NOT_FIELD_NUMBER: _ClassVar[int]
    must: _containers.RepeatedCompositeFieldContainer[Condition]
    should: _containers.RepeatedCompositeFieldContainer[Condition]
    must_not: _containers.RepeatedCompositeFieldContainer[Condition]
    def __init__(self, must: _Optional[_Iterable[_Union[Condition, _Mapping]]] = ..., should: _Optional[_Iterable[_Union[Condition, _Mapping]]] = ..., must_not: _Optional[_Iterable[_Union[Condition, _Mapping]]] = ...) -> None: ...

class Condition(_message.Message):
    __slots__ = ("filter", "field", "has_id", "at_least", "nested", "has_vector", "text", "slice")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    HAS_ID_FIELD_NUMBER: _ClassVar[int]
    AT_LEAST_FIELD_NUMBER: _ClassVar[int]
    NESTED_FIELD_NUMBER: _ClassVar[int]
    HAS_VECTOR_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    SLICE_FIELD_NUMBER: _ClassVar[int]
    filter: Filter
    field: FieldCondition
    has_id: PointIds
    at_least: AtLeast
    nested: Nested
    has_vector: str
    text: str
    slice: Slice
    def __init__(self, filter: _Optional[_Union[Filter, _Mapping]] = ..., field: _Optional[_Union[FieldCondition, _Mapping]] = ..., has_id: _Optional[_Union[PointIds, _Mapping]] = ..., at_least: _Optional[_Union[AtLeast, _Mapping]] = ..., nested: _Optional[_Union[Nested, _Mapping]] = ..., has_vector: _Optional[str] = ..., text: _Optional[str] = ..., slice: _Optional[_Union[Slice, _Mapping]] = ...) -> None: ...

class Slice(_message.Message):
    __slots__ = ("index", "total")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    index: int
    total: int
    def __init__(self, index: _Optional[int] = ..., total: _Optional[int] = ...) -> None: ...

class AtLeast(_message.Message):
    __slots__ = ("count", "of")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    OF_FIELD_NUMBER: _ClassVar[int]
    count: int
    of: _containers.RepeatedCompositeFieldContainer[Condition]
    def __init__(self, count: _Optional[int] = ..., of: _Optional[_Iterable[_Union[Condition, _Mapping]]] = ...) -> None: ...

class Nested(_message.Message):
    __slots__ = ("path", "filter")
    PATH_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    path: str
    filter: Filter
    def __init__(self, path: _Optional[str] = ..., filter: _Optional[_Union[Filter, _Mapping]] = ...) -> None: ...

class FieldCondition(_message.Message):
    __slots__ = ("path", "match", "any_of", "none_of", "range", "datetime_range", "is_empty", "is_null", "prefix", "words", "geo", "values_count", "substring")
    PATH_FIELD_NUMBER: _ClassVar[int]
    MATCH_FIELD_NUMBER: _ClassVar[int]
    ANY_OF_FIELD_NUMBER: _ClassVar[int]
    NONE_OF_FIELD_NUMBER: _ClassVar[int]
    RANGE_FIELD_NUMBER: _ClassVar[int]
    DATETIME_RANGE_FIELD_NUMBER: _ClassVar[int]
    IS_EMPTY_FIELD_NUMBER: _ClassVar[int]
    IS_NULL_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    GEO_FIELD_NUMBER: _ClassVar[int]
    VALUES_COUNT_FIELD_NUMBER: _ClassVar[int]
    SUBSTRING_FIELD_NUMBER: _ClassVar[int]
    path: str
    match: Scalar
    any_of: Scalars
    none_of: Scalars
    range: NumberRange
    datetime_range: DatetimeRange
    is_empty: Unit
    is_null: Unit
    prefix: str
    words: WordsTest
    geo: GeoShape
    values_count: CountRange
    substring: str
    def __init__(self, path: _Optional[str] = ..., match: _Optional[_Union[Scalar, _Mapping]] = ..., any_of: _Optional[_Union[Scalars, _Mapping]] = ..., none_of: _Optional[_Union[Scalars, _Mapping]] = ..., range: _Optional[_Union[NumberRange, _Mapping]] = ..., datetime_range: _Optional[_Union[DatetimeRange, _Mapping]] = ..., is_empty: _Optional[_Union[Unit, _Mapping]] = ..., is_null: _Optional[_Union[Unit, _Mapping]] = ..., prefix: _Optional[str] = ..., words: _Optional[_Union[WordsTest, _Mapping]] = ..., geo: _Optional[_Union[GeoShape, _Mapping]] = ..., values_count: _Optional[_Union[CountRange, _Mapping]] = ..., substring: _Optional[str] = ...) -> None: ...

class WordsTest(_message.Message):
    __slots__ = ("text", "how")
    class How(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        HOW_UNSPECIFIED: _ClassVar[WordsTest.How]
        HOW_ALL: _ClassVar[WordsTest.How]
        HOW_ANY: _ClassVar[WordsTest.How]
        HOW_PHRASE: _ClassVar[WordsTest.How]
        HOW_PREFIX: _ClassVar[WordsTest.How]
    HOW_UNSPECIFIED: WordsTest.How
    HOW_ALL: WordsTest.How
    HOW_ANY: WordsTest.How
    HOW_PHRASE: WordsTest.How
    HOW_PREFIX: WordsTest.How
    TEXT_FIELD_NUMBER: _ClassVar[int]
    HOW_FIELD_NUMBER: _ClassVar[int]
    text: str
    how: WordsTest.How
    def __init__(self, text: _Optional[str] = ..., how: _Optional[_Union[WordsTest.How, str]] = ...) -> None: ...

class GeoPlace(_message.Message):
    __slots__ = ("lat", "lon")
    LAT_FIELD_NUMBER: _ClassVar[int]
    LON_FIELD_NUMBER: _ClassVar[int]
    lat: float
    lon: float
    def __init__(self, lat: _Optional[float] = ..., lon: _Optional[float] = ...) -> None: ...

class GeoShape(_message.Message):
    __slots__ = ("circle", "box", "polygon")
    CIRCLE_FIELD_NUMBER: _ClassVar[int]
    BOX_FIELD_NUMBER: _ClassVar[int]
    POLYGON_FIELD_NUMBER: _ClassVar[int]
    circle: GeoCircle
    box: GeoBox
    polygon: GeoPolygon
    def __init__(self, circle: _Optional[_Union[GeoCircle, _Mapping]] = ..., box: _Optional[_Union[GeoBox, _Mapping]] = ..., polygon: _Optional[_Union[GeoPolygon, _Mapping]] = ...) -> None: ...

class GeoCircle(_message.Message):
    __slots__ = ("center", "meters")
    CENTER_FIELD_NUMBER: _ClassVar[int]
    METERS_FIELD_NUMBER: _ClassVar[int]
    center: GeoPlace
    meters: float
    def __init__(self, center: _Optional[_Union[GeoPlace, _Mapping]] = ..., meters: _Optional[float] = ...) -> None: ...

class GeoBox(_message.Message):
    __slots__ = ("south_west", "north_east")
    SOUTH_WEST_FIELD_NUMBER: _ClassVar[int]
    NORTH_EAST_FIELD_NUMBER: _ClassVar[int]
    south_west: GeoPlace
    north_east: GeoPlace
    def __init__(self, south_west: _Optional[_Union[GeoPlace, _Mapping]] = ..., north_east: _Optional[_Union[GeoPlace, _Mapping]] = ...) -> None: ...

class GeoPolygon(_message.Message):
    __slots__ = ("outer", "holes")
    OUTER_FIELD_NUMBER: _ClassVar[int]
    HOLES_FIELD_NUMBER: _ClassVar[int]
    outer: GeoRing
    holes: _containers.RepeatedCompositeFieldContainer[GeoRing]
    def __init__(self, outer: _Optional[_Union[GeoRing, _Mapping]] = ..., holes: _Optional[_Iterable[_Union[GeoRing, _Mapping]]] = ...) -> None: ...

class GeoRing(_message.Message):
    __slots__ = ("places",)
    PLACES_FIELD_NUMBER: _ClassVar[int]
    places: _containers.RepeatedCompositeFieldContainer[GeoPlace]
    def __init__(self, places: _Optional[_Iterable[_Union[GeoPlace, _Mapping]]] = ...) -> None: ...

class CountRange(_message.Message):
    __slots__ = ("gt", "gte", "lt", "lte")
    GT_FIELD_NUMBER: _ClassVar[int]
    GTE_FIELD_NUMBER: _ClassVar[int]
    LT_FIELD_NUMBER: _ClassVar[int]
    LTE_FIELD_NUMBER: _ClassVar[int]
    gt: int
    gte: int
    lt: int
    lte: int
    def __init__(self, gt: _Optional[int] = ..., gte: _Optional[int] = ..., lt: _Optional[int] = ..., lte: _Optional[int] = ...) -> None: ...

class Unit(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Scalar(_message.Message):
    __slots__ = ("keyword", "integer", "float", "bool")
    KEYWORD_FIELD_NUMBER: _ClassVar[int]
    INTEGER_FIELD_NUMBER: _ClassVar[int]
    FLOAT_FIELD_NUMBER: _ClassVar[int]
    BOOL_FIELD_NUMBER: _ClassVar[int]
    keyword: str
    integer: int
    float: float
    bool: bool
    def __init__(self, keyword: _Optional[str] = ..., integer: _Optional[int] = ..., float: _Optional[float] = ..., bool: bool = ...) -> None: ...

class Scalars(_message.Message):
    __slots__ = ("scalars",)
    SCALARS_FIELD_NUMBER: _ClassVar[int]
    scalars: _containers.RepeatedCompositeFieldContainer[Scalar]
    def __init__(self, scalars: _Optional[_Iterable[_Union[Scalar, _Mapping]]] = ...) -> None: ...

class NumberRange(_message.Message):
    __slots__ = ("gt", "gte", "lt", "lte")
    GT_FIELD_NUMBER: _ClassVar[int]
    GTE_FIELD_NUMBER: _ClassVar[int]
    LT_FIELD_NUMBER: _ClassVar[int]
    LTE_FIELD_NUMBER: _ClassVar[int]
    gt: float
    gte: float
    lt: float
    lte: float
    def __init__(self, gt: _Optional[float] = ..., gte: _Optional[float] = ..., lt: _Optional[float] = ..., lte: _Optional[float] = ...) -> None: ...

class DatetimeRange(_message.Message):
    __slots__ = ("gt", "gte", "lt", "lte")
    GT_FIELD_NUMBER: _ClassVar[int]
    GTE_FIELD_NUMBER: _ClassVar[int]
    LT_FIELD_NUMBER: _ClassVar[int]
    LTE_FIELD_NUMBER: _ClassVar[int]
    gt: str
    gte: str
    lt: str
    lte: str
    def __init__(self, gt: _Optional[str] = ..., gte: _Optional[str] = ..., lt: _Optional[str] = ..., lte: _Optional[str] = ...) -> None: ...

class PayloadSelection(_message.Message):
    __slots__ = ("all", "include", "exclude")
    ALL_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_FIELD_NUMBER: _ClassVar[int]
    all: bool
    include: Names
    exclude: Names
    def __init__(self, all: bool = ..., include: _Optional[_Union[Names, _Mapping]] = ..., exclude: _Optional[_Union[Names, _Mapping]] = ...) -> None: ...

class VectorSelection(_message.Message):
    __slots__ = ("all", "include")
    ALL_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_FIELD_NUMBER: _ClassVar[int]
    all: bool
    include: Names
    def __init__(self, all: bool = ..., include: _Optional[_Union[Names, _Mapping]] = ...) -> None: ...

class Names(_message.Message):
    __slots__ = ("names",)
    NAMES_FIELD_NUMBER: _ClassVar[int]
    names: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, names: _Optional[_Iterable[str]] = ...) -> None: ...
