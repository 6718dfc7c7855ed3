from nigh.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ChangeKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CHANGE_KIND_UNSPECIFIED: _ClassVar[ChangeKind]
    CHANGE_KIND_ADDED: _ClassVar[ChangeKind]
    CHANGE_KIND_REMOVED: _ClassVar[ChangeKind]
    CHANGE_KIND_CHANGED: _ClassVar[ChangeKind]
CHANGE_KIND_UNSPECIFIED: ChangeKind
CHANGE_KIND_ADDED: ChangeKind
CHANGE_KIND_REMOVED: ChangeKind
CHANGE_KIND_CHANGED: ChangeKind

class BackupRequest(_message.Message):
    __slots__ = ("target", "collections")
    TARGET_FIELD_NUMBER: _ClassVar[int]
    COLLECTIONS_FIELD_NUMBER: _ClassVar[int]
    target: str
    collections: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, target: _Optional[str] = ..., collections: _Optional[_Iterable[str]] = ...) -> None: ...

class RestoreRequest(_message.Message):
    __slots__ = ("target", "backup", "collection", "into", "seq", "time_ms", "newest")
    TARGET_FIELD_NUMBER: _ClassVar[int]
    BACKUP_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    INTO_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    NEWEST_FIELD_NUMBER: _ClassVar[int]
    target: str
    backup: str
    collection: str
    into: str
    seq: int
    time_ms: int
    newest: bool
    def __init__(self, target: _Optional[str] = ..., backup: _Optional[str] = ..., collection: _Optional[str] = ..., into: _Optional[str] = ..., seq: _Optional[int] = ..., time_ms: _Optional[int] = ..., newest: bool = ...) -> None: ...

class TransferProgress(_message.Message):
    __slots__ = ("collection", "files", "files_total", "bytes", "bytes_total", "bytes_reused", "backup", "restored")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    FILES_TOTAL_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    BYTES_TOTAL_FIELD_NUMBER: _ClassVar[int]
    BYTES_REUSED_FIELD_NUMBER: _ClassVar[int]
    BACKUP_FIELD_NUMBER: _ClassVar[int]
    RESTORED_FIELD_NUMBER: _ClassVar[int]
    collection: str
    files: int
    files_total: int
    bytes: int
    bytes_total: int
    bytes_reused: int
    backup: BackupSummary
    restored: RestoreSummary
    def __init__(self, collection: _Optional[str] = ..., files: _Optional[int] = ..., files_total: _Optional[int] = ..., bytes: _Optional[int] = ..., bytes_total: _Optional[int] = ..., bytes_reused: _Optional[int] = ..., backup: _Optional[_Union[BackupSummary, _Mapping]] = ..., restored: _Optional[_Union[RestoreSummary, _Mapping]] = ...) -> None: ...

class RestoreSummary(_message.Message):
    __slots__ = ("backup", "collection", "seq", "points")
    BACKUP_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    backup: str
    collection: str
    seq: int
    points: int
    def __init__(self, backup: _Optional[str] = ..., collection: _Optional[str] = ..., seq: _Optional[int] = ..., points: _Optional[int] = ...) -> None: ...

class BackupsRequest(_message.Message):
    __slots__ = ("target",)
    TARGET_FIELD_NUMBER: _ClassVar[int]
    target: str
    def __init__(self, target: _Optional[str] = ...) -> None: ...

class BackupsReply(_message.Message):
    __slots__ = ("backups",)
    BACKUPS_FIELD_NUMBER: _ClassVar[int]
    backups: _containers.RepeatedCompositeFieldContainer[BackupSummary]
    def __init__(self, backups: _Optional[_Iterable[_Union[BackupSummary, _Mapping]]] = ...) -> None: ...

class BackupSummary(_message.Message):
    __slots__ = ("id", "time_ms", "collections", "broken", "left_out")
    ID_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    COLLECTIONS_FIELD_NUMBER: _ClassVar[int]
    BROKEN_FIELD_NUMBER: _ClassVar[int]
    LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    id: str
    time_ms: int
    collections: _containers.RepeatedCompositeFieldContainer[BackedUpCollection]
    broken: bool
    left_out: _containers.RepeatedCompositeFieldContainer[LeftOutCollection]
    def __init__(self, id: _Optional[str] = ..., time_ms: _Optional[int] = ..., collections: _Optional[_Iterable[_Union[BackedUpCollection, _Mapping]]] = ..., broken: bool = ..., left_out: _Optional[_Iterable[_Union[LeftOutCollection, _Mapping]]] = ...) -> None: ...

