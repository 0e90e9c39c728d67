/** The bar: available or paused, how full the desk is, whether the chat is open, and the line. */

import { byId, put, say, show } from "./desk_dom.js";

/** A short break in the line is nobody's business. */
const TELL_AFTER = 1500;
const TOLD_FOR = 8000;

export class Bar {
  #state;
  #send;
  #link = "connecting";
  #told = "";
  #isRestarting = false;
  #timer = 0;
  #toldTimer = 0;

  /**
   * @param {object} options
   * @param {import("./desk_state.js").State} options.state
   * @param {(frame: object) => boolean} options.send hands a frame to the connection
   */
  constructor({ state, send }) {
    this.#state = state;
    this.#send = send;
    state.addEventListener("desk", () => this.#draw());
    byId("availability").addEventListener("click", () => this.#toggle());
    this.drawLink("connecting");
  }

  /** Show how the line is. */
  drawLink(link) {
    this.#link = link;
    if (link === "open" || link === "polling") this.#isRestarting = false;
    byId("link").dataset.state = link;
    put(byId("link-text"), say(link === "open" ? "online" : "connecting"));
    clearTimeout(this.#timer);
    if (link === "open") this.#drawBanner();
    else this.#timer = setTimeout(() => this.#drawBanner(), TELL_AFTER);
  }

  restarting() {
    this.#isRestarting = true;
    this.#drawBanner();
  }

  /** Tell of a refusal that belongs nowhere else. */
  tell(text) {
    this.#told = text;
    clearTimeout(this.#toldTimer);
    this.#toldTimer = setTimeout(() => this.tell(""), TOLD_FOR);
    this.#drawBanner();
  }

  #drawBanner() {
    let text = this.#told;
    if (this.#isRestarting) text = say("restarting");
    else if (this.#link === "polling") text ||= say("polling");
    else if (this.#link !== "open") text = say("offline");
    const banner = byId("banner");
    show(banner, Boolean(text));
    put(banner, text);
  }

  #draw() {
    const { desk, isAvailable } = this.#state;
    const key = isAvailable ? "available" : "paused";
    const button = byId("availability");
    button.disabled = false;
    button.setAttribute("aria-checked", String(isAvailable));
    put(byId("availability-text"), say(key));
    put(byId("availability-help"), say(`${key}_help`));

    const running = desk.mine.filter((chat) => chat.status === "active").length;
    put(byId("load"), say("load", { n: running, cap: desk.cap }));
    const pips = Array.from({ length: Math.max(desk.cap, running) }, (_, i) => {
      const pip = document.createElement("span");
      pip.className = i < running ? "desk-pip is-taken" : "desk-pip";
      return pip;
    });
    byId("load-pips").replaceChildren(...pips);
    put(byId("opening"), desk.opening.text);
  }

  #toggle() {
    const state = this.#state.isAvailable ? "paused" : "available";
    if (!this.#send({ type: "availability.set", state })) this.tell(say("not_connected"));
  }
}
