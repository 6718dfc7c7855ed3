// One collection: its tabs, and how it is.

import { call, metrics, showError } from "./api.js";
import { every, recallsOf, refresh, stateOf, worst } from "./collections.js";
import { h, openDialog, panel, put, say, table } from "./dom.js";
import { bytes, counted, moment, percent, whole } from "./format.js";
import { imports } from "./import.js";
import { map } from "./map.js";
import { points } from "./points.js";
import { query as queries } from "./query.js";
import { recalls } from "./recall.js";
import { schemaOf } from "./schema.js";

/** The tabs, by what stands in the address. */
export const TABS = [
  ["overview", "Overview"],
  ["points", "Points"],
  ["query", "Query"],
  ["recall", "Recall"],
  ["map", "Map"],
  ["import", "Import"],
];

/** The page. */
export function collection(name, tab, query, signal) {
  const place = h("div", { class: "stack" }, h("p", { class: "dim" }, "Looking…"));
  const state = h("span");
  const link = ([key, title]) =>
    h("a", { href: `#/c/${encodeURIComponent(name)}/${key}`, "aria-current": key === tab ? "page" : null }, title);
  begin({ name, tab, query, signal, place, state });
  return h(
    "div",
    {},
    h("div", { class: "head" }, h("h1", {}, h("a", { class: "trail", href: "#/" }, "Collections"), h("span", { class: "trail" }, " / "), name), state),
    h("nav", { class: "tabs", "aria-label": "Collection" }, TABS.map(link)),
    place,
  );
}

async function begin(page) {
  const { name, tab, query, signal, place, state } = page;
  try {
    const described = await call("Collections/Describe", { collection: name }, { signal });
    put(state, stateOf({ state: described.status?.state ?? "open" }, described.status));
    const given = { name, spec: described.spec ?? {}, status: described.status ?? {}, query, signal };
    const content = { points, query: queries, recall: recalls, map, import: imports }[tab];
    if (content) put(place, content(given));
    else watch(page);
  } catch (err) {
    showError(place, err);
    tellWhy(page);
  }
}

/** Why a collection does not answer, as far as the list of all knows. */
async function tellWhy({ name, signal, place, state }) {
  const list = await call("Collections/List", {}, { signal }).catch(() => ({}));
  const own = list.collections?.find((one) => one.name === name);
  if (!own || own.state === "open") return;
  put(state, stateOf(own));
  if (own.reason) place.append(h("div", { class: "note" }, own.reason));
}

/** The overview, again and again. */
function watch({ name, signal, place, state }) {
  const live = h("div", { class: "stack" });
  put(place, live, actions(name));
  const look = async () => {
    try {
      const [described, numbers, pins] = await Promise.all([
        call("Collections/Describe", { collection: name }, { signal }),
        metrics().catch(() => []),
        call("Versions/Pins", { collection: name }, { signal }).catch(() => ({})),
      ]);
      const { spec = {}, status = {} } = described;
      put(state, stateOf({ state: status.state ?? "open" }, status));
      refresh(live, overview(spec, status, recallsOf(numbers, name), pins.versions ?? []));
    } catch (err) {
      showError(live, err);
    }
  };
  every(signal, look);
}

function overview(spec, status, measured, versions) {
  return h(
    "div",
    { class: "stack" },
    notes(status),
    tiles(status, measured),
    ...(status.tasks ?? []).map(task),
    h("div", { class: "columns" }, panel("Fields", schemaOf(spec)), panel("Segments", segments(status), sealed(status))),
    h("div", { class: "columns" }, panel("Recall of live queries", recallTable(measured)), panel("Versions", versionTable(versions))),
  );
}

/** What is not as it should be, and why. */
function notes(status) {
  const bad = [
    [status.refuses_writes, "It refuses writes: "],
    [status.archive_gap && "log was cut that was not archived yet; make a backup.", "There is a gap in the archive: "],
  ].filter(([why]) => why);
  const failed = status.upkeep_failed && h("div", { class: "note warn" }, h("strong", {}, "Upkeep failed and is tried again: "), status.upkeep_failed);
  const waits = status.upkeep_waits && h("div", { class: "note" }, h("strong", {}, "The next merge waits: "), status.upkeep_waits);
  return [...bad.map(([why, what]) => h("div", { class: "note bad" }, h("strong", {}, what), why)), failed, waits];
}

function tiles(status, measured) {
  const tile = (name, value, more) => h("div", {}, h("dt", {}, name), h("dd", {}, value, h("small", {}, more)));
  const behind = BigInt(status.seq ?? 0) - BigInt(status.durable_seq ?? 0);
  const log = behind > 0n ? `${whole(String(behind))} not yet on disk` : "all on disk";
  return h(
    "dl",
    { class: "tiles" },
    tile("Points", whole(status.points), `after ${whole(status.seq)} operations, ${log}`),
    tile("Live rows", whole(status.live_rows), `${bytes(status.live_bytes)}, not yet in a segment`),
    tile("Segments", whole(status.segments?.length), sealed(status)),
    tile("On disk", bytes(status.disk_bytes), "log and segments"),
    tile("Recall", worst(measured), measured.length ? "the lowest that was measured" : "not measured yet"),
  );
}

