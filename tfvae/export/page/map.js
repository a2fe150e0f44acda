// The map: a plane of two latents, what each place decodes to, and where examples lie.

import { byId, colour, latentName, make, show } from "./dom.js";
import { breathe, settled } from "./tasks.js";

const TILES = 11;
const FINE_TILES = 22;
const KEY_STEPS = 40;
const FRAME = 8;
const SIDE = 704;

export class LatentMap {
  #axes;
  #field = 0;
  #canvas = byId("map");
  #tiles = byId("map-tiles");

  constructor(model, latent, report) {
    this.model = model;
    this.latent = latent;
    const { order } = model.description.z;
    if (order.length < 2) {
      byId("map-figure").hidden = true;
      return;
    }
    this.#axes = [order[0], order[1]];
    this.#canvas.setAttribute(
      "aria-label",
      "Map of two latents. Arrow keys move z; with Shift they move further.",
    );
    ["map-x", "map-y"].forEach((id, axis) => this.#makeChoice(byId(id), axis));
    this.#makeColours();
    this.#listen();
    this.#fill = settled((outdated) => this.#decodeTiles(outdated), report, () => 60);
    latent.follow(() => {
      this.#draw();
      this.#fillIfMoved();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
      this.#draw(),
    );
  }

  #fill = () => {};
  #filled = "";

  #makeChoice(select, axis) {
    for (const index of this.model.description.z.order.slice(0, 128)) {
      select.append(make("option", { value: index }, latentName(index)));
    }
    select.value = this.#axes[axis];
    select.addEventListener("change", () => {
      const chosen = Number(select.value);
      if (chosen === this.#axes[1 - axis]) {
        this.#axes[1 - axis] = this.#axes[axis];
        byId(axis ? "map-x" : "map-y").value = this.#axes[1 - axis];
      }
      this.#axes[axis] = chosen;
      this.latent.refresh();
    });
  }

