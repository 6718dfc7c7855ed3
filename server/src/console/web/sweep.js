// How good and how fast searches are at several efforts: the same questions, held against exact answers.

import { call } from "./api.js";
import { workOf } from "./explain.js";
import { percentile } from "./format.js";

/** Widths of the search. */
export const EFFORTS = [16, 32, 64, 128, 256, 512];
/** Recalls that are asked for. */
export const TARGETS = [0.8, 0.9, 0.95, 0.99];

/** Searches before anything is counted: the first ones find cold caches. */
const BEFORE = 10;

/** Ids of points drawn by chance; the same ones for the same seed. */
export async function drawn(collection, field, count, filter, signal) {
  const retrievers = [{ sample: { seed: "7" }, filter: { must: [{ has_vector: field }] } }];
  const reply = await call("Points/Query", { collection, retrievers, filter, limit: count, payload: { all: false } }, { signal });
  return (reply.hits ?? []).map((hit) => hit.id);
}

/**
 * Runs it all: `sweep(..)` gives one outcome for each setting: `{kind, setting, recall, p50, p95, routes}`.
 *
 * Points of the collection are the questions; each is left out of its own answer. Times are the server's own,
 * without the wait for a free core: that is for others to tell.
 */
export async function sweep({ collection, field, ids, k, filter, signal, progress }) {
  const settings = [
    { kind: "exact", setting: "exact", params: { exact: true } },
    ...EFFORTS.map((ef) => ({ kind: "effort", setting: ef, params: { ef } })),
    ...TARGETS.map((recall) => ({ kind: "target", setting: recall, params: { recall } })),
  ];
  const all = settings.length * ids.length;
  let done = 0;
  const truths = new Map();
  const outcomes = [];
  for (const id of ids.slice(0, BEFORE)) await ask({ collection, field, id, k, filter, params: {}, signal });
  for (const { kind, setting, params } of settings) {
    const [times, routes] = [[], new Set()];
    let [found, wanted] = [0, 0];
    for (const id of ids) {
      const answer = await ask({ collection, field, id, k, filter, params, signal });
      const own = JSON.stringify(id);
      if (kind === "exact") truths.set(own, new Set(answer.ids));
      const truth = truths.get(own);
      found += answer.ids.filter((one) => truth.has(one)).length;
      wanted += truth.size;
      times.push(answer.us);
      answer.routes.forEach((route) => routes.add(route));
      done += 1;
      progress(done, all);
    }
    outcomes.push({ kind, setting, recall: wanted ? found / wanted : 1, p50: percentile(times, 50), p95: percentile(times, 95), routes: [...routes].sort() });
  }
  return outcomes;
}

async function ask({ collection, field, id, k, filter, params, signal }) {
  const retrievers = [{ dense: { field, point: id, params } }];
  const reply = await call("Points/Query", { collection, retrievers, filter, limit: k, payload: { all: false }, explain: true }, { signal });
  const ids = (reply.hits ?? []).map((hit) => JSON.stringify(hit.id));
  return { ids, us: workOf(reply.explanation), routes: (reply.plans ?? []).flatMap((plan) => plan.routes ?? []) };
}
