// The official JavaScript client: every call of it that a program of the first hour makes, and the older ones.
//
//     node tests/qdrant/javascript.mjs http://127.0.0.1:6333
//
// The client is looked for where this program's working directory has its node_modules.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";

const { QdrantClient } = createRequire(join(process.cwd(), "index.js"))("@qdrant/js-client-rest");
const client = new QdrantClient({ url: process.argv[2], checkCompatibility: false });
const c = "javascript";
const uuid = "550e8400-e29b-41d4-a716-446655440000";
const ids = (points) => points.map((point) => point.id);

await client.createCollection(c, { vectors: { v: { size: 2, distance: "Dot" } }, sparse_vectors: { s: {} } });
assert.equal((await client.collectionExists(c)).exists, true);
await assert.rejects(client.createCollection(c, { vectors: { size: 2, distance: "Dot" } }), /Conflict|already exists/);
assert.ok((await client.getCollections()).collections.some((one) => one.name === c));
assert.equal(await client.updateCollection(c, { hnsw_config: { m: 24 } }), true);
const info = await client.getCollection(c);
assert.deepEqual(info.config.params.vectors, { v: { size: 2, distance: "Dot" } });
assert.equal(info.config.hnsw_config.m, 24);

const points = [
  { id: 1, vector: { v: [1, 0] }, payload: { kind: "a", n: 1 } },
  { id: 2, vector: { v: [2, 0], s: { indices: [3, 7], values: [1, 2] } }, payload: { kind: "b", n: 2 } },
  { id: 3, vector: { v: [0, 3] }, payload: { kind: "a", n: 3 } },
  { id: uuid, vector: { v: [0, 4] }, payload: { kind: "c" } },
];
assert.equal((await client.upsert(c, { wait: true, points })).status, "completed");
assert.equal((await client.count(c, { exact: true })).count, 4);
await client.createPayloadIndex(c, { field_name: "kind", field_schema: "keyword", wait: true });
assert.equal((await client.getCollection(c)).payload_schema.kind.data_type, "keyword");
await client.deletePayloadIndex(c, "kind");

const filter = { must: [{ key: "kind", match: { value: "a" } }] };
const found = await client.query(c, { query: [1, 0.5], using: "v", filter, with_payload: true });
assert.deepEqual(ids(found.points), [3, 1]);
assert.equal(found.points[0].payload.n, 3);
const sparse = await client.query(c, { query: { indices: [7], values: [2] }, using: "s" });
assert.deepEqual([ids(sparse.points), sparse.points[0].score], [[2], 4]);
const fused = await client.query(c, {
  prefetch: [{ query: [1, 0], using: "v", limit: 2 }, { query: [1, 0.1], using: "v", limit: 2 }],
  query: { fusion: "rrf" },
});
assert.deepEqual([fused.points[0].id, fused.points[0].score], [2, 1]);
const batch = await client.queryBatch(c, { searches: [{ query: 1, using: "v" }, { query: [0, 1], using: "v", limit: 1 }] });
assert.deepEqual([batch.length, ids(batch[1].points)], [2, [uuid]]);
const groups = await client.queryGroups(c, { query: [1, 1], using: "v", group_by: "kind", group_size: 1 });
assert.equal(groups.groups.length, 3);
const search = { vector: { name: "v", vector: [1, 0.5] }, limit: 2 };
assert.deepEqual(ids(await client.search(c, search)), [2, uuid]);
assert.equal((await client.searchBatch(c, { searches: [search, search] })).length, 2);
assert.equal((await client.searchPointGroups(c, { ...search, group_by: "kind", group_size: 1 })).groups.length, 2);
assert.deepEqual(ids(await client.recommend(c, { positive: [1], using: "v", limit: 1 })), [2]);
assert.equal((await client.recommendBatch(c, { searches: [{ positive: [1], using: "v", limit: 1 }] })).length, 1);
assert.equal((await client.discoverPoints(c, { target: 1, context: [{ positive: 2, negative: 3 }], using: "v", limit: 1 })).length, 1);
assert.equal((await client.facet(c, { key: "kind" })).hits[0].value, "a");
assert.equal((await client.searchMatrixPairs(c, { sample: 4, limit: 1, using: "v" })).pairs.length, 4);
assert.equal((await client.searchMatrixOffsets(c, { sample: 4, limit: 1, using: "v" })).ids.length, 4);

const page = await client.scroll(c, { limit: 2 });
assert.deepEqual([ids(page.points), page.next_page_offset], [[1, 2], 3]);
const ordered = await client.scroll(c, { order_by: { key: "n", direction: "desc" } });
assert.deepEqual(ids(ordered.points), [3, 2, 1]);
assert.deepEqual(ids(await client.retrieve(c, { ids: [3, 404, uuid] })), [3, uuid]);
await client.setPayload(c, { payload: { new: [1] }, points: [1], wait: true });
await client.overwritePayload(c, { payload: { only: 1 }, points: [2], wait: true });
await client.deletePayload(c, { keys: ["n"], points: [1], wait: true });
await client.clearPayload(c, { points: [3], wait: true });
assert.deepEqual(
  (await client.retrieve(c, { ids: [1, 2, 3], with_payload: true })).map((point) => point.payload),
  [{ kind: "a", new: [1] }, { only: 1 }, {}],
);
await client.updateVectors(c, { points: [{ id: 3, vector: { v: [9, 9] } }], wait: true });
await client.deleteVectors(c, { points: [2], vector: ["s"], wait: true });
const kept = await client.retrieve(c, { ids: [2, 3], with_vector: true });
assert.deepEqual(kept.map((point) => point.vector), [{ v: [2, 0] }, { v: [9, 9] }]);
await client.batchUpdate(c, { operations: [{ delete: { points: [1] } }, { delete: { filter } }], wait: true });
await client.delete(c, { points: [2], wait: true });
assert.equal((await client.count(c)).count, 2);
await client.updateCollectionAliases({ actions: [{ create_alias: { alias_name: "js", collection_name: c } }] });
assert.deepEqual((await client.getCollectionAliases(c)).aliases, [{ alias_name: "js", collection_name: c }]);
assert.ok((await client.getAliases()).aliases.length >= 1);
const snapshot = await client.createSnapshot(c);
assert.deepEqual(await client.listSnapshots(c), [snapshot]);
await client.delete(c, { points: [3], wait: true });
assert.equal(await client.recoverSnapshot(c, { location: `file:///${snapshot.name}` }), true);
assert.equal((await client.count(c)).count, 2);
assert.equal(await client.deleteSnapshot(c, snapshot.name), true);
assert.equal((await client.versionInfo()).version.split(".").length, 3);
assert.equal(await client.deleteCollection(c), true);
console.log("javascript: every call as expected");
