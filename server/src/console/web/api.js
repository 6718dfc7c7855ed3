// The server, as its own JSON door and its metrics tell it.

import { put, h } from "./dom.js";

const KEY = "nigh.key";
/** How long a call may take, unless it says so itself. */
const TIME_MAX_MS = 30_000;

/** The key that is sent along; it is gone when the tab is closed. */
export const key = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (text) => (text ? sessionStorage.setItem(KEY, text) : sessionStorage.removeItem(KEY)),
};

/** An error that the server told. */
export class Refused extends Error {
  constructor(http, told) {
    super(told.message || `the server answered with HTTP status ${http}`);
    this.http = http;
    this.code = told.code ?? "";
    const named = (kind) => told.details?.find((one) => one["@type"]?.endsWith(kind));
    this.violations = named("BadRequest")?.field_violations ?? [];
    this.retryMs = 1000 * Number.parseFloat(named("RetryInfo")?.retry_delay ?? "0");
  }
}

/** A call of nigh.v1: `call("Points/Query", {collection, ..})`. */
export async function call(method, body, { signal = null, timeMs = TIME_MAX_MS } = {}) {
  const head = { "content-type": "application/json", "grpc-timeout": `${timeMs}m` };
  const reply = await send(`../nigh.v1.${method}`, { method: "POST", headers: head, body: JSON.stringify(body), signal });
  return reply.json();
}

/** A page of the HTTP port. */
export async function page(path) {
  return send(path, {});
}

async function send(path, options) {
  const headers = { ...options.headers };
  if (key.get()) headers["api-key"] = key.get();
  let reply;
  try {
    reply = await fetch(path, { ...options, headers, cache: "no-store" });
  } catch (err) {
    if (err.name === "AbortError") throw err;
    throw new Refused(0, { code: "UNREACHABLE", message: "the server cannot be reached" });
  }
  if (reply.ok || (reply.status === 503 && path.endsWith("readyz"))) return reply;
  const told = await reply.json().catch(() => ({}));
  if (reply.status === 401) dispatchEvent(new CustomEvent("nigh:key-wanted"));
  // The Qdrant paths tell their errors in another form.
  const message = told.message ?? told.error ?? told.status?.error ?? "";
  throw new Refused(reply.status, { ...told, message });
}

/** The metrics: a list of `{name, labels, value}`. */
export async function metrics() {
  return readMetrics(await (await page("../metrics")).text());
}

/** Reads the text format of Prometheus, as far as it is used here: labels have no escaped quotes. */
export function readMetrics(text) {
  const found = [];
  for (const line of text.split("\n")) {
    const parts = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (!parts) continue;
    const labels = {};
    for (const [, name, value] of (parts[2] ?? "").matchAll(/([a-z_]+)="([^"]*)"/g)) labels[name] = value;
    found.push({ name: parts[1], labels, value: parts[3] === "+Inf" ? Infinity : Number(parts[3]) });
  }
  return found;
}

/** The metrics of one name that have these labels. */
export function named(all, name, labels = {}) {
  return all.filter((one) => one.name === name && Object.entries(labels).every(([key, value]) => one.labels[key] === value));
}

/** An error where its content would have been. */
export function showError(place, err) {
  if (err.name === "AbortError") return;
  const code = err.code ? h("span", { class: "dim" }, ` ${err.code}`) : null;
  put(place, h("div", { class: "note bad", role: "alert" }, err.message, code));
}
