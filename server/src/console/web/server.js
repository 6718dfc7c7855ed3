// The server: its version, its memory, its calls.

import { call, key, metrics, named, page, showError } from "./api.js";
import { every, refresh } from "./collections.js";
import { h, panel, table } from "./dom.js";
import { bytes, micros, whole } from "./format.js";

/** Names of gRPC's codes, by number. */
const CODES = ["OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"];

/** What memory is held for, in the server's word and in ours. */
const HELD = {
  own: "the process, without mapped files",
  live: "rows not yet in a segment",
  queue: "batches that wait",
  graphs: "codes and links of segments",
  builds: "seals and merges that run",
};

/** The page. */
export function server(signal) {
  const place = h("div", { class: "stack" }, h("p", { class: "dim" }, "Looking…"));
  every(signal, async () => {
    try {
      const [about, ready, may] = await Promise.all([json("../"), json("../readyz"), access()]);
      const numbers = await metrics().catch((err) => err);
      refresh(place, shown(about, ready, may, numbers));
    } catch (err) {
      showError(place, err);
    }
  });
  return h("div", {}, h("div", { class: "head" }, h("h1", {}, "Server")), place);
}

async function json(path) {
  return (await page(path)).json();
}

function shown(about, ready, may, numbers) {
  const rights = panel("Access", may);
  if (numbers instanceof Error) {
    const why = h("div", { class: "note warn" }, "The metrics are not told: ", numbers.message);
    return [summary(about, ready, []), why, rights];
  }
  return [
    summary(about, ready, numbers),
    h("div", { class: "columns" }, panel("Memory", memory(numbers)), rights),
    panel("Calls since the start", calls(numbers), h("a", { href: "../metrics" }, "All metrics")),
  ];
}

function summary(about, ready, numbers) {
  const tile = (name, value, more) => h("div", {}, h("dt", {}, name), h("dd", {}, value, h("small", {}, more)));
  const { open = 0, opening = 0, quarantined = 0 } = ready.collections ?? {};
  const total = named(numbers, "nigh_calls_total").reduce((sum, one) => sum + one.value, 0);
  const limit = named(numbers, "nigh_memory_limit_bytes")[0]?.value ?? 0;
  const resident = named(numbers, "nigh_resident_bytes")[0]?.value ?? 0;
  return h(
    "dl",
    { class: "tiles" },
    tile("Version", about.nigh ?? "–", `speaks the Qdrant API of ${about.version ?? "–"}`),
    tile("State", ready.ready ? "ready" : "starting", `${whole(open)} open, ${whole(opening)} opening, ${whole(quarantined)} quarantined`),
    ...(numbers.length ? [
      tile("Resident", bytes(resident), "with what is mapped from files"),
      tile("Memory limit", limit && limit < 2 ** 60 ? bytes(limit) : "none", "what is mapped does not count"),
      tile("Calls", whole(total), "through all doors of nigh.v1"),
    ] : []),
  );
}

function memory(numbers) {
  const held = named(numbers, "nigh_memory_bytes").map((one) => [HELD[one.labels.what] ?? one.labels.what, one.value]);
  held.sort((a, b) => b[1] - a[1]);
  const most = Math.max(...held.map(([, value]) => value), 1);
  const row = ([what, value]) => {
    const bar = h("span", { class: "bar", "aria-hidden": "true" }, h("span"));
    bar.firstChild.style.width = "100%";
    bar.style.width = `${Math.max(1, (100 * value) / most)}%`;
    return [what, bar, bytes(value)];
  };
  return table("Memory", [["Held for"], [h("span", { class: "unseen" }, "Share")], ["Bytes", "number"]], held.map(row));
}

/** What this browser may do: the server is asked for the least there is. */
async function access() {
  let may = "The list of collections is answered.";
  try {
    await call("Collections/List", {});
  } catch (err) {
    may = `The list of collections is refused: ${err.message}`;
  }
  const own = key.get() ? "This tab sends a key." : "This tab sends no key.";
  const safe = location.protocol === "https:" ? "The connection is encrypted." : "The connection is not encrypted: use it on this machine, or behind a proxy that encrypts.";
  const rows = [["Key", own], ["Rights", may], ["Connection", safe]];
  return h("div", { class: "inside" }, h("dl", { class: "pairs" }, rows.map(([name, what]) => [h("dt", {}, name), h("dd", {}, what)])));
}

function calls(numbers) {
  const names = [...new Set(named(numbers, "nigh_calls_total").map((one) => one.labels.rpc))].sort();
  if (!names.length) return h("p", { class: "inside dim" }, "None yet.");
  const columns = [["Call"], ["Calls", "number"], ["Failed", "number"], ["Mean", "number"], ["p50", "number"], ["p99", "number"], ["Errors"]];
  return table("Calls", columns, names.map((rpc) => callRow(numbers, rpc)));
}

function callRow(numbers, rpc) {
  const codes = named(numbers, "nigh_calls_total", { rpc });
  const count = codes.reduce((sum, one) => sum + one.value, 0);
  const failed = codes.filter((one) => one.labels.code !== "0");
  const errors = failed.map((one) => `${CODES[one.labels.code] ?? one.labels.code} ${whole(one.value)}`).join(", ");
  const seconds = named(numbers, "nigh_call_duration_seconds_sum", { rpc })[0]?.value ?? 0;
  const at = (share) => upTo(numbers, rpc, share);
  return [rpc, whole(count), whole(failed.reduce((sum, one) => sum + one.value, 0)), micros((seconds * 1e6) / Math.max(count, 1)), at(0.5), at(0.99), errors];
}

/** The end of the bucket that holds this share of the calls. */
function upTo(numbers, rpc, share) {
  const buckets = named(numbers, "nigh_call_duration_seconds_bucket", { rpc });
  const all = buckets.at(-1)?.value ?? 0;
  const bucket = buckets.find((one) => one.value >= all * share);
  if (!all || !bucket) return "–";
  return bucket.labels.le === "+Inf" ? "> 5 s" : `≤ ${micros(Number(bucket.labels.le) * 1e6)}`;
}
