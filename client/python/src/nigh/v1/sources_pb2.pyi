from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SourcePosition(_message.Message):
    __slots__ = ("source", "partition", "offset", "after")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    source: str
    partition: str
    offset: int
    after: int
    def __init__(self, source: _Optional[str] = ..., partition: _Optional[str] = ..., offset: _Optional[int] = ..., after: _Optional[int] = ...) -> None: ...

class GetSourcePositionsRequest(_message.Message):
    __slots__ = ("collection", "source")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    collection: str
    source: str
    def __init__(self, collection: _Optional[str] = ..., source: _Optional[str] = ...) -> None: ...

class GetSourcePositionsReply(_message.Message):
    __slots__ = ("positions",)
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    positions: _containers.RepeatedCompositeFieldContainer[ReachedPosition]
    def __init__(self, positions: _Optional[_Iterable[_Union[ReachedPosition, _Mapping]]] = ...) -> None: ...

class ReachedPosition(_message.Message):
    __slots__ = ("source", "partition", "offset", "seq")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    source: str
    partition: str
    offset: int
    seq: int
    def __init__(self, source: _Optional[str] = ..., partition: _Optional[str] = ..., offset: _Optional[int] = ..., seq: _Optional[int] = ...) -> None: ...

class DropSourceRequest(_message.Message):
    __slots__ = ("collection", "source")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    collection: str
    source: str
    def __init__(self, collection: _Optional[str] = ..., source: _Optional[str] = ...) -> None: ...

class DropSourceReply(_message.Message):
    __slots__ = ("dropped",)
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    dropped: bool
    def __init__(self, dropped: bool = ...) -> None: ...
