// All collections, and how they are.

import { call, metrics, named, showError } from "./api.js";
import { h, put, table } from "./dom.js";
import { bytes, counted, percent, recall, whole } from "./format.js";

/** So many collections are asked how they are; the others are listed. */
const DESCRIBED_MAX = 100;
/** How often the page looks again. */
export const EVERY_MS = 5000;

/** Calls `look` now and then until the page is left; not while nobody sees it. */
export function every(signal, look) {
  const again = setInterval(() => document.visibilityState === "visible" && look(), EVERY_MS);
  signal.addEventListener("abort", () => clearInterval(again));
  look();
}

/** The page. */
export function collections(signal) {
  const tiles = h("div", {}, h("p", { class: "dim" }, "Looking…"));
  const list = h("div");
  const look = async () => {
    try {
      const found = await all(signal);
      refresh(tiles, totals(found));
      refresh(list, found.rows.length ? h("section", { class: "panel" }, listed(found)) : none());
    } catch (err) {
      showError(tiles, err);
    }
  };
  every(signal, look);
  return h(
    "div",
    {},
    h("div", { class: "head" }, h("h1", {}, "Collections"), h("a", { class: "button main push", href: "#/new" }, "New collection")),
    h("div", { class: "stack" }, tiles, list),
  );
}

/** What is shown changes where it stands: the focus stays on the same link. */
export function refresh(place, content) {
  const focused = place.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  put(place, content);
  if (focused) place.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus();
}

async function all(signal) {
  const [list, numbers] = await Promise.all([call("Collections/List", {}, { signal }), metrics().catch(() => [])]);
  const summaries = list.collections ?? [];
  const describe = async (summary, at) => {
    if (summary.state !== "open" || at >= DESCRIBED_MAX) return { summary };
    try {
      return { summary, ...(await call("Collections/Describe", { collection: summary.name }, { signal })) };
    } catch (err) {
      return { summary: { ...summary, state: "refused", reason: err.message } };
    }
  };
  return { rows: await Promise.all(summaries.map(describe)), numbers };
}

function totals({ rows, numbers }) {
  const sum = (name) => rows.reduce((sum, row) => sum + Number(row.status?.[name] ?? 0), 0);
  const own = named(numbers, "nigh_memory_bytes", { what: "own" })[0]?.value;
  const limit = named(numbers, "nigh_memory_limit_bytes")[0]?.value;
  const memory = own === undefined ? "–" : bytes(own);
  const tile = (name, value, more = "") => h("div", {}, h("dt", {}, name), h("dd", {}, value, more && h("small", {}, more)));
  const held = limit && limit < 2 ** 60 ? `at most ${bytes(limit)}` : "of the process, without mapped files";
  return h(
    "dl",
    { class: "tiles" },
    tile("Collections", whole(rows.length), healthOf(rows)),
    tile("Points", whole(sum("points")), `${whole(sum("live_rows"))} rows not yet in a segment`),
    tile("On disk", bytes(sum("disk_bytes")), "log and segments"),
    tile("Memory", memory, held),
  );
}

function healthOf(rows) {
  const ill = rows.filter((row) => row.summary.state !== "open" || row.status?.refuses_writes || row.status?.upkeep_failed);
  return ill.length ? `${whole(ill.length)} need attention` : "all open";
}

function listed({ rows, numbers }) {
  const columns = [["Name"], ["State"], ["Points", "number"], ["Live rows", "number"], ["Segments", "number"], ["On disk", "number"], ["Live memory", "number"], ["Recall", "number"], ["Upkeep"]];
  const row = ({ summary, status }) => {
    const name = h("a", { href: `#/c/${encodeURIComponent(summary.name)}` }, summary.name);
    if (!status) return [name, stateOf(summary), ...["–", "–", "–", "–", "–", "–"], h("span", { class: "dim" }, summary.reason ?? "")];
    return [
      name,
      stateOf(summary, status),
      whole(status.points),
      whole(status.live_rows),
      whole(status.segments?.length),
      bytes(status.disk_bytes),
      bytes(status.live_bytes),
      worst(recallsOf(numbers, summary.name)),
      upkeepOf(status),
    ];
  };
  return table("Collections", columns, rows.map(row));
}

/** A collection's state as a badge; the reason is beside it, not only behind a colour. */
export function stateOf(summary, status = {}) {
  if (summary.state === "opening") return h("span", { class: "badge warn" }, openingOf(summary.opening));
  if (summary.state !== "open") return h("span", { class: "badge bad" }, summary.state);
  if (status.refuses_writes) return h("span", { class: "badge bad" }, "refuses writes");
  if (status.upkeep_failed) return h("span", { class: "badge warn" }, "upkeep failed");
  return h("span", { class: "badge good" }, "open");
}

function openingOf(opening) {
  const total = Number(opening?.total_bytes ?? 0);
  return total ? `opening, ${percent(Number(opening.done_bytes ?? 0), total)}` : "opening";
}

/** What upkeep does. */
export function upkeepOf(status) {
  const tasks = status.tasks ?? [];
  if (!tasks.length) return h("span", { class: "dim" }, status.upkeep || "idle");
  return tasks.map((task) => h("div", {}, `${task.what} ${counted(task.rows ?? 0, "row")}`));
}

/** The lowest of them. */
export function worst(measured) {
  return measured.length ? measured.map((one) => one.recall).sort()[0] : "–";
}

/** The measured recall of a collection's live queries. */
export function recallsOf(numbers, collection) {
  const of = (name, labels) => named(numbers, name, { collection, ...labels })[0]?.value;
  return named(numbers, "nigh_recall", { collection }).map(({ labels, value }) => {
    const own = { field: labels.field, matching: labels.matching };
    const between = `${recall(of("nigh_recall_low", own))} – ${recall(of("nigh_recall_high", own))}`;
    return { ...own, recall: recall(value), between, queries: of("nigh_recall_queries_total", own) ?? 0 };
  });
}

function none() {
  return h(
    "section",
    { class: "panel empty" },
    h("h2", {}, "There are no collections yet"),
    h("p", {}, "Make one here, or import one from a file:"),
    h("pre", {}, "nigh import points.jsonl -c NAME --create --vector text:384:cosine"),
  );
}
