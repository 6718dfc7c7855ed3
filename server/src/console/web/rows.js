// Rows out of a file, while it is read: JSON Lines and CSV.

import { parse } from "./exact.js";

/** A row of this many letters is no row. */
const ROW_LETTERS_MAX = 16 << 20;

/** The format that a file's name tells. */
export function formatOf(name) {
  if (/\.(jsonl|ndjson|json)$/i.test(name)) return "jsonl";
  if (/\.(csv|tsv)$/i.test(name)) return "csv";
  throw new Error(`“${name}” is neither JSON Lines (.jsonl, .ndjson) nor CSV (.csv, .tsv)`);
}

/** Rows as `{row, line}`; `onbytes` hears how far the file was read. */
export async function* rowsOf(file, format, onbytes = () => {}) {
  const parser = format === "csv" ? csv(file.name.endsWith(".tsv") ? "\t" : ",") : lines();
  const reader = file.stream().pipeThrough(counting(onbytes)).pipeThrough(new TextDecoderStream("utf-8", { fatal: true })).getReader();
  try {
    for (;;) {
      const { done, value = "" } = await reader.read().catch((err) => {
        throw new Error(err instanceof TypeError ? "the file is not UTF-8" : err.message);
      });
      yield* parser.take(value);
      if (done) break;
    }
    yield* parser.end();
  } finally {
    reader.cancel().catch(() => {});
  }
}

function counting(onbytes) {
  let bytes = 0;
  return new TransformStream({
    transform(chunk, out) {
      bytes += chunk.byteLength;
      onbytes(bytes);
      out.enqueue(chunk);
    },
  });
}

/** One JSON object a line. */
function lines() {
  let [rest, line] = ["", 0];
  const read = (text) => {
    line += 1;
    if (!text.trim()) return null;
    let row;
    try {
      row = parse(text);
    } catch (err) {
      throw new Error(`line ${line}: ${err.message}`);
    }
    if (row === null || typeof row !== "object" || Array.isArray(row)) throw new Error(`line ${line}: it is not an object`);
    return { row, line };
  };
  return {
    *take(text) {
      const parts = (rest + text).split("\n");
      rest = parts.pop();
      tooLong(rest, line);
      for (const part of parts) {
        const one = read(part);
        if (one) yield one;
      }
    },
    *end() {
      const one = rest ? read(rest) : null;
      if (one) yield one;
    },
  };
}

function tooLong(rest, line) {
  if (rest.length > ROW_LETTERS_MAX) throw new Error(`line ${line + 1}: more than 16 MiB without an end`);
}

/** CSV as RFC 4180 has it: quotes may hold separators, line ends and doubled quotes. The first row names the columns. */
function csv(separator) {
  let [cell, cells, quoted, wasQuoted, held, line, began, names] = ["", [], false, false, "", 1, 1, null];
  const endCell = () => {
    cells.push({ text: cell, quoted: wasQuoted });
    [cell, wasQuoted] = ["", false];
  };
  const endRow = () => {
    endCell();
    const row = cells;
    cells = [];
    const [at, blank] = [began, row.length === 1 && !row[0].text && !row[0].quoted];
    began = line;
    if (blank) return null;
    if (!names) {
      names = row.map((one) => one.text.trim());
      if (new Set(names).size !== names.length) throw new Error("line 1: two columns have the same name");
      return null;
    }
    if (row.length !== names.length) throw new Error(`line ${at}: ${row.length} cells, where the first line has ${names.length}`);
    return { row: Object.fromEntries(names.map((name, column) => [name, value(row[column])]).filter(([, one]) => one !== undefined)), line: at };
  };
  return {
    *take(text) {
      const all = held + text;
      // The last letter waits: whether a quote is doubled is seen by the next one.
      held = all.slice(-1);
      for (let at = 0; at < all.length - 1; at += 1) {
        const [letter, next] = [all[at], all[at + 1]];
        if (letter === "\n") line += 1;
        if (quoted) {
          if (letter !== '"') cell += letter;
          else if (next === '"') [cell, at] = [`${cell}"`, at + 1];
          else quoted = false;
          if (at === all.length - 1) held = "";
        } else if (letter === '"' && !cell) [quoted, wasQuoted] = [true, true];
        else if (letter === separator) endCell();
        else if (letter === "\n") {
          const one = endRow();
          if (one) yield one;
        } else if (letter !== "\r" && letter !== "\uFEFF") cell += letter;
      }
      tooLong(cell, line);
    },
    *end() {
      if (held === '"' && quoted) quoted = false;
      else if (held === separator && !quoted) endCell();
      else if (held && held !== "\n" && held !== "\r") cell += held;
      held = "";
      if (quoted) throw new Error(`line ${began}: a quote is not closed`);
      if (!cell && !cells.length && !wasQuoted) return;
      const one = endRow();
      if (one) yield one;
    },
  };
}

/** What a cell says: numbers, true and false as such unless they are quoted; nothing where it is empty. */
function value({ text, quoted }) {
  if (quoted) return text;
  if (!text) return undefined;
  if (text === "true" || text === "false") return text === "true";
  // A number that would not come back the same (007, 1e999, 20 digits) is a text.
  return /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(text) && exact(text) ? Number(text) : text;
}

function exact(text) {
  const number = Number(text);
  return Number.isFinite(number) && (!/^-?\d+$/.test(text) || Number.isSafeInteger(number));
}
