// Standard noise from a seed, so that the same draws can be used again.

/** Returns a function that gives uniform numbers, strictly between 0 and 1. */
function uniforms(seed) {
  let state = seed >>> 0;
  return () => {
    // A Weyl sequence through a hash of 32 bits.
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    mixed ^= mixed >>> 15;
    // With more bits the largest would be 1 in float32.
    return ((mixed >>> 9) + 0.5) / 2 ** 23;
  };
}

/** Returns noise of a kind, "normal" or "uniform", as a flat Float32Array. */
export function noise(kind, size, seed) {
  const next = uniforms(seed);
  const values = new Float32Array(size);
  if (kind === "uniform") return values.map(next);
  for (let i = 0; i < size; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(next()));
    const angle = 2 * Math.PI * next();
    values[i] = radius * Math.cos(angle);
    if (i + 1 < size) values[i + 1] = radius * Math.sin(angle);
  }
  return values;
}

export function freshSeed() {
  return crypto.getRandomValues(new Uint32Array(1))[0];
}

/** The noise inputs of a signature, by name. */
export function noiseInputs(model, description, signature, seed) {
  const inputs = {};
  const kinds = description.signatures[signature].noise;
  Object.entries(kinds).forEach(([name, kind], index) => {
    const shape = model.signatures[signature].inputs[name];
    const size = shape.reduce((product, length) => product * length, 1);
    inputs[name] = noise(kind, size, seed + 7919 * index);
  });
  return inputs;
}
