// x: choose, draw or type one; see its posterior, its reconstruction and its nats.

import { byId, make } from "./dom.js";
import { Drawing } from "./drawing.js";
import { thumbnail, view } from "./events.js";
import { Fields } from "./fields.js";
import { Nats } from "./nats.js";
import { Posterior } from "./posterior.js";
import { latest } from "./tasks.js";

const MOST_PROBLEMS = 3;

export class Example {
  mean = null;
  #chosen = null;

  constructor(model, latent, report) {
    this.model = model;
    const { description } = model;
    byId("example-help").textContent = model.scale
      ? "Choose an example, change it with the pen, draw your own or load an image."
      : "Choose an example, change its values, or load rows from a file.";
    const [column, ...more] = description.x.columns;
    byId("support").textContent = more.length ? "" : `${column.layer}: ${column.support.replace(/ \(.*\)$/, "")}`;
    const change = (values) => this.#changed(values);
    this.input = model.scale
      ? new Drawing(model, change)
      : new Fields(model, change, (rows, name) => this.#offer(rows, name));
    this.nats = new Nats(model, report);
    this.posterior = new Posterior(byId("posterior"), description.z);
    const shown = view(byId("reconstruction"), model, "Reconstruction of x");
    if (!description.x.location_is_mean) {
      byId("reconstruction-caption").textContent =
        "Reconstruction: most probable values at the mean of q(z|x)";
      byId("decoded-caption").textContent = "Most probable values of p(x|z)";
    }
    this.#encode = latest(async (x) => {
      const { runtime } = model;
      if (runtime.has("encode")) {
        const { mean, stddev } = await runtime.run("encode", { x });
        this.mean = mean;
        this.posterior.show(mean, stddev);
      }
      if (runtime.has("reconstruct")) {
        const { mean } = await runtime.run("reconstruct", { x });
        shown.show(mean);
      }
    }, report);
    byId("z-example").addEventListener("click", () => {
      if (this.mean) latent.set(this.mean);
    });
    this.#offer(description.examples, null);
  }

  #encode;

  /** Takes a whole new x. */
  set(x, button = null) {
    this.input.set(x);
    this.#mark(button);
    this.#use(this.input.values);
  }

  #changed(values) {
    this.#mark(null);
    this.#use(values);
  }

  #mark(button) {
    this.#chosen?.setAttribute("aria-pressed", "false");
    button?.setAttribute("aria-pressed", "true");
    this.#chosen = button;
  }

  #use(values) {
    const problems = this.model.x.problems(values);
    this.input.mark?.(problems);
    const named = problems.slice(0, MOST_PROBLEMS).map((problem) => problem.text);
    if (problems.length > MOST_PROBLEMS) {
      named.push(`and ${problems.length - MOST_PROBLEMS} more.`);
    }
    byId("input-problem").textContent = named.length
      ? `p(x) is zero or undefined here. ${named.join(" ")}`
      : "";
    for (const id of ["reconstruction", "posterior"]) {
      byId(id).classList.toggle("stale", problems.length > 0);
    }
    if (problems.length) {
      this.nats.clear();
      return;
    }
    const x = Float32Array.from(values);
    this.#encode(x);
    this.nats.set(x);
  }

  /** Shows examples, or rows of a file, to choose from, and takes the first. */
  #offer(rows, file) {
    const buttons = rows.map((row, index) =>
      thumbnail(
        this.model,
        row,
        file ? `Row ${index + 1} of ${file}` : `Example ${index + 1}`,
        (button) => this.set(row, button),
      ),
    );
    byId("picker").replaceChildren(...buttons);
    if (file) byId("picker").prepend(make("span", { className: "quiet" }, file));
    this.set(rows[0], buttons[0]);
  }
}
