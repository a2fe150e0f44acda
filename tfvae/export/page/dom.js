// Small helpers for the document.

export const byId = (id) => document.getElementById(id);

/** Makes an element with properties, attributes (`aria-…`, `for`) and children. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element && !name.includes("-")) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** The colour of a custom property, for canvases. */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** A number for people: as many digits as tell something, and a true minus. */
export function show(value, digits = 3) {
  if (!Number.isFinite(value)) return value > 0 ? "∞" : value < 0 ? "−∞" : "no number";
  const size = Math.abs(value);
  const decimals = Number.isInteger(value)
    ? 0
    : Math.max(0, Math.min(4, digits - 1 - Math.floor(Math.log10(size || 1))));
  const text = size >= 1e6 || (size && size < 1e-4)
    ? value.toExponential(2)
    : value.toFixed(decimals);
  return text.replace("-", "−");
}

/** The name of a latent: z with its number below the line. */
export function latentName(index) {
  const digits = Array.from(String(index), (digit) => "₀₁₂₃₄₅₆₇₈₉"[digit]);
  return `z${digits.join("")}`;
}

/** Nats, to a tenth or better. */
export function nats(value) {
  if (!Number.isFinite(value)) return show(value);
  return value.toFixed(Math.abs(value) < 10 ? 2 : 1).replace("-", "−");
}
