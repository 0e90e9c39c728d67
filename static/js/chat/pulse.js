/**
 * A clock that also ticks while the page is hidden.
 *
 * Browsers slow the timers of hidden pages down to one tick a minute, which is longer than a lease
 * of thirty seconds: a worker who looks something up in another tab would count as gone. The timers
 * of a Web Worker are not slowed down.
 */

const policy = globalThis.trustedTypes?.createPolicy("klikvoor-pulse", {
  createScriptURL: (url) => url,
});

/**
 * Call `deed` every `interval` milliseconds while the page is hidden.
 * @returns {() => void} stops it
 */
export function whileHidden(interval, deed) {
  let worker = null;

  function look() {
    if (document.visibilityState === "hidden" && !worker) {
      const url = new URL("./pulse_worker.js", import.meta.url).href;
      worker = new Worker(policy ? policy.createScriptURL(url) : url);
      worker.onmessage = deed;
      worker.postMessage(interval);
    } else if (document.visibilityState === "visible") {
      worker?.terminate();
      worker = null;
    }
  }

  look();
  document.addEventListener("visibilitychange", look);
  return () => {
    document.removeEventListener("visibilitychange", look);
    worker?.terminate();
    worker = null;
  };
}
