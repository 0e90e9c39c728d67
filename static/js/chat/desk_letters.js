/** The letters under the queue: how many lie in each box. They open in a page of their own, so that
 * the desk, and with it this worker's place in the consultation hour, stays where it is. */

import { announce, byId, put, say, show } from "./desk_dom.js";

export class Letters {
  #last = null;

  /** @param {import("./desk_state.js").State} state */
  constructor(state) {
    state.addEventListener("desk", () => this.#draw(state.desk.letters));
  }

  #draw(counts) {
    for (const item of byId("letters").children) {
      const { box } = item.dataset;
      const count = item.querySelector("[data-slot=count]");
      put(count, String(counts[box]));
      count.classList.toggle("is-now", box === "overdue" && counts[box] > 0);
      show(item, counts[box] > 0 || box === "new" || box === "mine");
    }
    put(byId("letters-unread"), counts.unread ? say("letters_unread") : "");
    show(byId("letters-unread"), counts.unread > 0);
    if (this.#last) {
      if (counts.new > this.#last.new) announce(say("letter_new"));
      else if (counts.unread > this.#last.unread) announce(say("letters_unread"));
      else if (counts.asked > this.#last.asked) announce(say("letter_asked"));
    }
    this.#last = counts;
  }
}