function sum(status, name) {
  return (status.segments ?? []).reduce((sum, one) => sum + Number(one[name] ?? 0), 0);
}

function sealed(status) {
  const dead = sum(status, "dead_rows");
  return `${counted(sum(status, "rows"), "row")}, ${whole(dead)} of them dead`;
}

function task(task) {
  const [done, all] = [Number(task.files_done ?? 0), Number(task.files ?? 0)];
  const seconds = Math.round(Number(task.running_ms ?? 0) / 1000);
  const what = `${task.what} ${counted(task.rows ?? 0, "row")}, because ${task.reason}`;
  return h(
    "div",
    { class: "note" },
    h("div", {}, what, h("span", { class: "dim" }, `  ${done} of ${counted(all, "file")}, now ${task.stage}, for ${seconds} s`)),
    h("progress", { max: Math.max(all, 1), value: done, "aria-label": what }),
  );
}

function segments(status) {
  if (!status.segments?.length) return h("p", { class: "inside dim" }, "None yet: every row is live.");
  const most = Math.max(...status.segments.map((one) => Number(one.rows ?? 0)), 1);
  const row = (one) => {
    const [rows, dead] = [Number(one.rows ?? 0), Number(one.dead_rows ?? 0)];
    return [whole(one.number), bar(rows, dead, most), whole(rows), dead ? `${whole(dead)} (${percent(dead, rows)})` : "0", bytes(one.bytes)];
  };
  const columns = [["Number"], [h("span", { class: "unseen" }, "Share")], ["Rows", "number"], ["Dead", "number"], ["Bytes", "number"]];
  return table("Segments", columns, status.segments.map(row));
}

function bar(rows, dead, most) {
  const whole = h("span", { class: "bar", "aria-hidden": "true" }, h("span"), h("span", { class: "dead" }));
  whole.style.width = `${Math.max(4, (100 * rows) / most)}%`;
  whole.firstChild.style.width = `${(100 * (rows - dead)) / Math.max(rows, 1)}%`;
  whole.lastChild.style.width = `${(100 * dead) / Math.max(rows, 1)}%`;
  return whole;
}

function recallTable(measured) {
  if (!measured.length) {
    return h("p", { class: "inside dim" }, "Nothing measured yet: some of the queries that come in are answered exactly beside, when a core is free.");
  }
  const columns = [["Field"], ["Matching"], ["Recall", "number"], ["95 % between", "number"], ["Queries", "number"]];
  return table("Recall of live queries", columns, measured.map((one) => [one.field, one.matching, one.recall, one.between, whole(one.queries)]));
}

function versionTable(versions) {
  if (!versions.length) return h("p", { class: "inside dim" }, "No state is kept under a name.");
  const columns = [["Name"], ["Made"], ["Points", "number"], ["Bytes", "number"]];
  const row = (one) => [one.name, one.broken ? `broken: ${one.broken}` : moment(one.time_ms ?? 0), whole(one.points), bytes(one.bytes)];
  return table("Versions", columns, versions.map(row));
}

function actions(name) {
  const optimize = h("button", { type: "button" }, "Merge all segments now");
  optimize.addEventListener("click", async () => {
    optimize.disabled = true;
    say("Merging: it may take a while");
    try {
      // As long as a merge of many points may take.
      const { status } = await call("Collections/Optimize", { collection: name }, { timeMs: 3_600_000 });
      say(`Merged: ${counted(status.segments?.length ?? 0, "segment")}`);
    } catch (err) {
      say(err.message);
    }
    optimize.disabled = false;
  });
  const drop = h("button", { type: "button", class: "danger", "aria-haspopup": "dialog", onclick: () => confirmDrop(name) }, "Drop the collection…");
  return panel("Upkeep", h("div", { class: "inside row" }, optimize, drop), h("span", { class: "dim small" }, "Merging happens by itself; this is for benchmarks."));
}

function confirmDrop(name) {
  const typed = h("input", { id: "drop-name", autocomplete: "off", spellcheck: "false" });
  const wrong = h("p", { class: "wrong", role: "alert" });
  const drop = async (event) => {
    event.preventDefault();
    if (typed.value !== name) return put(wrong, `That is not “${name}”.`);
    try {
      await call("Collections/Drop", { collection: name });
      dialog.close();
      location.hash = "#/";
      say(`“${name}” is gone`);
    } catch (err) {
      put(wrong, err.message);
    }
  };
  const form = h(
    "form",
    { onsubmit: drop },
    h("p", {}, "Everything in it is lost, versions too. Backups stay."),
    h("div", { class: "field" }, h("label", { for: "drop-name" }, `Type “${name}”`), typed, wrong),
    h("button", { class: "danger" }, "Drop it"),
  );
  const dialog = openDialog("Drop the collection", form, "narrow");
  typed.focus();
}