  /** Where x is no picture, the colour of a place is one of its values. */
  #makeColours() {
    if (this.model.scale) return;
    const select = byId("map-colour");
    byId("map-colour-label").hidden = false;
    this.model.x.elements.slice(0, 128).forEach((element, index) => {
      select.append(make("option", { value: index }, element.name));
    });
    select.addEventListener("change", () => {
      this.#field = Number(select.value);
      this.#filled = "";
      this.latent.refresh();
    });
  }

  #range(axis) {
    const { low, high } = this.model.description.z;
    const index = this.#axes[axis];
    return [low[index], high[index]];
  }

  /** Share of the side of the map, from its left or lower end. */
  #share(axis, value) {
    const [low, high] = this.#range(axis);
    return (value - low) / (high - low);
  }

  #moveTo(shares) {
    const moves = shares.map((share, axis) => {
      const [low, high] = this.#range(axis);
      return [this.#axes[axis], low + Math.min(1, Math.max(0, share)) * (high - low)];
    });
    this.latent.move(...moves);
  }

  #listen() {
    const canvas = this.#canvas;
    const follow = (event) => {
      const box = canvas.getBoundingClientRect();
      this.#moveTo([
        (event.clientX - box.left) / box.width,
        1 - (event.clientY - box.top) / box.height,
      ]);
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      follow(event);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (canvas.hasPointerCapture(event.pointerId)) follow(event);
    });
    const keys = {
      ArrowLeft: [-1, 0],
      ArrowRight: [1, 0],
      ArrowUp: [0, 1],
      ArrowDown: [0, -1],
    };
    canvas.addEventListener("keydown", (event) => {
      const direction = keys[event.key];
      if (!direction) return;
      event.preventDefault();
      const step = (event.shiftKey ? 5 : 1) / KEY_STEPS;
      this.#moveTo(
        direction.map((sign, axis) => {
          const here = this.#share(axis, this.latent.z[this.#axes[axis]]);
          return here + sign * step;
        }),
      );
    });
  }

  /** Tiles depend on the latents that the map does not move. */
  #fillIfMoved() {
    const others = Array.from(this.latent.z, (value, index) =>
      this.#axes.includes(index) ? "" : value,
    );
    // Latents that are bound to those of the map move with them.
    const bound = this.model.z.groups.length > 0;
    const key = `${this.#axes}/${bound ? "" : others}/${this.#field}`;
    if (key === this.#filled) return;
    this.#filled = key;
    this.#fill();
  }

  async #decodeTiles(outdated) {
    const { model } = this;
    if (!model.runtime.has("decode")) return;
    const context = this.#tiles.getContext("2d");
    const tiles = model.scale ? TILES : FINE_TILES;
    const side = this.#tiles.width / tiles;
    const small = document.createElement("canvas");
    if (model.scale) [small.width, small.height] = [model.scale.width, model.scale.height];
    const levels = [];
    let paused = performance.now();
    for (const [row, column] of fromTheMiddle(tiles)) {
      const z = model.z.move(
        this.latent.z,
        [column, tiles - 1 - row].map((place, axis) => {
          const [low, high] = this.#range(axis);
          return [this.#axes[axis], low + ((place + 0.5) / tiles) * (high - low)];
        }),
      );
      const { mean } = await model.runtime.run("decode", { z });
      if (outdated()) return;
      const place = [column * side, row * side, side, side];
      if (model.scale) {
        small.getContext("2d").putImageData(model.scale.pixels(mean), 0, 0);
        context.drawImage(small, ...place);
      } else {
        levels.push([mean[this.#field], place]);
      }
      if (performance.now() - paused > 12) {
        await breathe();
        paused = performance.now();
        if (outdated()) return;
      }
    }
    if (!model.scale) this.#paintLevels(context, levels);
  }

  #paintLevels(context, levels) {
    const values = levels.map(([value]) => value);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    for (const [value, place] of levels) {
      context.fillStyle = shade((value - low) / (high - low || 1));
      context.fillRect(...place);
    }
    byId("map-help").textContent =
      `Dark ${show(low)}, light ${show(high)}. Dots: posterior means of the ` +
      "examples. Ring: this z.";
  }

  #draw() {
    const context = this.#canvas.getContext("2d");
    const place = (z) => [
      Math.min(SIDE - FRAME, Math.max(FRAME, SIDE * this.#share(0, z[this.#axes[0]]))),
      Math.min(
        SIDE - FRAME,
        Math.max(FRAME, SIDE * (1 - this.#share(1, z[this.#axes[1]]))),
      ),
    ];
    context.clearRect(0, 0, SIDE, SIDE);
    context.lineWidth = 2.5;
    for (const mean of this.model.description.means) {
      dot(context, place(mean), 7, colour("--dot"), "white");
    }
    context.lineWidth = 9;
    dot(context, place(this.latent.z), 19, null, "black");
    context.lineWidth = 5;
    dot(context, place(this.latent.z), 19, null, colour("--ring"));
  }
}

const SHADES = [
  [26, 24, 62],
  [33, 79, 118],
  [42, 127, 134],
  [122, 176, 110],
  [245, 226, 130],
];

/** A colour between dark blue and light yellow, lighter throughout. */
function shade(share) {
  const place = share * (SHADES.length - 1);
  const before = Math.min(SHADES.length - 2, Math.floor(place));
  const mixed = SHADES[before].map((start, channel) => {
    const end = SHADES[before + 1][channel];
    return Math.round(start + (place - before) * (end - start));
  });
  return `rgb(${mixed.join(" ")})`;
}

function dot(context, [x, y], radius, fill, stroke) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  if (fill) {
    context.fillStyle = fill;
    context.fill();
  }
  context.strokeStyle = stroke;
  context.stroke();
}

/** Rows and columns of a square, those in the middle first. */
function fromTheMiddle(side) {
  const middle = (side - 1) / 2;
  const far = ([row, column]) => Math.hypot(row - middle, column - middle);
  return [...Array(side * side).keys()]
    .map((index) => [Math.floor(index / side), index % side])
    .sort((a, b) => far(a) - far(b));
}
