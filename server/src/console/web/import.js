// Points from a file of this computer: looked at, mapped, and sent with progress.

import { field, h, panel, put, select, table } from "./dom.js";
import { bytes, counted, short, whole } from "./format.js";
import { formatOf, rowsOf } from "./rows.js";
import { upload, vectorOf } from "./upload.js";

/** So many rows are looked at before. */
const LOOK_AT = 20;
const SHOWN = 5;

/** The page. */
export function imports({ name, spec, signal }) {
  const input = h("input", { type: "file", accept: ".jsonl,.ndjson,.json,.csv,.tsv", id: "file", class: "unseen", "data-first": true });
  const drop = h(
    "label",
    { for: "file", class: "drop" },
    h("strong", {}, "Choose a file, or drop one here"),
    h("span", { class: "dim" }, "JSON Lines (.jsonl, .ndjson) or CSV with a first line of names (.csv, .tsv), in UTF-8"),
  );
  const place = h("div", { class: "stack" });
  const take = (file) => file && look(file, name, spec, place, signal);
  input.addEventListener("change", () => take(input.files[0]));
  drop.addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    take(event.dataTransfer.files[0]);
  });
  const large = h("p", { class: "small dim" }, "For millions of points, for Parquet and .npy, and for imports that go on where they stopped: ", h("code", {}, `nigh import FILE -c ${name}`));
  return h("div", { class: "stack" }, h("section", { class: "panel" }, h("div", { class: "inside stack tight" }, h("div", { class: "dropped" }, input, drop), large)), place);
}

async function look(file, name, spec, place, signal) {
  try {
    const format = formatOf(file.name);
    const rows = [];
    for await (const { row } of rowsOf(file, format)) {
      rows.push(row);
      if (rows.length >= LOOK_AT) break;
    }
    if (!rows.length) throw new Error("the file has no rows");
    put(place, mapping(file, format, rows, name, spec, place, signal));
  } catch (err) {
    put(place, h("div", { class: "note bad", role: "alert" }, `${file.name}: ${err.message}`));
  }
}

/** Which column is what, guessed from the first rows. */
function mapping(file, format, rows, name, spec, place, signal) {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const ids = select([["", "number the rows"], ...columns.map((one) => [one, one])], columns.includes("id") ? "id" : "");
  const first = h("input", { type: "number", min: 0, value: 1 });
  const numbering = field("First number", first);
  const vectors = (spec.vectors ?? []).map((one) => [one, select([["", "none"], ...columns.map((column) => [column, column])], guess(one, columns, rows))]);
  const change = () => { numbering.hidden = ids.value !== ""; };
  ids.addEventListener("change", change);
  change();
  const form = h(
    "form",
    { class: "inside" },
    h("div", { class: "row" }, field("Id", ids), numbering, vectors.map(([one, chosen]) => field(`Vector “${one.name}” (${one.size} numbers)`, chosen))),
    h("p", { class: "small dim" }, "All other columns become the payload. A point that is there under the same id is replaced."),
    h("div", { class: "row" }, h("button", { class: "main" }, `Import into “${name}”`)),
  );
  const progress = h("div");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const chosen = Object.fromEntries(vectors.map(([one, control]) => [one.name, control.value]));
    run({ file, format, name, signal, progress, form, mapping: { id: ids.value, first: Number(first.value), vectors: chosen } });
  });
  const title = `${file.name}, ${bytes(file.size)}`;
  return [panel(title, [form, sample(columns, rows)]), progress];
}

/** The column of a vector field: of its name, or with as many numbers. */
function guess(own, columns, rows) {
  const fits = (column) => {
    try {
      return vectorOf(rows.find((row) => row[column] !== undefined && row[column] !== null)?.[column]).length === own.size;
    } catch {
      return false;
    }
  };
  return [own.name, ...columns].find((column) => columns.includes(column) && fits(column)) ?? "";
}

function sample(columns, rows) {
  const cell = (value) => (value === undefined ? "–" : short(typeof value === "string" ? value : JSON.stringify(value), 48));
  return table("The first rows", columns.map((one) => [one]), rows.slice(0, SHOWN).map((row) => columns.map((column) => cell(row[column]))));
}

async function run({ file, format, name, signal, progress, form, mapping }) {
  const own = new AbortController();
  signal.addEventListener("abort", () => own.abort());
  const bar = h("progress", { max: Math.max(file.size, 1), value: 0, "aria-label": "Import" });
  const told = h("span", { role: "status" });
  const stop = h("button", { type: "button", onclick: () => own.abort() }, "Stop");
  put(progress, h("section", { class: "panel" }, h("div", { class: "inside stack tight" }, bar, h("div", { class: "row" }, told, h("span", { class: "push" }, stop)))));
  const controls = [...form.elements];
  for (const control of controls) control.disabled = true;
  const begun = performance.now();
  let done = 0;
  const tell = (count) => {
    done += count;
    const rate = done / Math.max((performance.now() - begun) / 1000, 0.001);
    told.textContent = `${counted(done, "point")} on disk, ${whole(Math.round(rate))} a second`;
  };
  tell(0);
  const rows = rowsOf(file, format, (read) => { bar.value = read; });
  const ended = await upload(name, rows, mapping, { signal: own.signal, progress: tell }).then(() => null, (err) => err);
  stop.remove();
  for (const control of controls) control.disabled = false;
  if (own.signal.aborted) put(progress, h("div", { class: "note warn", role: "alert" }, `Stopped: ${counted(done, "point")} are in and on disk.`));
  else if (ended) put(progress, h("div", { class: "note bad", role: "alert" }, `${ended.message}. `, h("span", { class: "dim" }, `${counted(done, "point")} are in and on disk; import the file again to go on: what is there is replaced.`)));
  else put(progress, h("div", { class: "note good", role: "status" }, `${counted(done, "point")} are in and on disk. `, h("a", { href: `#/c/${encodeURIComponent(name)}/points` }, "See them")));
}
