from nigh.v1 import points_pb2 as _points_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ScrubRequest(_message.Message):
    __slots__ = ("collection", "bytes_per_second")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    BYTES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    collection: str
    bytes_per_second: int
    def __init__(self, collection: _Optional[str] = ..., bytes_per_second: _Optional[int] = ...) -> None: ...

class ScrubReply(_message.Message):
    __slots__ = ("collections",)
    COLLECTIONS_FIELD_NUMBER: _ClassVar[int]
    collections: _containers.RepeatedCompositeFieldContainer[ScrubbedCollection]
    def __init__(self, collections: _Optional[_Iterable[_Union[ScrubbedCollection, _Mapping]]] = ...) -> None: ...

class ScrubbedCollection(_message.Message):
    __slots__ = ("collection", "files", "bytes", "took_ms", "mended", "damage")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    TOOK_MS_FIELD_NUMBER: _ClassVar[int]
    MENDED_FIELD_NUMBER: _ClassVar[int]
    DAMAGE_FIELD_NUMBER: _ClassVar[int]
    collection: str
    files: int
    bytes: int
    took_ms: int
    mended: _containers.RepeatedScalarFieldContainer[str]
    damage: str
    def __init__(self, collection: _Optional[str] = ..., files: _Optional[int] = ..., bytes: _Optional[int] = ..., took_ms: _Optional[int] = ..., mended: _Optional[_Iterable[str]] = ..., damage: _Optional[str] = ...) -> None: ...

class EraseRequest(_message.Message):
    __slots__ = ("collection", "points")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    collection: str
    points: _points_pb2.Selector
    def __init__(self, collection: _Optional[str] = ..., points: _Optional[_Union[_points_pb2.Selector, _Mapping]] = ...) -> None: ...

class EraseReply(_message.Message):
    __slots__ = ("receipt",)
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    receipt: str
    def __init__(self, receipt: _Optional[str] = ...) -> None: ...
