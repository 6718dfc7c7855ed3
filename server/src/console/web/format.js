// Numbers, sizes and times as people read them.

const WHOLE = new Intl.NumberFormat("en-US");

/** A whole number with its thousands; numbers of 64 bits come as strings. */
export function whole(value) {
  return WHOLE.format(typeof value === "string" ? BigInt(value) : (value ?? 0));
}

/** A size, in powers of 1024. */
export function bytes(value) {
  let size = Number(value ?? 0);
  for (const unit of ["B", "KiB", "MiB", "GiB"]) {
    if (size < 1024) return `${unit === "B" || size >= 100 ? Math.round(size) : size.toFixed(1)} ${unit}`;
    size /= 1024;
  }
  return `${size.toFixed(1)} TiB`;
}

/** A time that comes in microseconds. */
export function micros(value) {
  const us = Number(value ?? 0);
  if (us < 1000) return `${us < 10 && us % 1 ? us.toFixed(1) : Math.round(us)} µs`;
  if (us < 1e6) return `${(us / 1000).toFixed(us < 1e5 ? 2 : 0)} ms`;
  return `${(us / 1e6).toFixed(2)} s`;
}

/** A moment that comes in milliseconds since 1970. */
export function moment(value) {
  return new Date(Number(value)).toISOString().replace("T", " ").slice(0, 19) + " UTC";
}

/** A score, with as many digits as tell hits apart. */
export function score(value) {
  const number = Number(value ?? 0);
  return Math.abs(number) >= 100 ? number.toFixed(1) : number.toFixed(4);
}

/** A share of 1. */
export function recall(value) {
  return Number(value ?? 0).toFixed(3);
}

/** A share in percent. */
export function percent(part, all) {
  return all > 0 ? `${((100 * part) / all).toFixed(part === all || part === 0 ? 0 : 1)} %` : "–";
}

/** "1 segment", "2 segments". */
export function counted(count, one, many = `${one}s`) {
  return `${whole(count)} ${Number(count) === 1 ? one : many}`;
}

/** The start of a text, on one line. */
export function short(text, most) {
  const line = String(text).replace(/\s+/g, " ").trim();
  return line.length > most ? `${line.slice(0, most - 1)}…` : line;
}

/** The value that so many in a hundred do not pass; sorts what it is given. */
export function percentile(values, percent) {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.max(0, Math.ceil((sorted.length * percent) / 100) - 1)] ?? 0;
}
