"""Uploads: all of it arrives once, what is refused is told, a server that goes away and comes back loses nothing."""

import threading

import numpy as np
import pandas
import pyarrow
import pytest

import nigh
from conftest import Server
from nigh.ingest import Batch, Ingest
from nigh.v1 import points_pb2

SPEC = nigh.CollectionSpec(vectors=[nigh.VectorField("v", 16)])


@pytest.fixture
def collection(client):
    client.create_collection("rows", SPEC)
    return client


def test_a_matrix_arrives_as_it_was(collection, matrix):
    summary = collection.upload("rows", None, matrix, ({"row": row} for row in range(len(matrix))))
    assert (summary.ops, summary.refused, summary.resumed) == (5000, 0, 0)
    points = list(collection.scroll_all("rows", vectors=True))
    assert np.array_equal(np.stack([point.vectors["v"] for point in points]), matrix)
    assert [point.payload["row"] for point in points] == list(range(5000))


@pytest.mark.parametrize(
    ("ids", "vectors", "payloads", "field"),
    [
        ([1, 2], np.zeros((3, 16)), None, "rows"),
        ([1], np.zeros(16), None, "vectors.v"),
        ([1], np.zeros((1, 16)), [{}, {}], "rows"),
        # Whatever knows its length, and what nobody knows it of.
        ([1, 2, 3], np.zeros((3, 16)), np.array([{}, {}], dtype=object), "rows"),
        ([1, 2], np.zeros((2, 16)), pandas.Series([{}, {}, {}]), "rows"),
        ([1, 2, 3], np.zeros((3, 16)), iter([{}, {}]), "rows"),
        ([1, 2, 3], np.zeros((3, 16)), iter([{}, {}, {}, {}]), "rows"),
        ([], np.zeros((0, 16)), iter([{}]), "rows"),
        (["x"], np.zeros((1, 16)), None, "id"),
        ([1], {"v": [["a"] * 16]}, None, "vectors.v"),
    ],
)
def test_rows_that_do_not_fit_are_refused_by_name(collection, ids, vectors, payloads, field):
    with pytest.raises(nigh.InvalidArgumentError) as refused:
        collection.upload("rows", ids, vectors, payloads)
    assert refused.value.field == field


@pytest.mark.parametrize("payloads", [None, [], iter([])])
def test_an_empty_matrix_is_no_rows(collection, payloads):
    assert collection.upload("rows", [], np.zeros((0, 16), dtype=np.float32), payloads).ops == 0
    assert collection.upload("rows", None, np.zeros((0, 16))).ops == 0


def test_what_the_server_refuses_is_told_and_the_rest_is_in(collection):
    points = [nigh.Point(id, {"v": [1.0] * (3 if id == 70 else 16)}) for id in range(100)]
    options = nigh.UploadOptions(batch_ops=10)
    with pytest.raises(nigh.UploadRefusedError) as refused:
        collection.upload_points("rows", points, options=options)
    summary = refused.value.summary
    assert (summary.ops, summary.refused) == (100, 10)
    assert summary.refusals[0].first_op == 70
    assert refused.value.field == "ops[0].upsert.vectors.v"
    assert collection.count("rows") == 90
    kept = nigh.UploadOptions(batch_ops=10, refusals="keep")
    assert collection.upload_points("rows", points, options=kept).refused == 10


def test_a_mistake_in_the_callers_own_points_is_the_callers(collection):
    def points():
        yield nigh.Point(1)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        collection.upload_points("rows", points())
    with pytest.raises(nigh.NotFoundError):
        collection.upload_points("nothing", [nigh.Point(1)])


