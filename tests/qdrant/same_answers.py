"""The official Python client against a started server, and against its own local mode: random calls, same answers.

    python -m venv venv && venv/bin/pip install qdrant-client numpy
    venv/bin/python tests/qdrant/same_answers.py http://127.0.0.1:6333 [--calls 500] [--seed 1] [--other URL | --edge]

The seed decides every call. With --other the second is a server too; with --edge it is Qdrant's own engine in this process
(`pip install qdrant-edge-py`); with either more kinds of calls are made than the local mode of the client knows. After every write the points of both are compared; where
they differ the first gets those of the second, so that a difference is told once. Ends with 1 where there was one.
"""

import argparse
import random
import sys

import calls
from qdrant_client import QdrantClient, models as m

MAX_SIM = m.MultiVectorConfig(comparator=m.MultiVectorComparator.MAX_SIM)
COLLECTION = {
    "vectors_config": {
        "one": m.VectorParams(size=calls.SIZE, distance=m.Distance.COSINE),
        "far": m.VectorParams(size=calls.SIZE, distance=m.Distance.EUCLID),
        "many": m.VectorParams(size=calls.SIZE, distance=m.Distance.COSINE, multivector_config=MAX_SIM),
        "lots": m.VectorParams(size=calls.SIZE, distance=m.Distance.EUCLID, multivector_config=MAX_SIM),
    },
    "sparse_vectors_config": {
        "words": m.SparseVectorParams(), "rare": m.SparseVectorParams(modifier=m.Modifier.IDF),
    },
}
WIDE = {
    "vectors_config": COLLECTION["vectors_config"] | {
        "dot": m.VectorParams(size=calls.SIZE, distance=m.Distance.DOT),
        "taxi": m.VectorParams(size=calls.SIZE, distance=m.Distance.MANHATTAN),
    },
    "sparse_vectors_config": COLLECTION["sparse_vectors_config"],
}
# What an order or a facet goes by, and words, have to be declared there.
INDEXES = {
    "kind": m.PayloadSchemaType.KEYWORD, "tags": m.PayloadSchemaType.KEYWORD, "x": m.PayloadSchemaType.FLOAT,
    "n": m.PayloadSchemaType.INTEGER, "flag": m.PayloadSchemaType.BOOL, "when": m.PayloadSchemaType.DATETIME,
    "uuid": m.PayloadSchemaType.UUID,
    "text": m.TextIndexParams(type="text", tokenizer="word", lowercase=True, phrase_matching=True, scoring=True),
}


def near(left, right):
    """The same but for the last digits of fractions."""
    if isinstance(left, float) and isinstance(right, float):
        return abs(left - right) <= 1e-4 * max(1, abs(left))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(near(left[key], right[key]) for key in left)
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(map(near, left, right))
    if isinstance(left, m.SparseVector) and isinstance(right, m.SparseVector):
        return left.indices == right.indices and near(left.values, right.values)
    return type(left) is type(right) and left == right


def same(name, left, right):
    if name == "batch of queries":
        return len(left) == len(right) and all(same("query", *both) for both in zip(left, right))
    if name != "query":
        return near(left, right)
    # Where scores are equal any order is right, and what lies on the edge may be either.
    scores = [[hit[1] for hit in hits] for hits in (left, right)]
    if not near(*scores):
        return False
    edge = min(scores[0], key=abs, default=0)
    last = scores[0][-1] if scores[0] else 0

    def inside(hits):
        return {id: rest for id, score, *rest in hits if abs(score - last) > 1e-4 * max(1, abs(edge))}

    return near(inside(left), inside(right))


def points_of(client):
    found = client.scroll(calls.C, limit=1000, with_payload=True, with_vectors=True)[0]
    return {point.id: (point.payload or {}, point.vector or {}) for point in found}


def told_of(points):
    """A null that is set where there was no payload at all is kept there, elsewhere it takes its key out."""
    def kept(payload):
        return {key: value for key, value in payload.items() if key != "extra" or value is not None}

    return {id: (kept(payload), vector) for id, (payload, vector) in points.items()}


def mended(first, second):
    """Gives the first the points of the second; says which there were, in both."""
    points = [points_of(client) for client in (first, second)]
    ids = [id for id in points[0].keys() | points[1].keys() if not near(points[0].get(id), points[1].get(id))]
    if not ids:
        return None
    first.delete(calls.C, ids, wait=True)
    kept = [m.PointStruct(id=id, payload=points[1][id][0], vector=points[1][id][1]) for id in ids if id in points[1]]
    if kept:
        first.upsert(calls.C, kept, wait=True)
    told = [told_of({id: of[id] for id in ids if id in of}) for of in points]
    return None if near(*told) else [dict(list(of.items())[:2]) for of in told]


def asked(call):
    """What a call closed over."""
    given = zip(call.__code__.co_freevars, (cell.cell_contents for cell in call.__closure__ or ()))
    return ", ".join(f"{name} = {value}" for name, value in given if not callable(value))


def second_of(args):
    if args.edge:
        import edge

        return edge.Edge()
    return QdrantClient(url=args.other, check_compatibility=False) if args.other else QdrantClient(":memory:")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--grpc", type=int, help="the port, where calls go over gRPC")
    parser.add_argument("--other")
    parser.add_argument("--edge", action="store_true")
    parser.add_argument("--most", type=int, default=5, help="differences that are told")
    args = parser.parse_args()
    # The local mode of the client knows less than a server does.
    wide = calls.WIDE = bool(args.edge or args.other)
    transport = {"prefer_grpc": True, "grpc_port": args.grpc} if args.grpc else {}
    first = QdrantClient(url=args.url, check_compatibility=False, **transport)
    second = second_of(args)
    r = random.Random(args.seed)
    points = [calls.point(r, id) for id in calls.ids()]
    for client in (first, second):
        if client.collection_exists(calls.C):
            client.delete_collection(calls.C)
        client.create_collection(calls.C, **(WIDE if wide else COLLECTION))
        for field, kind in INDEXES.items() if wide else ():
            client.create_payload_index(calls.C, field, field_schema=kind)
        client.upsert(calls.C, points, wait=True)
    different = 0
    for at in range(args.calls):
        begun = not wide or at >= args.calls // 4
        calls.RARE = "words" if begun and wide else "rare"
        name, call = calls.step(r, writes=begun)
        answers = []
        for client in (first, second):
            try:
                answers.append(call(client))
            except Exception as error:  # noqa: BLE001 - an error is an answer here
                answers.append(f"{type(error).__name__}: {error}")
        failed = [isinstance(answer, str) for answer in answers]
        # Errors are worded by each in its own way.
        alike = failed[0] == failed[1] if any(failed) else same(name, *answers)
        if alike and (answers[0] is None or any(failed)):
            # Here a write that fails changes nothing, there it may have changed the points before the one that is wrong.
            told = mended(first, second)
            answers, alike = told or answers, told is None or any(failed)
        if not alike:
            different += 1
            print(f"call {at} ({name}) of seed {args.seed}: {asked(call)}\n  {answers[0]}\n  {answers[1]}", file=sys.stderr)
            if different >= args.most:
                break
    first.delete_collection(calls.C)
    print(f"{at + 1} calls of seed {args.seed}: {different} differ")
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
