"""What the docstrings do not show: every kind of retriever, errors with their fields, deadlines, keys."""

import datetime
import uuid

import numpy as np
import pytest

import nigh
from nigh import field, formula


def ids(reply):
    return [hit.id for hit in reply]


def test_every_kind_of_vector_comes_back_as_it_was_given(client):
    spec = nigh.CollectionSpec(
        vectors=[nigh.VectorField("dense", 2, metric="euclid")],
        sparse=[nigh.SparseField("sparse")],
        multi=[nigh.MultiField("multi", 2, metric="dot")],
    )
    client.create_collection("kinds", spec)
    name = uuid.uuid4()
    several = np.array([[1, 2], [3, 4], [5, 6]], dtype=np.float32)
    vectors = {"dense": [0.5, -0.5], "sparse": nigh.SparseVector.of({9: 1.5, 2: 0.25}), "multi": several}
    expires = datetime.datetime(2100, 1, 1, tzinfo=datetime.timezone.utc)
    client.write("kinds", [nigh.Point(name, vectors, {"a": [1, None]}), nigh.SetExpiry([name], expires)])
    (read,) = client.get("kinds", [name], vectors=True)
    assert read.id == name
    assert read.payload == {"a": [1, None]}
    assert read.expires_at_ms == 4_102_444_800_000
    assert read.version > 0
    assert read.vectors["dense"].tolist() == [0.5, -0.5]
    assert dict(zip(read.vectors["sparse"].indices, read.vectors["sparse"].values)) == {9: 1.5, 2: 0.25}
    assert np.array_equal(read.vectors["multi"], several)
    assert client.get("kinds", [str(name)], vectors=["dense"])[0].vectors.keys() == {"dense"}
    assert ids(client.query("kinds", nigh.Sparse(nigh.SparseVector([9], [1.0])))) == [name]
    assert ids(client.query("kinds", nigh.Multi([[1.0, 0.0]]))) == [name]
    described = client.describe("kinds").spec
    assert described.vectors[0].metric == "euclid"
    assert described.multi[0] == nigh.MultiField("multi", 2, metric="dot")


EAST = [1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("retriever", "expected"),
    [
        (nigh.Dense(EAST, name="near"), [1, 4, 2, 3]),
        (nigh.Dense(nigh.Like(1), exact=True), [4, 2, 3]),
        (nigh.Dense(EAST, score_threshold=0.5, ef=100), [1, 4]),
        (nigh.Dense(EAST, filter=field("kind") == "essay"), [3]),
        (nigh.Text("war peace", field="title"), [2]),
        (nigh.Text("+pride -war", syntax=True), [1]),
        (nigh.Text("war peace", field="title", corpus=field("kind") == "essay"), [2]),
        (nigh.Fusion(nigh.ReciprocalRank(weights=[1, 0]), sources=[nigh.Dense(EAST, limit=2), nigh.Text("war")]), [1, 4, 2]),
        (nigh.Fusion(nigh.ScoreFusion("min_max"), sources=[nigh.Dense(EAST, limit=2), nigh.Text("peace")]), [1, 2, 4]),
        (
            nigh.Fusion(
                nigh.ScoreFusion("bounds", bounds=[nigh.ScoreBounds(0, 1)], weights=[2.0]), sources=[nigh.Dense(EAST, limit=2)]
            ),
            [1, 4],
        ),
        (nigh.Scored(1 - formula.score(0) / 2, sources=[nigh.Dense(EAST)]), [2, 3, 4, 1]),
        (nigh.Scored(formula.field("year").decay("gauss", target=1870, scale=10), sources=[nigh.Sample(1)]), [2, 4, 1, 3]),
        (nigh.Scored(2 * formula.holds(field("kind") == "essay") ** 2, sources=[nigh.Dense(EAST, limit=4)]), [3, 1, 2, 4]),
        (nigh.Mmr(EAST, diversity=0.0), [1, 4, 2, 3]),
        (nigh.Recommend([nigh.Like(1)], [nigh.Like(2)], strategy="best_score"), [4, 3]),
        (nigh.Discover(EAST, [(nigh.Like(3), nigh.Like(2))]), [1, 4]),
        (nigh.Context([(nigh.Like(3), nigh.Like(2))]), [1, 4]),
        (nigh.OrderBy("year", descending=True, start_from=1870), [2, 1]),
    ],
)
def test_every_kind_of_retriever(books, retriever, expected):
    assert ids(books.query("books", retriever)) == expected