def test_frames_of_pandas_and_arrow(collection):
    rows = [[float(row)] + [1.0] * 15 for row in range(10)]
    frame = pandas.DataFrame({"id": range(10), "v": rows, "n": [1.5, None] * 5, "t": ["x"] * 10})
    assert collection.upload_frame("rows", frame).ops == 10
    assert [point.payload for point in collection.get("rows", [0, 1])] == [{"n": 1.5, "t": "x"}, {"t": "x"}]
    vectors = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(np.arange(64, dtype=np.float32)), 16)
    table = pyarrow.table({"key": [20, 21, 22, 23], "e": vectors, "t": list("abcd")}).slice(1)
    assert collection.upload_frame("rows", table, id="key", vectors={"v": "e"}, payload=["t"]).ops == 3
    (read,) = collection.get("rows", [22], vectors=True)
    assert read.vectors["v"].tolist() == list(range(32, 48))
    assert read.payload == {"t": "c"}
    some = pyarrow.table({"id": [30, 31], "v": [None, [2.0] * 16]})
    collection.upload_frame("rows", pyarrow.RecordBatchReader.from_batches(some.schema, some.to_batches()))
    assert [sorted(point.vectors) for point in collection.get("rows", [30, 31], vectors=True)] == [[], ["v"]]
    with pytest.raises(nigh.InvalidArgumentError, match="nothing"):
        collection.upload_frame("rows", table, id="nothing")
    with pytest.raises(nigh.InvalidArgumentError, match="one size"):
        collection.upload_frame("rows", pandas.DataFrame({"id": [1, 2], "v": [[1.0], [1.0, 2.0]]}))


def test_a_source_is_remembered(collection):
    options = nigh.UploadOptions(source=nigh.IngestSource("file", "part"), batch_ops=7)
    collection.upload_points("rows", (nigh.Point(id) for id in range(20)), options=options)
    (reached,) = collection.source_positions("rows", "file")
    assert (reached.partition, reached.offset) == ("part", 20)


def test_a_server_that_dies_and_comes_back_loses_and_doubles_nothing(tmp_path):
    server = Server(tmp_path)
    try:
        with nigh.Client(server.grpc) as client:
            client.create_collection("rows", SPEC)
            died = threading.Event()

            def points():
                for id in range(4000):
                    # In the midst of it all, with batches on their way.
                    if id == 2000:
                        server.kill()
                        server.start()
                        died.set()
                    yield nigh.Point(id, {"v": [float(id)] * 16}, {"id": id})

            summary = client.upload_points("rows", points(), options=nigh.UploadOptions(batch_ops=20))
            assert died.is_set()
            assert summary.resumed >= 1
            assert (summary.ops, summary.refused) == (4000, 0)
            assert [point.payload["id"] for point in client.scroll_all("rows")] == list(range(4000))
    finally:
        server.kill()


def replied(**kind):
    return points_pb2.IngestReply(**kind)


def test_nothing_goes_out_without_credit_and_all_that_is_open_goes_again():
    state = Ingest("rows", nigh.UploadOptions(), nigh.RetryPolicy())
    state.open()
    for _ in range(3):
        state.keep(Batch(b"", 5))
    state.end()
    assert state.next() is None
    state.hear(replied(credits=points_pb2.Credits(batches=2, bytes=1 << 20)))
    first, second = state.next(), state.next()
    assert first and second and state.next() is None
    state.hear(replied(ack=points_pb2.IngestAck(number=1, seq=9)))
    assert not state.done
    state.open()
    state.hear(replied(credits=points_pb2.Credits(batches=8, bytes=1 << 20)))
    # Under the same name, so that it is applied once.
    assert state.next() == second
    third = state.next()
    state.hear(replied(ack=points_pb2.IngestAck(number=3, seq=12)))
    assert state.done and third is not None
    assert (state.summary().ops, state.summary().seq) == (15, 12)


def test_an_acknowledgement_of_what_was_not_sent_is_an_error():
    state = Ingest("rows", nigh.UploadOptions(), nigh.RetryPolicy())
    state.open()
    state.keep(Batch(b"", 1))
    with pytest.raises(nigh.ReplyError):
        state.hear(replied(ack=points_pb2.IngestAck(number=1)))


def test_memory_in_flight_is_bounded():
    state = Ingest("rows", nigh.UploadOptions(unacked_bytes_max=1000), nigh.RetryPolicy())
    state.open()
    kept = 0
    while state.room:
        state.keep(Batch(b"x" * 100, 1))
        kept += 1
    assert kept < 12
