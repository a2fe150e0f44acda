// x as a picture: a canvas to draw on, and images from files.

import { byId, make } from "./dom.js";
import { paint, picture } from "./events.js";

const SOFT = 0.7;

/** A picture to draw on: `set(values)` shows one, `onChange(values)` tells of a new. */
export class Drawing {
  #cursor = null;
  #last = null;
  #loaded = null;

  constructor(model, onChange) {
    this.scale = model.scale;
    this.model = model;
    this.onChange = onChange;
    this.binary = model.x.whole && this.scale.high - this.scale.low === 1;
    this.values = new Float32Array(model.x.size);
    this.canvas = picture(this.scale, "x, to draw on");
    this.canvas.classList.add("drawable");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute(
      "aria-description",
      "Drag to draw. With the keyboard: arrow keys move, Space draws.",
    );
    byId("input").append(this.canvas);
    this.#makeTools();
    this.#listen();
  }

  set(values) {
    this.values = Float32Array.from(values);
    this.#loaded = null;
    this.loadedOnly.hidden = true;
    this.#paint();
  }

  #makeTools() {
    const size = Math.max(1, Math.min(this.scale.width, this.scale.height) / 14);
    this.size = make("input", {
      type: "range",
      min: 0.5,
      max: 4 * size,
      step: 0.25,
      value: size,
      "aria-label": "Size of the pen in pixels",
    });
    this.erase = make("input", { type: "checkbox" });
    this.ink = make("input", { type: "color", value: "#ffffff" });
    const clear = make("button", { type: "button" }, "Clear");
    clear.addEventListener("click", () => {
      this.set(this.values.map((_, index) => this.scale.value(index, 0)));
      this.onChange(this.values);
    });
    this.file = make("input", { type: "file", accept: "image/*", className: "away" });
    this.file.addEventListener("change", () => this.#load(this.file.files[0]));
    const load = make("label", { className: "button" }, "Load an image …", this.file);
    this.threshold = make("input", { type: "range", min: 0, max: 1, step: 0.01, value: 0.5 });
    this.thresholdText = make("output", {}, "0.50");
    this.invert = make("input", { type: "checkbox" });
    for (const input of [this.threshold, this.invert]) {
      input.addEventListener("input", () => this.#useLoaded());
    }
    this.loadedOnly = make("div", { className: "loaded", hidden: true });
    this.loadedText = make("p", { className: "quiet small" }, this.#howLoaded());
    this.loadedOnly.append(
      this.loadedText,
      make("label", {}, this.invert, " invert"),
    );
    if (this.binary) {
      const label = make("label", {}, "threshold ", this.threshold, this.thresholdText);
      label.id = "threshold";
      this.loadedOnly.append(label);
    }
    const row = make("div", { className: "bar" }, clear, load);
    row.append(make("label", {}, "pen ", this.size), make("label", {}, this.erase, " erase"));
    if (this.scale.channels === 3) row.append(make("label", {}, "colour ", this.ink));
    byId("tools").append(row, this.loadedOnly);
  }

  #howLoaded() {
    const { low, high } = this.scale;
    const cut = `The middle of the image, averaged to ${this.scale.width} × ${this.scale.height} pixels`;
    if (this.binary) {
      return `${cut}. The model takes 0 and 1 alone, so grey becomes 1 from the threshold on.`;
    }
    const ends = `black is ${low}, white ${high}`;
    return this.model.x.whole
      ? `${cut}: ${ends}, rounded to whole numbers.`
      : `${cut}: ${ends}.`;
  }

  #listen() {
    const { canvas } = this;
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      return [
        ((event.clientX - box.left) / box.width) * this.scale.width,
        ((event.clientY - box.top) / box.height) * this.scale.height,
      ];
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.#cursor = null;
      this.#last = at(event);
      this.#stroke(this.#last, event.button === 2);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!canvas.hasPointerCapture(event.pointerId)) return;
      this.#stroke(at(event), (event.buttons & 2) === 2);
    });
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    const keys = {
      ArrowLeft: [-1, 0],
      ArrowRight: [1, 0],
      ArrowUp: [0, -1],
      ArrowDown: [0, 1],
    };
    canvas.addEventListener("keydown", (event) => {
      const { width, height } = this.scale;
      if (keys[event.key]) {
        const [x, y] = this.#cursor ?? [Math.floor(width / 2), Math.floor(height / 2)];
        const [right, down] = keys[event.key];
        this.#cursor = [
          Math.min(width - 1, Math.max(0, Math.floor(x) + right)) + 0.5,
          Math.min(height - 1, Math.max(0, Math.floor(y) + down)) + 0.5,
        ];
        this.#paint();
      } else if (event.key === " " && this.#cursor) {
        this.#last = this.#cursor;
        this.#stroke(this.#cursor, false);
      } else return;
      event.preventDefault();
    });
    canvas.addEventListener("blur", () => {
      this.#cursor = null;
      this.#paint();
    });
  }

  /** Draws a line from the last place, with a soft edge where values allow one. */
  #stroke(to, secondButton) {
    const from = this.#last ?? to;
    this.#last = to;
    const radius = Number(this.size.value);
    const soft = this.binary ? 0 : SOFT;
    const erase = this.erase.checked || secondButton;
    const { width, height, channels } = this.scale;
    const inks = [1, 3, 5].map((i) => parseInt(this.ink.value.slice(i, i + 2), 16) / 255);
    for (let pixel = 0; pixel < width * height; pixel += 1) {
      const centre = [(pixel % width) + 0.5, Math.floor(pixel / width) + 0.5];
      const away = distance(centre, from, to) - radius;
      const cover = soft ? Math.min(1, Math.max(0, 0.5 - away / (2 * soft))) : away <= 0;
      if (!cover) continue;
      for (let channel = 0; channel < channels; channel += 1) {
        const index = channels * pixel + channel;
        const before = this.scale.brightness(this.values[index]);
        const ink = erase ? 0 : channels === 3 ? inks[channel] : 1;
        // White ink never darkens: strokes may overlap.
        const mixed = before + cover * (ink - before);
        const lighter = channels === 1 && !erase ? Math.max(before, Number(cover)) : mixed;
        this.values[index] = this.scale.value(index, lighter);
      }
    }
    this.#loaded = null;
    this.loadedOnly.hidden = true;
    this.#paint();
    this.onChange(this.values);
  }

  async #load(file) {
    if (!file) return;
    this.file.value = "";
    const image = new Image();
    image.src = URL.createObjectURL(file);
    try {
      await image.decode();
    } catch {
      byId("input-problem").textContent = `${file.name} is no image that this browser reads.`;
      return;
    } finally {
      URL.revokeObjectURL(image.src);
    }
    const { width, height } = this.scale;
    const part = Math.min(image.width / width, image.height / height);
    const [wide, high] = [part * width, part * height];
    const left = (image.width - wide) / 2;
    const top = (image.height - high) / 2;
    const small = make("canvas", { width, height });
    const context = small.getContext("2d", { willReadFrequently: true });
    context.fillRect(0, 0, width, height);
    context.imageSmoothingQuality = "high";
    context.drawImage(image, left, top, wide, high, 0, 0, width, height);
    const { data } = context.getImageData(0, 0, width, height);
    this.#loaded = Float32Array.from(this.values, (_, index) => {
      if (this.scale.channels === 3) {
        return data[4 * Math.floor(index / 3) + (index % 3)] / 255;
      }
      const [red, green, blue] = data.slice(4 * index, 4 * index + 3);
      return (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255;
    });
    this.loadedOnly.hidden = false;
    this.#useLoaded();
  }

  #useLoaded() {
    if (!this.#loaded) return;
    const threshold = Number(this.threshold.value);
    this.thresholdText.textContent = threshold.toFixed(2);
    this.values = this.#loaded.map((grey, index) => {
      const level = this.invert.checked ? 1 - grey : grey;
      return this.scale.value(index, this.binary ? Number(level >= threshold) : level);
    });
    this.#paint();
    this.onChange(this.values);
  }

  #paint() {
    paint(this.canvas, this.scale, this.values);
    if (!this.#cursor) return;
    const context = this.canvas.getContext("2d");
    context.fillStyle = "rgb(255 120 60 / 75%)";
    context.fillRect(Math.floor(this.#cursor[0]), Math.floor(this.#cursor[1]), 1, 1);
  }
}

/** Distance of a point from a line between two others. */
function distance([x, y], [ax, ay], [bx, by]) {
  const [dx, dy] = [bx - ax, by - ay];
  const length = dx * dx + dy * dy;
  const along = length ? ((x - ax) * dx + (y - ay) * dy) / length : 0;
  const nearest = Math.min(1, Math.max(0, along));
  return Math.hypot(x - ax - nearest * dx, y - ay - nearest * dy);
}
