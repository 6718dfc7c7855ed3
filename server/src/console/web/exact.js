// JSON whose numbers stay what they are: a browser's own numbers are exact only up to 2^53.

/** A number of more digits than the browser's own hold: as it was written, wherever it goes. */
export class Exact {
  #text;
  constructor(text) {
    this.#text = text;
  }
  toString() {
    return this.#text;
  }
  valueOf() {
    return Number(this.#text);
  }
  toJSON() {
    return JSON.rawJSON(this.#text);
  }
}

/** Whatever may hold such a number: to look at each of a long vector takes its time. */
const LONG = /\d{16}|[eE]\+?\d{3}/;

/** Reads JSON. Where the browser cannot keep a number as it is, that is an error, and not another number. */
export function parse(text) {
  return LONG.test(text) ? JSON.parse(text, kept) : JSON.parse(text);
}

function kept(key, value, context) {
  if (typeof value !== "number") return value;
  const written = context?.source;
  const same = Number.isFinite(value) && (written ? !/^-?\d+$/.test(written) || Number.isSafeInteger(value) : !Number.isInteger(value) || Number.isSafeInteger(value));
  if (same) return value;
  if (!written || !JSON.rawJSON) throw new Error(`this browser cannot read ${written ?? value} as it is; nigh import can`);
  return new Exact(written);
}
