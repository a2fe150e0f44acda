// z: sliders, buttons, and what it decodes to.

import { byId, latentName, make, show } from "./dom.js";
import { view } from "./events.js";
import { latest } from "./tasks.js";

const FIRST = 12;
const MOST = 512;
const STEPS = 400;

/** Holds z and tells others when it moves. */
export class Latent {
  #rows = new Map();
  #followers = [];
  #draw = 0;

  constructor(model, report) {
    this.model = model;
    this.description = model.description.z;
    this.values = model.z;
    this.z = this.#centre();
    this.#makeSliders();
    const decoded = view(byId("decoded"), model, "E[x|z] at this z");
    this.#followers.push(
      latest(async () => {
        if (!model.runtime.has("decode")) return;
        const { mean } = await model.runtime.run("decode", { z: this.z });
        decoded.show(mean);
      }, report),
    );
    // Values that are bound to each other may have no mean among them.
    byId("z-mean").hidden = this.values.groups.length > 0;
    byId("z-mean").addEventListener("click", () => this.set(this.#centre()));
    byId("z-draw").addEventListener("click", () => {
      const { draws } = this.description;
      this.set(draws[this.#draw % draws.length]);
      this.#draw += 1;
    });
  }

  follow(follower) {
    this.#followers.push(follower);
  }

  /** Goes to a z that is one already. */
  set(z) {
    this.z = Float32Array.from(z);
    this.refresh();
  }

  /** Moves some latents, and those that are bound to them. */
  move(...moves) {
    this.set(this.values.move(this.z, moves));
  }

  refresh() {
    for (const [index, row] of this.#rows) row(this.z[index]);
    for (const follower of this.#followers) follower();
  }

  #centre() {
    const { prior_mean: mean, draws } = this.description;
    if (this.values.groups.length) return Float32Array.from(draws[0]);
    return this.values.move(
      mean,
      mean.map((value, index) => [index, value]),
    );
  }

  #makeSliders() {
    const { order } = this.description;
    const shown = order.slice(0, MOST);
    const add = (indices) => indices.forEach((index) => this.#addSlider(index));
    add(shown.slice(0, FIRST));
    const rest = shown.slice(FIRST);
    const more = byId("more-sliders");
    more.hidden = !rest.length;
    more.textContent = `Show ${rest.length} more latents`;
    more.addEventListener("click", () => {
      add(rest);
      more.hidden = true;
      this.refresh();
    });
  }

  #addSlider(index) {
    const { low, high, activity } = this.description;
    const { whole } = this.values.elements[index];
    const output = make("output", { className: "number" });
    const slider = make("input", {
      type: "range",
      id: `z-${index}`,
      min: low[index],
      max: high[index],
      step: whole ? 1 : (high[index] - low[index]) / STEPS,
    });
    const label = make("label", { htmlFor: slider.id }, latentName(index));
    label.title = `Variance of its posterior means over the examples: ${show(activity[index])}`;
    slider.addEventListener("input", () => this.move([index, Number(slider.value)]));
    byId("sliders").append(make("div", { className: "slider" }, label, slider, output));
    this.#rows.set(index, (value) => {
      if (document.activeElement !== slider || Number(slider.value) !== value) {
        slider.value = value;
      }
      output.textContent = show(value);
    });
  }
}
