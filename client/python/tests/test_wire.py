"""What is laid down by hand is what protobuf would have laid down."""

import math
import uuid

import numpy as np
import pandas
import pytest

import nigh
from nigh import wire
from nigh.points import op_out
from nigh.v1 import common_pb2, points_pb2

SIZES = [0, 1, 2, 31, 32, 33, 4095, 4096, 4097, 65536]


@pytest.mark.parametrize("size", SIZES)
def test_a_vector_is_what_protobuf_writes(size):
    numbers = np.random.default_rng(size).standard_normal(size, dtype=np.float32)
    expected = common_pb2.Vector(values=numbers.tolist())
    assert wire.vector_bytes(numbers) == expected.SerializeToString()
    read = wire.vector_in(expected)
    assert read.dtype == np.float32
    assert np.array_equal(read, numbers)


@pytest.mark.parametrize("given", [[1, 2, 3], (1.0, 2.0, 3.0), np.array([1, 2, 3]), np.array([1, 2, 3], dtype=">f8")])
def test_numbers_of_any_kind_become_floats(given):
    assert list(wire.vector_out(given).values) == [1.0, 2.0, 3.0]


def test_rows_of_a_slice_are_their_own():
    strided = np.arange(24, dtype=np.float32).reshape(4, 6)[:, ::2]
    assert list(wire.vector_out(strided[1]).values) == [6.0, 8.0, 10.0]


def test_numbers_that_lie_right_are_not_copied():
    matrix = np.ones((3, 4), dtype=np.float32)
    assert np.shares_memory(wire.numbers(matrix), matrix)


@pytest.mark.parametrize("number", [0, 1, 127, 128, 16383, 16384, 2**32, 2**64 - 1])
def test_a_varint_is_what_protobuf_writes(number):
    assert wire.id_bytes(number) == common_pb2.PointId(num=number).SerializeToString() or number == 0
    assert wire.id_out(number) == common_pb2.PointId(num=number)


def test_an_op_is_what_protobuf_writes():
    numbers = np.linspace(-1, 1, 384, dtype=np.float32)
    name = uuid.UUID(int=5)
    laid = wire.upsert_bytes(name, [(wire.name_bytes("v"), numbers.tobytes())], '{"a":"ä"}')
    assert points_pb2.Op.FromString(laid) == op_out(nigh.Point(name, {"v": numbers}, {"a": "ä"}))
    assert points_pb2.Op.FromString(wire.upsert_bytes(0, [], "")) == points_pb2.Op(
        upsert=common_pb2.Point(id=common_pb2.PointId(num=0))
    )


@pytest.mark.parametrize("wrong", [-1, 2**64, True, 1.5, "seven", None])
def test_what_is_no_id_is_refused_by_name(wrong):
    with pytest.raises(nigh.InvalidArgumentError) as refused:
        wire.id_out(wrong)
    assert refused.value.field == "id"


@pytest.mark.parametrize("wrong", ["abc", [[1.0]], None, [1.0, "x"]])
def test_what_is_no_vector_is_refused_by_name(wrong):
    with pytest.raises(nigh.InvalidArgumentError) as refused:
        wire.vector_out(wrong, "vectors.v")
    assert refused.value.field == "vectors.v"


def test_a_payload_holds_what_numpy_and_times_are():
    import datetime

    payload = {"a": np.float32(1.5), "b": np.arange(2), "c": datetime.date(2020, 1, 31), "d": uuid.UUID(int=1), "e": "ü"}
    expected = '{"a":1.5,"b":[0,1],"c":"2020-01-31","d":"00000000-0000-0000-0000-000000000001","e":"ü"}'
    assert wire.payload_text(payload) == expected
    # A time without a zone is one of UTC, as for the server's filters.
    zone = datetime.timezone(datetime.timedelta(hours=2))
    for time, said in [
        (datetime.datetime(2020, 1, 31, 12, 30), "2020-01-31T12:30:00Z"),
        (datetime.datetime(2020, 1, 31, 12, 30, 0, 5, zone), "2020-01-31T12:30:00.000005+02:00"),
        (pandas.Timestamp("2020-01-31 12:30"), "2020-01-31T12:30:00Z"),
        (np.datetime64("2020-01-31T12:30:00.000000001"), "2020-01-31T12:30:00Z"),
        (np.datetime64("2020-01-31"), "2020-01-31"),
    ]:
        assert wire.payload_text({"t": time}) == f'{{"t":"{said}"}}'
    assert wire.payload_text({"t": np.datetime64("NaT")}) == '{"t":null}'
    for wrong in ({"a": math.nan}, {"a": object()}):
        with pytest.raises(nigh.InvalidArgumentError):
            wire.payload_text(wrong)


def test_one_name_is_not_its_letters():
    keys = op_out(nigh.DeletePayloadKeys([1], "year")).delete_payload_keys.keys
    names = op_out(nigh.DeleteVectors([1], "text")).delete_vectors.names
    assert (list(keys), list(names)) == (["year"], ["text"])
