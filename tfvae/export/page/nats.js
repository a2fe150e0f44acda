// log p(x), the ELBO and its two terms, all from the same draws of z.

import { byId, colour, nats, show } from "./dom.js";
import { freshSeed, noiseInputs } from "./noise.js";
import { breathe, settled } from "./tasks.js";

const MORE = 64;
const LIVE = 8;
const QUICK = 40;
const BLOCK = 10;
const SHORTEST_PAUSE = 80;
const CELLS = ["log-prob", "elbo", "reconstruction-nats", "kl", "gap"];

export class Nats {
  #seed = freshSeed();
  #cost = 0;
  #x = null;
  #examples = [];
  #here = NaN;

  constructor(model, report) {
    this.model = model;
    this.samples = model.description.num_samples;
    this.complete = ["log_prob", "elbo"].every((name) => model.runtime.has(name));
    const pause = () => Math.max(SHORTEST_PAUSE, 1.5 * this.#cost);
    this.#follow = settled((outdated, times) => this.#measure(outdated, times), report, pause);
    if (!this.complete) {
      byId("nats").hidden = byId("refine").hidden = byId("redraw").hidden = true;
      byId("nats-help").textContent =
        "This file has no signatures log_prob and elbo, so there are no nats to show.";
      return;
    }
    byId("kl-note").textContent =
      model.description.kl_method === "analytic" ? "closed form" : "mean over the draws";
    byId("nats-help").textContent = this.#explanation();
    byId("refine").addEventListener("click", () => this.#measureSoon(MORE));
    byId("redraw").addEventListener("click", () => {
      this.#seed = freshSeed();
      this.#measureSoon();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
      this.#drawStrip(),
    );
    addEventListener("resize", () => this.#drawStrip());
    // After the first x has its numbers.
    setTimeout(() => this.#rank(report), 500);
  }

  #follow;

  /** Measures an x soon, with the draws of the one before. */
  set(x) {
    this.#x = Float32Array.from(x);
    this.#measureSoon();
  }

  /** An x without a density has no nats. */
  clear() {
    this.#x = null;
    this.#measureSoon();
  }

  #measureSoon(times = null) {
    if (!this.complete) return;
    document.body.classList.add("measuring");
    this.#follow(times);
  }

  /** Measures once at least, and more often where that is quick or asked for. */
  async #measure(outdated, asked) {
    const found = { weights: [], elbo: [], reconstruction: [], kl: [] };
    let times = this.#x ? (asked ?? LIVE) : 0;
    if (!this.#x) this.#say(null);
    for (let time = 0; time < times; time += 1) {
      const started = performance.now();
      const done = await this.#batch(this.#seed + 104729 * time, found, outdated);
      if (!done) return;
      this.#say(found);
      this.#cost = performance.now() - started;
      if (asked === null && this.#cost > QUICK) times = 1;
    }
    document.body.classList.remove("measuring");
  }

  /** One estimate of log p(x), and the terms of the ELBO at each of its draws. */
  async #batch(seed, found, outdated) {
    const { runtime, description } = this.model;
    const x = this.#x;
    const { noise_z: noise } = noiseInputs(runtime, description, "log_prob", seed);
    const { log_prob: estimate } = await runtime.run("log_prob", { x, noise_z: noise });
    if (outdated()) return false;
    found.weights.push(estimate[0]);
    const size = noise.length / this.samples;
    let paused = performance.now();
    for (let draw = 0; draw < this.samples; draw += 1) {
      const one = noise.subarray(draw * size, (draw + 1) * size);
      const terms = await runtime.run("elbo", { x, noise_z: one });
      for (const name of ["elbo", "reconstruction", "kl"]) found[name].push(terms[name][0]);
      if (performance.now() - paused > BLOCK) {
        await breathe();
        paused = performance.now();
      }
      if (outdated()) return false;
    }
    return true;
  }

  #say(found) {
    if (!found) {
      for (const id of CELLS) {
        byId(id).textContent = "–";
        delete byId(id).dataset.value;
      }
      byId("log-prob-note").textContent = "";
      this.#here = NaN;
      this.#drawStrip();
      return;
    }
    const logProb = logMeanExp(found.weights);
    const [elbo, reconstruction, kl] = ["elbo", "reconstruction", "kl"].map((name) =>
      mean(found[name]),
    );
    const numbers = [logProb, elbo, reconstruction, kl, logProb - elbo];
    CELLS.forEach((id, index) => {
      byId(id).textContent = nats(numbers[index]);
      byId(id).dataset.value = numbers[index];
    });
    const draws = this.samples * found.weights.length;
    const error = errorOf(found.weights, logProb);
    const give = Number.isFinite(error) ? `± ${show(error, 2)}, ` : "";
    byId("log-prob-note").textContent = `${give}S = ${draws.toLocaleString("en")} draws`;
    this.#here = logProb;
    this.#drawStrip();
  }

  #explanation() {
    const { x } = this.model.description;
    const parts = [
      "All from the same draws of q(z|x), kept while x changes. The estimate of " +
        "log p(x) is importance-weighted: a lower bound in expectation that rises " +
        "to log p(x) with S.",
    ];
    if (x.columns.some((column) => !column.whole)) {
      parts.push("log p(x) is a density here: it can be positive and depends on the unit of x.");
    }
    if (x.takes_data) {
      parts.push("Given what the likelihood takes from x, such as its total.");
    }
    return parts.join(" ");
  }

  /** Where this x lies among the examples, as far as one estimate each says. */
  async #rank(report) {
    try {
      const { runtime, description } = this.model;
      const inputs = noiseInputs(runtime, description, "log_prob", 1);
      for (const x of description.examples) {
        const { log_prob: found } = await runtime.run("log_prob", { x, ...inputs });
        this.#examples.push(found[0]);
        await breathe();
      }
      byId("strip").hidden = this.#examples.length < 2;
      this.#drawStrip();
    } catch (error) {
      report(error);
    }
  }

  #drawStrip() {
    const canvas = byId("strip");
    if (canvas.hidden) return;
    const ratio = devicePixelRatio || 1;
    [canvas.width, canvas.height] = [canvas.clientWidth * ratio, canvas.clientHeight * ratio];
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    const width = canvas.clientWidth;
    const shown = this.#examples.filter(Number.isFinite);
    const all = Number.isFinite(this.#here) ? [...shown, this.#here] : shown;
    const [low, high] = [Math.min(...all), Math.max(...all)];
    const at = (value) => 8 + ((value - low) / (high - low || 1)) * (width - 16);
    context.fillStyle = colour("--dot");
    context.globalAlpha = 0.45;
    for (const value of shown) circle(context, at(value), 12, 4);
    context.globalAlpha = 1;
    if (Number.isFinite(this.#here)) {
      context.fillStyle = colour("--ring");
      context.fillRect(at(this.#here) - 1.5, 2, 3, 20);
    }
    context.fillStyle = colour("--quiet");
    context.font = "12px system-ui, sans-serif";
    context.textBaseline = "bottom";
    context.fillText(nats(low), 2, 39);
    context.textAlign = "right";
    context.fillText(`${nats(high)} nats`, width - 2, 39);
    context.textAlign = "center";
    context.fillText("the examples, and this x", width / 2, 39);
  }
}

function circle(context, x, y, radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
}

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function logMeanExp(values) {
  const top = Math.max(...values);
  if (!Number.isFinite(top)) return top;
  return top + Math.log(mean(values.map((value) => Math.exp(value - top))));
}

/** Standard error of the estimate, from independent ones, to first order. */
function errorOf(values, pooled) {
  if (values.length < 2) return NaN;
  const ratios = values.map((value) => Math.exp(value - pooled));
  const centre = mean(ratios);
  const squares = ratios.map((ratio) => (ratio - centre) ** 2);
  const variance = squares.reduce((sum, square) => sum + square, 0) / (values.length - 1);
  return Math.sqrt(variance / values.length) / centre;
}
