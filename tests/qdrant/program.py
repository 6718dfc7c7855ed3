"""What a first program with the client looks like: a collection, points, a filtered search."""

import random
import sys

from qdrant_client import QdrantClient
from qdrant_client.models import Distance, FieldCondition, Filter, MatchValue, PointStruct, VectorParams

url, grpc_port, name = sys.argv[1:4]
prefer_grpc = sys.argv[4:] == ["grpc"]
client = QdrantClient(url=url, grpc_port=int(grpc_port), prefer_grpc=prefer_grpc, check_compatibility=False)
collection = f"knowledge_base_{name}"
client.create_collection(collection, vectors_config=VectorParams(size=384, distance=Distance.COSINE))
draw = random.Random(7)


def vector():
    return [draw.gauss(0, 1) for _ in range(384)]


points = [
    PointStruct(id=at, vector=vector(), payload={"category": "rag" if at % 2 else "other", "at": at}) for at in range(200)
]
client.upsert(collection, points=points)
only = Filter(must=[FieldCondition(key="category", match=MatchValue(value="rag"))])
like = points[7].vector
if name == "search":
    found = client.search(collection, query_vector=like, query_filter=only, limit=5)
else:
    found = client.query_points(collection, query=like, query_filter=only, limit=5).points
for hit in found:
    print(hit.id, round(hit.score, 4), hit.payload)
assert [hit.id for hit in found][0] == 7 and abs(found[0].score - 1) < 1e-5, found
assert len(found) == 5 and all(hit.payload["category"] == "rag" for hit in found), found
assert client.count(collection).count == 200
client.delete_collection(collection)
