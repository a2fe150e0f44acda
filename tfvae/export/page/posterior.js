// q(z|x) in bars: mean and two standard deviations of each latent.

import { latentName, make, show } from "./dom.js";

const MOST = 16;

/** Rows for the most active latents: `show(mean, stddev)`. */
export class Posterior {
  constructor(container, description) {
    const { order, low, high } = description;
    this.description = description;
    this.rows = order.slice(0, MOST).map((index) => {
      const [prior, wide, middle] = ["prior", "wide", "middle"].map((name) =>
        make("span", { className: name }),
      );
      const track = make("div", { className: "track" }, prior, wide, middle);
      const text = make("span", { className: "number" });
      const label = make("span", {}, latentName(index));
      container.append(make("div", { className: "row" }, label, track, text));
      const share = (value) =>
        (100 * (value - low[index])) / (high[index] - low[index] || 1);
      return { index, share, prior, wide, middle, text };
    });
    if (order.length > MOST) {
      const rest = `the ${MOST} most active of ${order.length}`;
      container.append(make("p", { className: "quiet small" }, rest));
    }
    for (const row of this.rows) {
      const centre = description.prior_mean[row.index];
      span(row.prior, row.share, centre, 2 * description.prior_stddev[row.index]);
    }
  }

  show(mean, stddev) {
    for (const { index, share, wide, middle, text } of this.rows) {
      const spread = stddev ? stddev[index] : 0;
      span(wide, share, mean[index], 2 * spread);
      span(middle, share, mean[index], 0);
      text.textContent = stddev
        ? `${show(mean[index])} ± ${show(2 * spread, 2)}`
        : show(mean[index]);
    }
  }
}

function span(element, share, centre, reach) {
  const inside = (value) => Math.min(100, Math.max(0, value));
  const [left, right] = [inside(share(centre - reach)), inside(share(centre + reach))];
  element.style.left = `${left}%`;
  element.style.width = `${right - left}%`;
}
