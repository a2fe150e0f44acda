// One x on the screen: a picture where it is one, else a list of numbers.

import { make, show } from "./dom.js";

const MOST_ROWS = 100;

/** How values become brightness, and where they lie in an image. */
export class Scale {
  constructor(description, values) {
    const [first] = description.columns;
    const [least, largest] = description.range;
    this.low = first.lowest ?? least;
    this.high = first.highest ?? largest;
    if (!(this.high > this.low)) this.high = this.low + 1;
    [this.height, this.width] = description.shape;
    this.channels = description.shape[2] ?? 1;
    this.values = values;
  }

  /** The share of the brightest, from 0 to 1. */
  brightness(value) {
    return Math.min(1, Math.max(0, (value - this.low) / (this.high - this.low)));
  }

  /** The value that x can have nearest to a brightness. */
  value(index, brightness) {
    return this.values.near(index, this.low + brightness * (this.high - this.low));
  }

  pixels(values) {
    const image = new ImageData(this.width, this.height);
    for (let pixel = 0; pixel < this.width * this.height; pixel += 1) {
      for (let channel = 0; channel < 3; channel += 1) {
        const source = this.channels === 1 ? pixel : 3 * pixel + channel;
        image.data[4 * pixel + channel] = Math.round(
          255 * this.brightness(values[source]),
        );
      }
      image.data[4 * pixel + 3] = 255;
    }
    return image;
  }
}

/** A canvas of one pixel for each of the image, which style.css makes large. */
export function picture(scale, label) {
  const canvas = make("canvas", {
    width: scale.width,
    height: scale.height,
    className: "picture",
    role: "img",
    "aria-label": label,
  });
  paint(canvas, scale, null);
  return canvas;
}

export function paint(canvas, scale, values) {
  if (values) canvas.getContext("2d").putImageData(scale.pixels(values), 0, 0);
}

/** Something in `container` that shows an x: `show(values)`. */
export function view(container, model, label) {
  if (model.scale) {
    const canvas = picture(model.scale, label);
    container.append(canvas);
    return { show: (values) => paint(canvas, model.scale, values) };
  }
  const body = make("tbody");
  const { elements, size } = model.x;
  const rows = elements.slice(0, MOST_ROWS).map((element, index) => {
    const number = make("td", { className: "number" });
    const meter = make("td", { className: "meter" }, make("span"));
    const name = make("th", { scope: "row" }, element.name);
    body.append(make("tr", {}, name, number, meter));
    return (value) => {
      number.textContent = show(value);
      meter.firstChild.style.width = `${100 * model.share(index, value)}%`;
    };
  });
  const table = make("table", { className: "values", "aria-label": label }, body);
  container.append(make("div", { className: "scroll" }, table));
  if (size > MOST_ROWS) {
    const rest = size - MOST_ROWS;
    container.append(make("p", { className: "quiet small" }, `and ${rest} more`));
  }
  return { show: (values) => rows.forEach((row, index) => row(values[index])) };
}

/** A button that shows an x in small. */
export function thumbnail(model, values, label, onChoose) {
  const button = make("button", {
    type: "button",
    className: model.scale ? "thumbnail" : "thumbnail wide",
    "aria-label": label,
    title: label,
  });
  if (model.scale) {
    const canvas = picture(model.scale, "");
    canvas.removeAttribute("role");
    paint(canvas, model.scale, values);
    button.append(canvas);
  } else {
    const shown = Array.from(values.slice(0, 6), (value) => show(value)).join("  ");
    button.append(values.length > 6 ? `${shown} …` : shown);
  }
  button.addEventListener("click", () => onChoose(button));
  return button;
}
