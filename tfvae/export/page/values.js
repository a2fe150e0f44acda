// The values that x or z can have: checks, and moves that stay among them.

const MARGIN = 1e-4;
const ROUNDING = 1e-3;

/** Bounds of each element, from the columns of a description. */
export class Values {
  constructor(columns) {
    this.elements = columns.flatMap((column, index) =>
      Array.from({ length: column.size }, (_, i) => ({
        column: index,
        name: nameOf(column, i),
        lowest: column.lowest,
        highest: column.highest,
        open: column.open,
        whole: column.whole,
      })),
    );
    this.groups = [];
    let start = 0;
    for (const column of columns) {
      for (let i = 0; column.joint && i < column.size; i += column.group) {
        this.groups.push({ kind: column.joint, start: start + i, size: column.group });
      }
      start += column.size;
    }
    this.size = start;
    this.whole = columns.every((column) => column.whole);
    this.support = columns.length === 1 ? columns[0].support : "";
  }

  /** The nearest value that an element can have by itself. */
  near(index, value) {
    const { lowest, highest, open, whole } = this.elements[index];
    let near = Number.isFinite(value) ? value : 0;
    if (whole) near = Math.round(near);
    if (lowest !== null) near = Math.max(near, open[0] ? lowest + MARGIN : lowest);
    if (highest !== null) near = Math.min(near, open[1] ? highest - MARGIN : highest);
    return near;
  }

  /** All values with some of them moved, and those that are bound to them. */
  move(values, moves) {
    const moved = Float32Array.from(values);
    for (const [index, value] of moves) moved[index] = this.near(index, value);
    const touched = new Set(moves.map(([index]) => index));
    for (const { kind, start, size } of this.groups) {
      const inside = [...Array(size).keys()].map((i) => start + i);
      const fixed = inside.filter((index) => touched.has(index));
      if (fixed.length) BIND[kind](moved, inside, fixed);
    }
    return moved;
  }

  /** What keeps these values from having a density, in words; at most a few. */
  problems(values) {
    const found = [];
    this.elements.forEach(({ name, lowest, highest, open, whole }, index) => {
      const value = values[index];
      const say = (what) => found.push({ index, text: `${name}: ${what}` });
      if (!Number.isFinite(value)) say("a number is missing.");
      else if (whole && !Number.isInteger(value)) say(`${value} is not a whole number.`);
      else if (lowest !== null && (open[0] ? value <= lowest : value < lowest)) {
        say(`${value} is not ${open[0] ? "above" : "at least"} ${lowest}.`);
      } else if (highest !== null && (open[1] ? value >= highest : value > highest)) {
        say(`${value} is not ${open[1] ? "below" : "at most"} ${highest}.`);
      }
    });
    if (found.length) return found;
    for (const { kind, start, size } of this.groups) {
      const total = Array.from(values.slice(start, start + size)).reduce(
        (sum, value) => sum + (kind === "sphere" ? value * value : value),
        0,
      );
      if (Math.abs(total - 1) > ROUNDING) {
        const names = `${this.elements[start].name} and the ${size - 1} after it`;
        found.push({ index: start, text: `${names}: ${MUST[kind]}` });
      }
    }
    return found;
  }
}

const MUST = {
  sphere: "their squares must add up to 1.",
  simplex: "they must add up to 1.",
  one_hot: "one must be 1 and the rest 0.",
};

const BIND = {
  sphere(values, inside, fixed) {
    const square = (indices) => indices.reduce((sum, i) => sum + values[i] ** 2, 0);
    const rest = inside.filter((index) => !fixed.includes(index));
    const taken = square(fixed);
    if (taken >= 1 || !rest.length) {
      const length = Math.sqrt(taken) || 1;
      fixed.forEach((index) => (values[index] /= length));
      rest.forEach((index) => (values[index] = 0));
      return;
    }
    scale(values, rest, Math.sqrt(1 - taken), Math.sqrt(square(rest)), rest.length ** 0.5);
  },
  simplex(values, inside, fixed) {
    const sum = (indices) => indices.reduce((total, i) => total + values[i], 0);
    const rest = inside.filter((index) => !fixed.includes(index));
    const most = rest.length ? 1 - MARGIN * rest.length : 1;
    fixed.forEach((index) => (values[index] = Math.max(values[index], MARGIN)));
    const taken = sum(fixed);
    if (taken > most || !rest.length) {
      fixed.forEach((index) => (values[index] *= most / taken));
    }
    scale(values, rest, 1 - sum(fixed), sum(rest), rest.length);
  },
  one_hot(values, inside, fixed) {
    const chosen = fixed.find((index) => values[index] > 0.5);
    const other = inside.find((index) => !fixed.includes(index)) ?? inside[0];
    inside.forEach((index) => (values[index] = index === (chosen ?? other) ? 1 : 0));
  },
};

function scale(values, indices, wanted, current, even) {
  for (const index of indices) {
    values[index] = current > 0 ? (values[index] * wanted) / current : wanted / even;
  }
}

function nameOf(column, index) {
  if (column.name === null) return `value ${index}`;
  return column.size === 1 ? column.name : `${column.name} ${index}`;
}
