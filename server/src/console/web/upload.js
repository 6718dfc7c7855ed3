// Rows become points, and points go to the server in batches.

import { call } from "./api.js";
import { Exact } from "./exact.js";
import { readId, showId } from "./point.js";

/** A batch is sent when it has so many points, or so many letters. */
const BATCH_POINTS = 250;
const BATCH_LETTERS = 4 << 20;
/** So many batches are on their way at a time, none of which has an id of another: of two rows the later one wins. */
const ON_THE_WAY = 3;
/** A batch that was not taken is sent again so often, under the same name. */
const TRIES = 8;
const AGAIN = ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED", "UNREACHABLE", "UNKNOWN"];

/** A vector out of a cell: a list, or a text with one. */
export function vectorOf(value) {
  const list = typeof value === "string" ? JSON.parse(value.trim().startsWith("[") ? value : `[${value.trim().split(/[\s,;]+/).join(",")}]`) : value;
  const numbers = Array.isArray(list) ? list.map((one) => (one instanceof Exact ? Number(one) : one)) : [];
  if (!numbers.length || !numbers.every((number) => typeof number === "number")) throw new Error("it is no list of numbers");
  return numbers;
}

/** A row as a point: `mapping` is `{id: column or "", first, vectors: {field: column}}`. */
export function pointOf({ row, line }, mapping, number) {
  const rest = { ...row };
  let id = { num: String(mapping.first + number) };
  if (mapping.id) {
    if (rest[mapping.id] === undefined) throw new Error(`line ${line}: there is no “${mapping.id}”`);
    id = at(line, mapping.id, () => readId(String(rest[mapping.id])));
    delete rest[mapping.id];
  }
  const vectors = {};
  for (const [field, column] of Object.entries(mapping.vectors)) {
    if (!column || rest[column] === undefined || rest[column] === null) continue;
    vectors[field] = { values: at(line, column, () => vectorOf(rest[column])) };
    delete rest[column];
  }
  return { id, vectors, payload: JSON.stringify(rest) };
}

function at(line, column, read) {
  try {
    return read();
  } catch (err) {
    throw new Error(`line ${line}, “${column}”: ${err.message}`);
  }
}

/** Sends all rows; `progress(points)` hears of what is on disk. */
export async function upload(collection, rows, mapping, { signal, progress }) {
  // What is on its way, and its ids.
  const sending = new Map();
  let [ops, letters, number, failed] = [[], 0, 0, null];
  const send = async () => {
    const batch = ops;
    [ops, letters] = [[], 0];
    const ids = new Set(batch.map(({ upsert }) => showId(upsert.id).toLowerCase().replaceAll("-", "")));
    while ([...sending.values()].some((others) => [...ids].some((id) => others.has(id)))) await Promise.race(sending.keys());
    if (failed || signal.aborted) return;
    const own = write(collection, batch, signal).then(() => progress(batch.length)).catch((err) => (failed ??= err)).finally(() => sending.delete(own));
    sending.set(own, ids);
    if (sending.size >= ON_THE_WAY) await Promise.race(sending.keys());
  };
  try {
    for await (const one of rows) {
      if (failed || signal.aborted) break;
      const upsert = pointOf(one, mapping, number);
      ops.push({ upsert });
      number += 1;
      letters += upsert.payload.length + 12 * Object.values(upsert.vectors).reduce((sum, vector) => sum + vector.values.length, 0);
      if (ops.length >= BATCH_POINTS || letters >= BATCH_LETTERS) await send();
    }
    if (ops.length && !failed && !signal.aborted) await send();
  } finally {
    // What is on its way comes to its end, so that what is told is what is there.
    await Promise.all(sending.keys());
  }
  if (failed) throw failed;
}

async function write(collection, ops, signal) {
  // The same name each time: a batch that did arrive is not applied again.
  const op_id = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16))));
  for (let tries = 1; ; tries += 1) {
    try {
      return await call("Points/Write", { collection, ops, op_id }, { signal });
    } catch (err) {
      if (!AGAIN.includes(err.code) || tries >= TRIES) throw err;
      await new Promise((resolve) => setTimeout(resolve, err.retryMs || 100 * 2 ** tries));
    }
  }
}