class LeftOutCollection(_message.Message):
    __slots__ = ("name", "reason")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    name: str
    reason: str
    def __init__(self, name: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class BackedUpCollection(_message.Message):
    __slots__ = ("name", "seq", "seq_time_ms", "points", "bytes")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    SEQ_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    name: str
    seq: int
    seq_time_ms: int
    points: int
    bytes: int
    def __init__(self, name: _Optional[str] = ..., seq: _Optional[int] = ..., seq_time_ms: _Optional[int] = ..., points: _Optional[int] = ..., bytes: _Optional[int] = ...) -> None: ...

class DropBackupRequest(_message.Message):
    __slots__ = ("target", "backup")
    TARGET_FIELD_NUMBER: _ClassVar[int]
    BACKUP_FIELD_NUMBER: _ClassVar[int]
    target: str
    backup: str
    def __init__(self, target: _Optional[str] = ..., backup: _Optional[str] = ...) -> None: ...

class DropBackupReply(_message.Message):
    __slots__ = ("bytes_freed",)
    BYTES_FREED_FIELD_NUMBER: _ClassVar[int]
    bytes_freed: int
    def __init__(self, bytes_freed: _Optional[int] = ...) -> None: ...

class PinRequest(_message.Message):
    __slots__ = ("collection", "version")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    collection: str
    version: str
    def __init__(self, collection: _Optional[str] = ..., version: _Optional[str] = ...) -> None: ...

class PinReply(_message.Message):
    __slots__ = ("version",)
    VERSION_FIELD_NUMBER: _ClassVar[int]
    version: Version
    def __init__(self, version: _Optional[_Union[Version, _Mapping]] = ...) -> None: ...

class Version(_message.Message):
    __slots__ = ("name", "seq", "time_ms", "points", "bytes", "held_bytes", "broken")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    HELD_BYTES_FIELD_NUMBER: _ClassVar[int]
    BROKEN_FIELD_NUMBER: _ClassVar[int]
    name: str
    seq: int
    time_ms: int
    points: int
    bytes: int
    held_bytes: int
    broken: str
    def __init__(self, name: _Optional[str] = ..., seq: _Optional[int] = ..., time_ms: _Optional[int] = ..., points: _Optional[int] = ..., bytes: _Optional[int] = ..., held_bytes: _Optional[int] = ..., broken: _Optional[str] = ...) -> None: ...

class PinsRequest(_message.Message):
    __slots__ = ("collection",)
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    collection: str
    def __init__(self, collection: _Optional[str] = ...) -> None: ...

class PinsReply(_message.Message):
    __slots__ = ("versions",)
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    versions: _containers.RepeatedCompositeFieldContainer[Version]
    def __init__(self, versions: _Optional[_Iterable[_Union[Version, _Mapping]]] = ...) -> None: ...

class UnpinRequest(_message.Message):
    __slots__ = ("collection", "version")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    collection: str
    version: str
    def __init__(self, collection: _Optional[str] = ..., version: _Optional[str] = ...) -> None: ...

class UnpinReply(_message.Message):
    __slots__ = ("dropped",)
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    dropped: bool
    def __init__(self, dropped: bool = ...) -> None: ...

class DiffRequest(_message.Message):
    __slots__ = ("collection", "before", "after", "limit")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    FROM_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    collection: str
    before: str
    after: str
    limit: int
    def __init__(self, collection: _Optional[str] = ..., before: _Optional[str] = ..., after: _Optional[str] = ..., limit: _Optional[int] = ..., **kwargs) -> None: ...

class DiffReply(_message.Message):
    __slots__ = ("changes", "next", "before_seq", "after_seq")
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    BEFORE_SEQ_FIELD_NUMBER: _ClassVar[int]
    AFTER_SEQ_FIELD_NUMBER: _ClassVar[int]
    changes: _containers.RepeatedCompositeFieldContainer[Change]
    next: _common_pb2.PointId
    before_seq: int
    after_seq: int
    def __init__(self, changes: _Optional[_Iterable[_Union[Change, _Mapping]]] = ..., next: _Optional[_Union[_common_pb2.PointId, _Mapping]] = ..., before_seq: _Optional[int] = ..., after_seq: _Optional[int] = ...) -> None: ...

class Change(_message.Message):
    __slots__ = ("id", "kind")
    ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    id: _common_pb2.PointId
    kind: ChangeKind
    def __init__(self, id: _Optional[_Union[_common_pb2.PointId, _Mapping]] = ..., kind: _Optional[_Union[ChangeKind, str]] = ...) -> None: ...
