// Points: their ids, what they hold, and a window that shows one.

import { call, showError } from "./api.js";
import { copy, h, openDialog, svg } from "./dom.js";
import { Exact, parse } from "./exact.js";
import { moment, whole } from "./format.js";

const UUID = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;
/** A number of 64 bits has at most these digits; 007 would be another name of 7. */
const NUMBER = /^(0|[1-9]\d{0,19})$/;
/** Payload keys that say what a point is, the best first. */
export const TITLES = ["title", "name", "heading", "label", "subject"];
/** So many numbers of a vector are drawn. */
const DRAWN_MAX = 256;

/** An id as text. */
export function showId(id) {
  return id?.uuid ?? String(id?.num ?? 0);
}

/** A text as an id. */
export function readId(text) {
  const trimmed = text.trim();
  if (NUMBER.test(trimmed) && BigInt(trimmed) < 2n ** 64n) return { num: trimmed };
  if (UUID.test(trimmed)) return { uuid: trimmed };
  throw new Error(`“${trimmed}” is not an id: a number, or a UUID`);
}

/** A payload; one that cannot be read is shown as it is. */
export function payloadOf(point) {
  try {
    return point.payload ? parse(point.payload) : {};
  } catch {
    return { payload: point.payload };
  }
}

/** The payload's most telling strings, for a line in a list. */
export function summary(payload) {
  const texts = Object.entries(payload).filter(([, value]) => typeof value === "string" && value);
  const place = (name) => (TITLES.includes(name) ? TITLES.indexOf(name) : TITLES.length);
  texts.sort(([a], [b]) => place(a) - place(b));
  return texts.length ? texts[0][1] : JSON.stringify(payload);
}

/** JSON as nested lists; long texts stay as they are. */
export function tree(value) {
  if (value !== null && typeof value === "object" && !(value instanceof Exact)) {
    const entries = Object.entries(value);
    if (!entries.length) return h("span", { class: "dim" }, Array.isArray(value) ? "[]" : "{}");
    if (Array.isArray(value) && value.every((one) => typeof one !== "object" || one instanceof Exact)) {
      return h("span", {}, value.flatMap((one, at) => (at ? [h("span", { class: "dim" }, ", "), tree(one)] : [tree(one)])));
    }
    return h("dl", { class: "pairs" }, entries.map(([name, inner]) => [h("dt", {}, name), h("dd", {}, tree(inner))]));
  }
  if (typeof value === "string") return h("span", { class: "text" }, value);
  return h("span", { class: "mono literal" }, String(value));
}

/** Opens a point that is there as `point`, or is fetched by its id. */
export async function openPoint(collection, id, version = "") {
  const body = h("div", { class: "stack" }, h("p", { class: "dim" }, "Fetching…"));
  const dialog = openDialog(`Point ${showId(id)}`, body);
  try {
    const asked = { collection, ids: [id], vectors: { all: true }, version };
    const reply = await call("Points/Get", asked);
    const point = reply.points?.[0];
    if (!point) throw new Error("It is not there any more.");
    body.replaceChildren(...shown(collection, point, dialog));
  } catch (err) {
    showError(body, err);
  }
  return dialog;
}

function shown(collection, point, dialog) {
  const payload = payloadOf(point);
  const raw = h("pre", { class: "code" }, JSON.stringify(payload, null, 2));
  const like = `#/c/${encodeURIComponent(collection)}/query?like=${showId(point.id)}`;
  const expires = point.expires_at_ms && [h("dt", {}, "Expires"), h("dd", {}, moment(point.expires_at_ms))];
  return [
    h(
      "div",
      { class: "head tight" },
      h("span", { class: "dim" }, `version ${whole(point.version)}`),
      h(
        "span",
        { class: "push row" },
        h("button", { type: "button", onclick: () => copy(raw.textContent, raw) }, "Copy payload"),
        h("a", { class: "button", href: like, onclick: () => dialog.close() }, "Find similar"),
      ),
    ),
    expires && h("dl", { class: "pairs" }, expires),
    h("section", { class: "payload" }, h("h3", {}, "Payload"), tree(payload)),
    h("details", {}, h("summary", {}, "Payload as JSON"), raw),
    ...vectors(point),
  ].filter(Boolean);
}

function vectors(point) {
  const dense = Object.entries(point.vectors ?? {}).map(([name, vector]) => dense_(name, vector.values ?? []));
  const sparse = Object.entries(point.sparse ?? {}).map(([name, vector]) => {
    const pairs = (vector.indices ?? []).map((index, at) => `${index}: ${vector.values[at]}`);
    return part(name, `sparse, ${whole(pairs.length)} numbers`, h("pre", { class: "code" }, pairs.join("\n")));
  });
  const multi = Object.entries(point.multi ?? {}).map(([name, several]) => {
    const rows = (several.vectors ?? []).map((vector) => JSON.stringify(vector.values ?? []));
    return part(name, `${whole(rows.length)} vectors`, h("pre", { class: "code" }, rows.join("\n")));
  });
  return [...dense, ...sparse, ...multi];
}

function dense_(name, values) {
  const norm = Math.hypot(...values);
  const text = h("pre", { class: "code" }, JSON.stringify(values));
  const what = `${whole(values.length)} numbers, length ${norm.toFixed(4)}`;
  return part(name, what, [bars(values), h("details", {}, h("summary", {}, "Numbers"), text)]);
}

function part(name, what, content) {
  return h("section", { class: "vector" }, h("h3", {}, `${name} `, h("span", { class: "dim" }, what)), content);
}

/** The numbers of a vector as bars around a middle line. */
function bars(values) {
  const drawn = values.slice(0, DRAWN_MAX);
  const most = drawn.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-9);
  const bar = (value, at) => {
    const height = (Math.abs(value) / most) * 24;
    return svg("rect", { x: at, y: value < 0 ? 24 : 24 - height, width: 0.8, height, class: value < 0 ? "below" : "above" });
  };
  const told = `The first ${drawn.length} numbers as bars, the greatest ${most.toFixed(3)}`;
  const box = { class: "bars", viewBox: `0 0 ${Math.max(drawn.length, 1)} 48`, preserveAspectRatio: "none", role: "img" };
  return svg("svg", { ...box, "aria-label": told }, drawn.map(bar));
}
