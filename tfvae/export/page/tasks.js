// Work that follows fast input without holding up the page.

/** Lets the browser paint and take input. */
export function breathe() {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** Wraps asynchronous work: the newest call wins, those in between are left out. */
export function latest(work, onError) {
  let waiting = null;
  let busy = false;
  return async (...args) => {
    waiting = args;
    if (busy) return;
    busy = true;
    try {
      while (waiting) {
        const now = waiting;
        waiting = null;
        await breathe();
        await work(...now);
      }
    } catch (error) {
      onError(error);
    } finally {
      busy = false;
    }
  };
}

/** Wraps work that can be outdated: it is told so, and starts after a pause. */
export function settled(work, onError, pause) {
  let current = 0;
  let timer = 0;
  return (...args) => {
    current += 1;
    const mine = current;
    clearTimeout(timer);
    timer = setTimeout(() => {
      work(() => mine !== current, ...args).catch(onError);
    }, pause());
  };
}
