// Starts the page: the model, its description, and the three parts that show it.

import { byId } from "./dom.js";
import { Scale } from "./events.js";
import { Example } from "./example.js";
import { Latent } from "./latent.js";
import { LatentMap } from "./map.js";
import { startPrior } from "./prior.js";
import { fetchFile, loadModel } from "./runtime.js";
import { Values } from "./values.js";

const FORMAT = 1;

function report(error) {
  const alert = byId("alert");
  alert.textContent = error instanceof Error ? error.message : String(error);
  alert.hidden = false;
  byId("status").hidden = true;
}

async function describe() {
  const response = await fetchFile("model.json");
  let description;
  try {
    description = await response.json();
  } catch {
    throw new Error("model.json is damaged: it is no JSON.");
  }
  if (description?.format !== FORMAT) {
    throw new Error(
      `model.json has the format ${description?.format}, this page reads ${FORMAT}: ` +
        "export the model again.",
    );
  }
  return description;
}

/** What all parts share: the runtime, the description, and the values of x and z. */
async function load() {
  const [description, runtime] = await Promise.all([
    describe(),
    loadModel("model.tflite"),
  ]);
  runtime.complete(description.signatures);
  const x = new Values(description.x.columns);
  const z = new Values(description.z.columns);
  const scale = description.x.image ? new Scale(description.x, x) : null;
  return { description, runtime, x, z, scale, share: shares(description, x) };
}

/** A function that says how far a value of x lies in the range of its examples. */
function shares(description, x) {
  const ends = x.elements.map(({ lowest, highest }, index) => {
    const seen = description.examples.map((example) => example[index]);
    return [lowest ?? Math.min(...seen), highest ?? Math.max(...seen)];
  });
  return (index, value) => {
    const [low, high] = ends[index];
    return Math.min(1, Math.max(0, (value - low) / (high - low || 1)));
  };
}

function introduce({ description, runtime }) {
  const { name, x, z } = description;
  const layers = [...new Set(x.columns.map((column) => column.layer))].join(", ");
  document.title = `${name} · tfvae`;
  byId("name").textContent = name;
  byId("summary").textContent =
    `A variational autoencoder: z ${z.shape.join(" × ")} ` +
    `(q(z|x) ${z.layer}, prior ${z.prior}), x ${x.shape.join(" × ")} (p(x|z) ${layers}).`;
  const size = (runtime.size / 1024).toLocaleString("en", { maximumFractionDigits: 0 });
  byId("footer").textContent =
    `model.tflite, ${size} KiB, runs in this browser through LiteRT.js; nothing is sent ` +
    `anywhere. Its signatures: ${Object.keys(runtime.signatures).join(", ")}. In the ` +
    "console: await tfvae.run(\"decode\", {z: [ … ]}).";
}

async function start() {
  const model = await load();
  introduce(model);
  document.body.classList.add(model.scale ? "pictures" : "numbers");
  byId("page").hidden = false;
  const latent = new Latent(model, report);
  new LatentMap(model, latent, report);
  const example = new Example(model, latent, report);
  startPrior(model, example, report);
  latent.refresh();
  byId("status").hidden = true;
  return model;
}

addEventListener("unhandledrejection", (event) => report(event.reason));

const ready = start();
ready.catch(report);

/** For the console and for other scripts: flat arrays in, flat arrays out, by name. */
window.tfvae = {
  ready: ready.then(() => true),
  run: async (signature, inputs) => (await ready).runtime.run(signature, inputs),
  signatures: async () => (await ready).runtime.signatures,
};
window.tfvae.ready.catch(() => {});
