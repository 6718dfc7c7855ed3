"""Uploads: many points, streamed in batches, bounded in flight, each batch acknowledged when it is on disk."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Any, Union

import numpy as np
import numpy.typing as npt

from nigh import frames
from nigh.errors import invalid
from nigh.ingest import UploadOptions
from nigh.points import Op, Point, op_out
from nigh.schema import CollectionSpec
from nigh.wire import PointId, name_bytes, numbers, payload_text, upsert_bytes

Matrix = npt.NDArray[Any]
Ops = Union[Iterator[bytes], AsyncIterable[bytes]]

#: What stands where one of two rows of things is at its end.
_END: Any = object()


@dataclass(frozen=True)
class Upload:
    """What is sent, and how."""

    collection: str
    #: The operations, as the wire has them; of the collection's spec where that has to be known.
    ops: Callable[[CollectionSpec | None], Ops]
    needs_spec: bool
    options: UploadOptions


def upload(
    collection: str,
    ids: Sequence[PointId] | Matrix | None,
    vectors: Matrix | Mapping[str, Matrix],
    payloads: Iterable[Mapping[str, Any] | str | None] | None = None,
    *,
    options: UploadOptions = UploadOptions(),
) -> Upload:
    """Writes the rows of a matrix as points, replacing those that are there. All are on disk when this returns.

    Without ids the points are numbered from 0. The matrix goes into the collection's only vector field; several are given
    by name. 32-bit floats that lie row by row are sent as they are. A payload may be JSON that is text already.

    >>> matrix = np.eye(3, dtype=np.float32)
    >>> client.upload("books", [11, 12, 13], matrix, [{"n": row} for row in range(3)]).ops
    3
    >>> client.get("books", [12], vectors=["v"])[0].vectors["v"]
    array([0., 1., 0.], dtype=float32)
    """
    def ops(spec: CollectionSpec | None) -> Iterator[bytes]:
        fields = vectors if isinstance(vectors, Mapping) else {_only_field(spec): vectors}
        return _rows(ids, fields, payloads)

    return Upload(collection, ops, not isinstance(vectors, Mapping), options)


def _only_field(spec: CollectionSpec | None) -> str:
    names = [] if spec is None else [one.name for one in spec.vectors]
    if len(names) != 1:
        raise invalid("vectors", "a matrix without a name", f"the collection has {len(names)} vector fields: {names}")
    return names[0]


def _rows(
    ids: Sequence[PointId] | Matrix | None,
    fields: Mapping[str, Matrix],
    payloads: Iterable[Mapping[str, Any] | str | None] | None,
) -> Iterator[bytes]:
    matrices = {name: numbers(matrix, f"vectors.{name}") for name, matrix in fields.items()}
    counts: dict[str, int | str] = {name: len(matrix) for name, matrix in matrices.items()}
    for name, matrix in matrices.items():
        if matrix.ndim != 2:
            raise invalid(f"vectors.{name}", f"an array of {matrix.ndim} dimensions", "a matrix has two")
    if ids is not None:
        counts["ids"] = len(ids)
    if isinstance(payloads, Sized):
        counts["payloads"] = len(payloads)
    if len(set(counts.values())) > 1:
        raise invalid("rows", counts, "all have as many")
    rows = int(next(iter(counts.values()), 0))
    # Python's own numbers, as numpy's are slow one by one.
    named: Iterable[PointId] = range(rows) if ids is None else ids.tolist() if isinstance(ids, np.ndarray) else ids
    # An array without rows has no bytes to lend.
    laid = [(name_bytes(name), matrix.data.cast("B"), matrix.shape[1] * 4) for name, matrix in matrices.items() if rows]
    given = itertools.repeat(None, rows) if payloads is None else payloads
    # Of a generator nobody knows how long it is: one that ends early, or late, is seen when it does.
    for row, (point, payload) in enumerate(itertools.zip_longest(named, given, fillvalue=_END)):
        if point is _END or payload is _END:
            counts["payloads"] = f"more than {rows}" if point is _END else row
            raise invalid("rows", counts, "all have as many")
        vectors = [(name, bytes(all_of[row * size : (row + 1) * size])) for name, all_of, size in laid]
        yield upsert_bytes(point, vectors, payload_text(payload))


def upload_points(
    collection: str,
    points: Iterable[Point | Op] | AsyncIterable[Point | Op],
    *,
    options: UploadOptions = UploadOptions(),
) -> Upload:
    """Sends any number of points, or of other operations, as they come. The asynchronous client takes an asynchronous
    iterable too.

    >>> client.upload_points("books", (nigh.Point(id, payload={"n": id}) for id in range(1000))).ops
    1000
    """

    def ops(_: CollectionSpec | None) -> Ops:
        if isinstance(points, AsyncIterable):
            return _op_bytes_later(points)
        return (op_out(one).SerializeToString() for one in points)

    return Upload(collection, ops, False, options)


async def _op_bytes_later(points: AsyncIterable[Point | Op]) -> AsyncIterator[bytes]:
    async for one in points:
        yield op_out(one).SerializeToString()


def upload_frame(
    collection: str,
    frame: Any,
    *,
    id: str | None = "id",
    vectors: Sequence[str] | Mapping[str, str] | None = None,
    payload: Sequence[str] | None = None,
    options: UploadOptions = UploadOptions(),
) -> Upload:
    """Writes the rows of a table: of pandas, of Arrow (a table, a batch, a reader of batches), or of whatever else has
    Arrow's stream interface, as Polars and DuckDB. Needs pyarrow.

    ``id`` is the column of the ids (``None``: numbered from 0). ``vectors`` are the columns that hold vectors, by the field
    where it has another name; left out: those that are called as a vector field is. Every other column goes into the
    payload, or those of ``payload``; a null is a key that is not there.

    >>> frame = pandas.DataFrame({"id": [21, 22], "v": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], "title": ["Emma", None]})
    >>> client.upload_frame("books", frame).ops
    2
    >>> [point.payload for point in client.get("books", [21, 22])]
    [{'title': 'Emma'}, {}]
    """

    def ops(spec: CollectionSpec | None) -> Iterator[bytes]:
        if isinstance(vectors, Mapping):
            columns = {column: name for name, column in vectors.items()}
        elif vectors is not None:
            columns = {column: column for column in vectors}
        else:
            columns = {one.name: one.name for one in (spec.vectors if spec else ())}
        return frames.rows(frame, id, columns, payload, every=vectors is not None)

    return Upload(collection, ops, vectors is None, options)
