// x as numbers: a field for each, and rows from a CSV or JSON file.

import { byId, make } from "./dom.js";

const MOST_FIELDS = 400;
const MOST_ROWS = 1000;

/** Number fields: `set(values)` fills them, `onChange(values)` tells of new ones. */
export class Fields {
  constructor(model, onChange, onRows) {
    this.model = model;
    this.onChange = onChange;
    this.onRows = onRows;
    this.values = new Float32Array(model.x.size);
    this.inputs = model.x.elements.slice(0, MOST_FIELDS).map((element, index) => {
      const input = make("input", {
        type: "number",
        step: element.whole ? 1 : "any",
        id: `x-${index}`,
      });
      if (element.lowest !== null) input.min = element.lowest;
      if (element.highest !== null) input.max = element.highest;
      input.addEventListener("input", () => {
        this.values[index] = input.value === "" ? NaN : Number(input.value);
        this.onChange(this.values);
      });
      const label = make("label", { htmlFor: input.id }, element.name);
      return [input, make("div", { className: "field" }, label, input)];
    });
    const rows = this.inputs.map(([, row]) => row);
    byId("input").append(make("div", { className: "scroll fields" }, ...rows));
    this.inputs = this.inputs.map(([input]) => input);
    const file = make("input", {
      type: "file",
      accept: ".csv,.json,text/csv,application/json",
      className: "away",
    });
    file.addEventListener("change", () => this.#load(file));
    byId("tools").append(
      make(
        "div",
        { className: "bar" },
        make("label", { className: "button" }, "Load CSV or JSON …", file),
      ),
    );
  }

  set(values) {
    this.values = Float32Array.from(values);
    this.inputs.forEach((input, index) => {
      input.value = Number(this.values[index].toPrecision(7));
    });
  }

  /** Marks the fields whose values have no density. */
  mark(problems) {
    const wrong = new Set(problems.map((problem) => problem.index));
    this.inputs.forEach((input, index) => {
      input.setAttribute("aria-invalid", wrong.has(index));
    });
  }

  async #load(file) {
    const [chosen] = file.files;
    if (!chosen) return;
    const name = chosen.name;
    try {
      const text = await chosen.text();
      const names = this.model.x.elements.map((element) => element.name);
      const rows = /^\s*[[{]/.test(text) ? fromJson(text, names) : fromCsv(text, names);
      this.onRows(rows.slice(0, MOST_ROWS), name);
    } catch (error) {
      byId("input-problem").textContent = `${name}: ${error.message}`;
    }
    file.value = "";
  }
}

function fromJson(text, names) {
  let found;
  try {
    found = JSON.parse(text);
  } catch {
    throw new Error("this is no JSON.");
  }
  const rows = Array.isArray(found) && !found.every(Number.isFinite) ? found : [found];
  return rows.map((row, index) => {
    const values = Array.isArray(row)
      ? row.flat(Infinity)
      : names.map((name) => row?.[name]);
    return numbers(values, names, `row ${index + 1}`);
  });
}

function fromCsv(text, names) {
  const lines = text.split(/\r?\n/).filter((line) => line.trim());
  const cells = lines.map((line) =>
    line.split(/[,;\t]/).map((cell) => cell.trim().replace(/^"(.*)"$/, "$1")),
  );
  if (!cells.length) throw new Error("the file is empty.");
  const titled = cells[0].some((cell) => cell === "" || Number.isNaN(Number(cell)));
  const titles = titled ? cells.shift() : [];
  if (!cells.length) throw new Error("there is no row below the names.");
  // By name where all names are known, else by place.
  const places = names.map((name) => titles.indexOf(name));
  const byName = places.every((place) => place >= 0);
  return cells.map((row, index) => {
    const picked = byName ? places.map((place) => row[place]) : row;
    const values = picked.map((cell) => (cell === "" ? NaN : Number(cell)));
    return numbers(values, names, `row ${index + 1}`);
  });
}

function numbers(values, names, where) {
  if (values.length !== names.length) {
    throw new Error(`${where} has ${values.length} values, the model takes ${names.length}.`);
  }
  const wrong = values.findIndex((value) => !Number.isFinite(value));
  if (wrong >= 0) throw new Error(`${where}, ${names[wrong]}: there is no number.`);
  return Float32Array.from(values);
}
