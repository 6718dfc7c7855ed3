"""Tables into points, by way of Arrow. The vectors of a batch are one matrix, not copied where Arrow has them so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from nigh.errors import invalid
from nigh.wire import FloatArray, name_bytes, payload_text, upsert_bytes


def rows(
    frame: Any, id: str | None, columns: Mapping[str, str], payload: Sequence[str] | None, *, every: bool
) -> Iterator[bytes]:
    """The operations that upsert a table's rows. ``columns`` are those that hold vectors, with their fields; with ``every``
    all of them have to be there."""
    first = 0
    for batch in _batches(frame):
        names = batch.schema.names
        wanted = ([] if id is None else [id]) + (list(columns) if every else []) + list(payload or ())
        missing = [name for name in wanted if name not in names]
        if missing:
            raise invalid("column", repr(missing[0]), f"the table has {', '.join(map(repr, names))}")
        dense = {column: field for column, field in columns.items() if column in names}
        kept = [name for name in names if name != id and name not in dense] if payload is None else list(payload)
        yield from _batch_rows(batch, first, id, dense, kept)
        first += batch.num_rows


def _batch_rows(batch: Any, first: int, id: str | None, dense: Mapping[str, str], kept: list[str]) -> Iterator[bytes]:
    matrices = [(name_bytes(field), _matrix(batch.column(column), column)) for column, field in dense.items()]
    ids = range(first, first + batch.num_rows) if id is None else batch.column(id).to_pylist()
    payloads = batch.select(kept).to_pylist()
    for row, (point, payload) in enumerate(zip(ids, payloads)):
        vectors = [(name, one[row].tobytes()) for name, (one, valid) in matrices if valid is None or valid[row]]
        told = {key: value for key, value in payload.items() if value is not None and value == value}
        yield upsert_bytes(point, vectors, payload_text(told))


def _batches(frame: Any) -> Iterator[Any]:
    try:
        import pyarrow
    except ImportError as error:
        raise ImportError("tables are read by pyarrow: pip install 'nigh[arrow]'") from error
    if isinstance(frame, pyarrow.RecordBatch):
        return iter([frame])
    if isinstance(frame, pyarrow.Table):
        return iter(frame.to_batches(max_chunksize=8192))
    if isinstance(frame, pyarrow.RecordBatchReader):
        return iter(frame)
    if type(frame).__module__.partition(".")[0] == "pandas":
        table = pyarrow.Table.from_pandas(frame, preserve_index=False)
        return iter(table.to_batches(max_chunksize=8192))
    if hasattr(frame, "__arrow_c_stream__"):
        return iter(pyarrow.RecordBatchReader.from_stream(frame))
    raise invalid("frame", type(frame).__name__, "a table is of pandas or of Arrow, or has Arrow's stream interface")


def _matrix(column: Any, name: str) -> tuple[FloatArray, Any]:
    """The vectors of a column as a matrix, and which rows have one where some have none."""
    import pyarrow

    kind = column.type
    fixed = pyarrow.types.is_fixed_size_list(kind)
    if not (fixed or pyarrow.types.is_list(kind) or pyarrow.types.is_large_list(kind)):
        raise invalid(f"column {name!r}", kind, "vectors are lists of numbers")
    valid = None
    if column.null_count:
        valid = column.is_valid().to_numpy(zero_copy_only=False)
        column = column.drop_null()
    values = column.flatten()
    if values.null_count:
        raise invalid(f"column {name!r}", "a null inside a vector", "every number is there")
    flat = np.ascontiguousarray(values.to_numpy(zero_copy_only=False), dtype="<f4")
    count = len(column)
    if not fixed and count:
        lengths = column.value_lengths().to_numpy(zero_copy_only=False)
        if lengths.min() != lengths.max():
            raise invalid(f"column {name!r}", f"{lengths.min()} to {lengths.max()} numbers", "vectors are of one size")
    there = flat.reshape(count, -1) if count else flat.reshape(0, 0)
    if valid is None:
        return there, None
    matrix = np.zeros((len(valid), there.shape[1]), dtype="<f4")
    matrix[valid] = there
    return matrix, valid
