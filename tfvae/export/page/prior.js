// Draws from p(x), through the signature `sample`.

import { byId } from "./dom.js";
import { thumbnail } from "./events.js";
import { freshSeed, noiseInputs } from "./noise.js";
import { latest } from "./tasks.js";

const PICTURES = 32;
const ROWS = 12;

export function startPrior(model, example, report) {
  const { runtime, description } = model;
  if (!runtime.has("sample")) {
    byId("sample").hidden = true;
    byId("prior-help").textContent =
      "This file has no signature sample: draws from this prior are no function of " +
      "given noise.";
    return;
  }
  if (!model.scale) {
    const names = model.x.elements.slice(0, 6).map((element) => element.name);
    byId("prior-help").textContent += ` In their order: ${names.join(", ")}` +
      (model.x.size > 6 ? " …" : ".");
  }
  const draw = latest(async () => {
    const buttons = [];
    for (let index = 0; index < (model.scale ? PICTURES : ROWS); index += 1) {
      const inputs = noiseInputs(runtime, description, "sample", freshSeed());
      const { x } = await runtime.run("sample", inputs);
      buttons.push(
        thumbnail(model, x, `Draw ${index + 1} from the prior`, () => {
          example.set(x);
          byId("example").scrollIntoView({ block: "start" });
        }),
      );
    }
    byId("samples").classList.toggle("wide", !model.scale);
    byId("samples").replaceChildren(...buttons);
  }, report);
  byId("sample").addEventListener("click", draw);
  draw();
}
