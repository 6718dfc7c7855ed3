"""Texts in the place of vectors: the server makes of them what Qdrant's own engine does, in this process.

    venv/bin/python tests/qdrant/documents.py http://127.0.0.1:6333 6334 [grpc]
"""

import random
import struct
import sys

import qdrant_edge as e
from qdrant_client import QdrantClient, models as m

C, TEXTS, SEED = "documents", 400, 7
WORDS = {
    "english": "the of and added adding emergency biologists running runs don't won't Dog DOGS happily e-mail now_then I'll".split(),
    "german": "der die das und Häuser Bücher Straße zuerst werdet können Öl ein".split(),
    "french": "le la les été Écoles continuellement aujourd'hui c'est œuvre".split(),
    "dutch": "de het een aangezien afgelopen alleen beide huizen".split(),
    "russian": "и в не ещё моё книги Москва читать".split(),
    "turkish": "ve bir İSTANBUL'DA IŞIK kitaplar ışık".split(),
    "romanian": "și aceşti aveţi mulţumesc casele".split(),
    "greek": "και ειτε ΟΔΟΣ εως βιβλία".split(),
    "hebrew": "אני אוהב את הספר".split(),
    "chinese": "你好世界 的 数据库 是".split(),
}
ODD = ["x²", "½", "3.14", "a\u0301b", "foo@bar.com", "東京都は", "ﬁne", "２", "łódź", "C++", "\u00a0", "-", "y" * 90]


def text(r):
    words = WORDS["english"] + WORDS[r.choice(list(WORDS))] + r.sample(ODD, 3)
    return r.choice([" ", " ", ", ", "\t"]).join(r.choice(words) for _ in range(r.randint(0, 25)))


def options(r):
    """The same for both: as the API has them, and as the engine in Python does."""
    plain, here = {}, {}

    def both(name, value, engine=None):
        plain[name], here[name] = value, value if engine is None else engine

    if r.random() < 0.6:
        both("language", r.choice(list(WORDS)))
    if r.random() < 0.3:
        both("k", r.choice([0.0, 0.5, 2.0]))
    if r.random() < 0.3:
        both("b", r.choice([0.0, 0.3, 1.0]))
    if r.random() < 0.3:
        both("avg_len", r.choice([1.0, 10.5, 300.0]))
    if r.random() < 0.3:
        both("lowercase", r.random() < 0.5)
    if r.random() < 0.4:
        both("ascii_folding", r.random() < 0.7)
    if r.random() < 0.2:
        both("min_token_len", r.randint(1, 3))
    if r.random() < 0.2:
        both("max_token_len", r.randint(2, 6))
    if r.random() < 0.5:
        name = r.choice(["word", "whitespace", "prefix"])
        both("tokenizer", name, getattr(e.TokenizerType, name.title()))
    if r.random() < 0.3:
        language = r.choice(list(WORDS))
        custom = r.sample(WORDS["english"], 3)
        both("stopwords", {"languages": [language], "custom": custom},
             e.StopwordsSet(languages={getattr(e.Language, language.title())}, custom=set(custom)))
    elif r.random() < 0.2:
        both("stopwords", "german", e.Language.German)
    if r.random() < 0.2:
        both("stemmer", {"type": "none"}, e.DisabledStemmer())
    elif r.random() < 0.3:
        language = r.choice(["tamil", "english", "dutch", "finnish"])
        both("stemmer", {"type": "snowball", "language": language}, e.SnowballParams(getattr(e.SnowballLanguage, language.title())))
    return plain, e.Bm25(e.Bm25Config(**here))


def pairs(vector):
    """As bytes: a number of 32 bits is written in JSON with as many digits as it takes."""
    return {index: struct.pack("<f", value) for index, value in zip(vector.indices, vector.values)}


def refused(call, *words):
    try:
        call()
    except Exception as error:  # noqa: BLE001 - each transport has errors of its own
        assert all(word in str(error) for word in words), error
    else:
        raise AssertionError(words)


def main():
    url, grpc_port, *rest = sys.argv[1:]
    grpc = rest == ["grpc"]
    client = QdrantClient(
        url=url, grpc_port=int(grpc_port), prefer_grpc=grpc, check_compatibility=False, cloud_inference=True
    )
    fields = {"words": m.SparseVectorParams(), "rare": m.SparseVectorParams(modifier=m.Modifier.IDF)}
    client.create_collection(
        C, vectors_config={"": m.VectorParams(size=2, distance=m.Distance.DOT)}, sparse_vectors_config=fields
    )
    r = random.Random(SEED)
    made = []
    for id in range(TEXTS):
        plain, engine = options(r)
        made.append((id, m.Document(text=text(r), model=r.choice(["qdrant/bm25", "Qdrant/BM25"]), options=plain), engine))
    points = [m.PointStruct(id=id, vector={"words": of, "": [0, 1]}, payload={"text": of.text}) for id, of, _ in made]
    client.upsert(C, points[::2], wait=True)
    client.upsert(C, [m.PointStruct(id=one.id, vector={}) for one in points[1::2]], wait=True)
    again = [m.PointVectors(id=one.id, vector={"words": one.vector["words"]}) for one in points[1::2]]
    client.update_vectors(C, again, wait=True)
    kept = {one.id: one.vector.get("words") for one in client.retrieve(C, range(TEXTS), with_vectors=["words"])}
    for id, of, engine in made:
        assert pairs(kept[id]) == pairs(engine.embed_document(of.text)), (of, kept[id])
    for _, of, engine in made[:100]:
        # A text and its tokens find the same.
        asked = engine.embed_query(of.text)
        tokens = m.SparseVector(indices=asked.indices, values=asked.values)
        both = [client.query_points(C, query=query, using="words", limit=1000).points for query in (of, tokens)]
        told = [sorted((hit.id, round(hit.score, 4)) for hit in hits) for hits in both]
        assert told[0] == told[1], of
    one = m.Document(text="running dogs", model="qdrant/bm25")
    prefetch = [m.Prefetch(query=one, using="words"), m.Prefetch(query=[0.0, 1.0])]
    assert client.query_points(C, prefetch=prefetch, query=m.FusionQuery(fusion=m.Fusion.RRF)).points
    client.upsert(C, [m.PointStruct(id=0, vector={"rare": one})], wait=True)
    assert [hit.id for hit in client.query_points(C, query=one, using="rare").points] == [0]

    def write(vector):
        return lambda: client.upsert(C, [m.PointStruct(id=1, vector=vector)], wait=True)

    bad, unknown = ("INVALID_ARGUMENT", "UNIMPLEMENTED") if grpc else ("400", "400")
    refused(write({"": one}), bad)
    refused(write(one), bad)
    refused(write({"words": m.Document(text="x", model="another/model")}), unknown, "no inference service")
    for wrong in [{"k": -1}, {"b": 2}, {"avg_len": 0}, {"language": "klingon"}, {"tokenizer": "words"}, {"lang": "german"}]:
        document = m.Document(text="x", model="qdrant/bm25", options=wrong)
        refused(write({"words": document}), bad, next(iter(wrong)))
        refused(lambda: client.query_points(C, query=document, using="words"), bad, next(iter(wrong)))
    client.delete_collection(C)
    print(f"documents{' over gRPC' if grpc else ''}: {TEXTS} texts become what the engine makes of them")


main()
