// The model: loads the .tflite file and calls its signatures by name.

import { loadAndCompile, loadLiteRt, Tensor } from "@litertjs/core";

const WASM = new URL("./vendor/@litertjs/core/wasm/", import.meta.url);

/** Fetches a file, or says which one is missing. */
export async function fetchFile(name) {
  let response;
  try {
    response = await fetch(new URL(`./${name}`, import.meta.url));
  } catch {
    throw new Error(`${name} could not be fetched: is the server still running?`);
  }
  if (!response.ok) {
    throw new Error(`${name} could not be fetched: the server says ${response.status}.`);
  }
  return response;
}

/** Loads LiteRT.js and a model, and returns it. */
export async function loadModel(name) {
  const [bytes] = await Promise.all([
    fetchFile(name).then((response) => response.arrayBuffer()),
    startRuntime(),
  ]);
  const content = new Uint8Array(bytes);
  if (String.fromCharCode(...content.slice(4, 8)) !== "TFL3") {
    throw new Error(`${name} is damaged: it is no .tflite file.`);
  }
  try {
    const compiled = await loadAndCompile(content, { accelerator: "wasm" });
    return new Model(compiled, content.byteLength);
  } catch (error) {
    throw new Error(`${name} is damaged or needs a newer LiteRT.js (${wording(error)}).`);
  }
}

async function startRuntime() {
  // LiteRT reports on itself where programs in a terminal put their errors.
  self.Module = {
    printErr: (text) =>
      /^(INFO|WARNING|VERBOSE)\b/.test(text) ? console.debug(text) : console.warn(text),
  };
  try {
    await loadLiteRt(WASM.href);
  } catch (error) {
    throw new Error(
      `LiteRT.js did not start (${wording(error)}). It needs WebAssembly, and a ` +
        "server that has the folder vendor/.",
    );
  }
}

function wording(error) {
  return error instanceof Error ? error.message : `error ${String(error?.type ?? error)}`;
}

/** Signatures that take and give flat arrays by name. */
class Model {
  #compiled;
  #same = new Map();
  #last = Promise.resolve();

  constructor(compiled, size) {
    this.#compiled = compiled;
    this.size = size;
    this.signatures = {};
    for (const [name, runner] of Object.entries(compiled.signatures)) {
      const shapes = (details) =>
        Object.fromEntries(details.map((it) => [it.name, [...it.shape]]));
      this.signatures[name] = {
        inputs: shapes(runner.getInputDetails()),
        outputs: shapes(runner.getOutputDetails()),
      };
    }
  }

  /** Gives a tensor that has several names all of them: LiteRT.js keeps one. */
  complete(described) {
    for (const [name, { same, outputs }] of Object.entries(described)) {
      if (!this.has(name)) continue;
      this.#same.set(name, same);
      this.signatures[name].outputs = outputs;
    }
  }

  has(name) {
    return name in this.signatures;
  }

  /** Calls one signature: flat arrays in, Float32Arrays out, by name. */
  run(name, inputs) {
    const result = this.#last.then(() => this.#run(name, inputs));
    this.#last = result.catch(() => {});
    return result;
  }

  async #run(name, inputs) {
    if (!this.has(name)) {
      const known = Object.keys(this.signatures).join(", ");
      throw new Error(`There is no signature ${name}, only ${known}.`);
    }
    const tensors = {};
    let outputs = {};
    try {
      for (const [key, shape] of Object.entries(this.signatures[name].inputs)) {
        const size = shape.reduce((product, length) => product * length, 1);
        if (inputs?.[key]?.length !== size) {
          throw new Error(
            `The input ${key} of ${name} must have ${size} numbers, shape ` +
              `[${shape}]. Received: ${inputs?.[key]?.length ?? "nothing"}.`,
          );
        }
        tensors[key] = new Tensor(Float32Array.from(inputs[key]), shape);
      }
      outputs = await this.#compiled.signatures[name].run(tensors);
      const found = Object.fromEntries(
        Object.entries(outputs).map(([key, tensor]) => [key, tensor.toTypedArray()]),
      );
      for (const names of this.#same.get(name) ?? []) {
        const known = names.find((key) => key in found);
        for (const key of names) found[key] ??= Float32Array.from(found[known]);
      }
      return found;
    } finally {
      for (const tensor of [...Object.values(tensors), ...Object.values(outputs)]) {
        tensor.delete();
      }
    }
  }
}