def test_everything_of_a_reply(books):
    reply = books.query(
        "books",
        nigh.Dense(EAST, name="near"),
        nigh.Text("peace", highlight=nigh.Highlighting()),
        filter="year > 1800",
        fusion=nigh.ReciprocalRank(k=10),
        payload=["title"],
        vectors=True,
        limit=2,
        offset=1,
        explain=True,
    )
    assert len(reply) == 2
    assert reply.seq > 0
    assert reply.plans[0].retriever == "near"
    assert reply.explanation.total_us >= 0
    assert [stage.name for stage in reply.explanation.stages]
    assert {placing.retriever for placing in reply[0].placings} >= {"near"}
    assert all(hit.payload.keys() == {"title"} and hit.vectors["v"].shape == (3,) for hit in reply)
    whole = books.query("books", nigh.Text("peace", highlight=nigh.Highlighting()), payload=nigh.Without(["year"]))
    (piece,) = whole[0].highlights
    assert piece.text.encode()[piece.words[0].start : piece.words[0].end] == b"Peace"
    assert whole[0].payload.keys() == {"title", "kind"}
    assert books.query("books", nigh.Text("peace"), payload=False)[0].payload == {}
    groups = books.query("books", nigh.Dense(EAST), group_by=nigh.GroupBy("kind", size=2)).groups
    assert [(group.key, ids(group.hits)) for group in groups] == [("novel", [1, 4]), ("essay", [3])]
    ordered = books.query("books", nigh.OrderBy("year", start_from=1900))
    assert ordered[0].order_value == 1929


def test_an_error_says_what_disagrees(books):
    with pytest.raises(nigh.InvalidArgumentError) as refused:
        books.upsert("books", nigh.Point(7, {"v": [1.0]}))
    assert refused.value.code == "INVALID_ARGUMENT"
    assert refused.value.field == "ops[0].upsert.vectors.v"
    assert "1" in refused.value.value
    assert "3" in refused.value.limit
    with pytest.raises(nigh.NotFoundError):
        books.count("nothing")
    with pytest.raises(nigh.AlreadyExistsError):
        books.create_collection("books", nigh.CollectionSpec())
    with pytest.raises(nigh.FailedPreconditionError) as unmet:
        books.upsert("books", nigh.Point(1), if_version=0)
    assert unmet.value.field
    with pytest.raises(nigh.InvalidArgumentError, match="cosine, dot"):
        books.create_collection("other", nigh.CollectionSpec(vectors=[nigh.VectorField("v", 3, metric="cosin")]))
    with pytest.raises(nigh.InvalidArgumentError, match="retriever"):
        books.query("books", [1.0, 0.0, 0.0])


def test_a_batch_of_a_name_is_applied_once(books):
    name = uuid.uuid4()
    first = books.write("books", [nigh.Delete([1])], op_id=name)
    again = books.write("books", [nigh.Delete([1])], op_id=name)
    assert (first.duplicate, again.duplicate) == (False, True)
    assert first.seq == again.seq
    assert first.reached == "durable"


def test_there_is_an_end_to_waiting(server):
    with nigh.Client("127.0.0.1:1", retry=nigh.RetryPolicy(attempts_max=2, first_delay=0.0)) as nobody:
        with pytest.raises(nigh.UnavailableError):
            nobody.collections()
    with nigh.Client(server.grpc) as client, pytest.raises(nigh.DeadlineExceededError):
        client.with_options(timeout=0.0).collections()


def test_what_is_sent_with_every_call():
    from nigh.transport import Options

    assert Options("a:1", api_key="k", metadata=(("x", "y"),)).headers() == (("x", "y"), ("api-key", "k"))
    assert Options("https://a:1").secured() is not None
    assert Options("http://a:1/").target() == "a:1"
    with pytest.raises(nigh.InvalidArgumentError):
        Options("ftp://a:1").target()
