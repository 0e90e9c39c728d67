/**
 * Orders to the server of which the page wants to know how they ended.
 *
 * A verb has no acknowledgement of its own: it worked when the desk says so, and it did not when an
 * `error` names it. When the line breaks in between nobody knows, and that is what is said.
 */

import { say } from "./desk_dom.js";

const ANSWER_WITHIN = 12000;

/**
 * @typedef {object} Outcome
 * @property {boolean} ok
 * @property {string} code from the protocol, or `lost` when there was no answer
 * @property {string} text for the worker; empty when it worked
 */
export class Commands {
  #send;
  #waiting = new Set();

  /** @param {(frame: object) => boolean} send hands a frame to the connection */
  constructor(send) {
    this.#send = send;
  }

  /**
   * @param {object} frame the command
   * @param {() => boolean} isDone whether the page's state shows that it worked
   * @returns {Promise<Outcome>}
   */
  run(frame, isDone) {
    if (!this.#send(frame)) {
      return Promise.resolve({ ok: false, code: "lost", text: say("not_connected") });
    }
    return new Promise((resolve) => {
      const one = { frame, isDone };
      one.finish = (outcome) => {
        clearTimeout(one.timer);
        this.#waiting.delete(one);
        resolve(outcome);
      };
      one.timer = setTimeout(() => this.#lose(one), ANSWER_WITHIN);
      this.#waiting.add(one);
    });
  }

  /** The state changed: see which orders it fulfils. */
  look() {
    for (const one of this.#waiting) {
      if (one.isDone()) one.finish({ ok: true, code: "", text: "" });
    }
  }

  /** Take an `error`. True: an order was waiting for it. */
  refuse({ command, conversation, code, text }) {
    for (const one of this.#waiting) {
      if (one.frame.type !== command) continue;
      if ((one.frame.conversation ?? "") !== (conversation ?? "")) continue;
      one.finish({ ok: false, code, text });
      return true;
    }
    return false;
  }

  /** The line broke: no answer will come. */
  loseAll() {
    for (const one of this.#waiting) this.#lose(one);
  }

  #lose(one) {
    one.finish({ ok: false, code: "lost", text: say("connection_broke") });
  }
}
