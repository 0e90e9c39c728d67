/**
 * Draws the worker's attention: two soft tones, the title of the tab, and a strip on the page.
 *
 * The sound is made here, so there is no file to fetch. Whether it is on is remembered in
 * localStorage: that is for workers, on their own computer, and says nothing about anybody. On a
 * young person's device nothing is ever kept.
 */

import { announce, byId, put, say, show } from "./desk_dom.js";

const SOUND_KEY = "klikvoor.desk.sound";
/** No more than one sound in this time, however much happens at once. */
const SOUND_REST = 4000;
const LOUDNESS = 0.12;

/** Frequencies of two tones, low and round: seconds apart, never an alarm. */
const TONES = {
  message: [[587, 0], [784, 0.14]],
  waiting: [[440, 0], [587, 0.22]],
  urgent: [[440, 0], [587, 0.22], [440, 0.7], [587, 0.92]],
};

export class Alerts {
  #state;
  #title = document.title;
  #context = null;
  #isOn = localStorage.getItem(SOUND_KEY) !== "off";
  #restsUntil = 0;
  #putAway = new Set();
  #onGo;

  /**
   * @param {object} options
   * @param {import("./desk_state.js").State} options.state
   * @param {(conversation: string) => void} options.onGo show this card of the queue
   */
  constructor({ state, onGo }) {
    this.#state = state;
    this.#onGo = onGo;
    state.addEventListener("desk", () => this.#draw());
    state.addEventListener("chats", () => this.#drawTitle());
    state.addEventListener("arrived", ({ detail }) => this.#arrived(detail.item));
    state.addEventListener("raised", ({ detail }) => this.#raised(detail.item));
    state.addEventListener("heard", ({ detail }) => this.#heard(detail.chat));
    byId("sound").addEventListener("click", () => this.#toggle());
    byId("alert-go").addEventListener("click", () => this.#go());
    byId("alert-close").addEventListener("click", () => this.#close());
    // Browsers let a page make sound only after somebody touched it.
    for (const name of ["pointerdown", "keydown"]) {
      addEventListener(name, () => this.#wake(), { capture: true, passive: true });
    }
    this.#drawSound();
  }

  // --- Sound ------------------------------------------------------------------------------------

  #wake() {
    if (!this.#isOn || !("AudioContext" in window)) return;
    if (!this.#context) {
      this.#context = new AudioContext();
      this.#context.addEventListener("statechange", () => this.#drawSound());
    }
    if (this.#context.state === "suspended") this.#context.resume().catch(() => {});
  }

  #toggle() {
    this.#isOn = !this.#isOn;
    localStorage.setItem(SOUND_KEY, this.#isOn ? "on" : "off");
    this.#drawSound();
    if (!this.#isOn) return;
    this.#wake();
    this.#play("message");
  }

  #drawSound() {
    const isReady = this.#context?.state === "running";
    const key = this.#isOn ? (isReady ? "sound_on" : "sound_waiting") : "sound_off";
    put(byId("sound"), say(key));
  }

  /** Play a signal, unless it was muted or one has just been heard. */
  #play(kind) {
    if (!this.#isOn || performance.now() < this.#restsUntil) return;
    const context = this.#context;
    if (context?.state !== "running") return;
    this.#restsUntil = performance.now() + SOUND_REST;
    for (const [frequency, delay] of TONES[kind]) {
      const start = context.currentTime + delay;
      const tone = new OscillatorNode(context, { type: "sine", frequency });
      const gain = new GainNode(context, { gain: 0 });
      gain.gain.setValueAtTime(0, start);
      gain.gain.linearRampToValueAtTime(LOUDNESS, start + 0.03);
      gain.gain.exponentialRampToValueAtTime(0.001, start + 0.5);
      tone.connect(gain).connect(context.destination);
      tone.start(start);
      tone.stop(start + 0.55);
    }
  }

  // --- What happened ----------------------------------------------------------------------------

  #arrived(item) {
    // Who needs help now is for everybody who is there, with a pause as well.
    const isNow = item.urgency === "now";
    if ((!this.#state.isAvailable && !isNow) || item.reserved === "other") return;
    if (isNow) this.#putAway.delete(item.conversation);
    this.#play(isNow ? "urgent" : "waiting");
    announce(say("new_in_queue", { urgency: say(`urgency_${item.urgency}`) }));
  }

  #raised(item) {
    if (item.reserved === "other") return;
    this.#putAway.delete(item.conversation);
    this.#play("urgent");
    announce(say("raised_in_queue", { label: say("who", { label: item.label }) }));
    this.#draw();
  }

  #heard(chat) {
    const isSeen = chat.id === this.#state.selected && this.#state.isLooking();
    if (isSeen) return;
    this.#play("message");
    announce(say("new_message", { label: chat.label }));
  }

  // --- Strip and title --------------------------------------------------------------------------

  /** Whoever must not be overlooked: handed over to me, or in need of help now. */
  #pressing() {
    const { desk, isAvailable } = this.#state;
    if (!desk) return null;
    const open = desk.queue.filter((item) => !this.#putAway.has(item.conversation));
    return (
      (isAvailable && open.find((item) => item.reserved === "me")) ||
      open.find((item) => item.urgency === "now" && item.reserved !== "other") ||
      null
    );
  }

  #draw() {
    const waiting = new Set(this.#state.desk.queue.map((item) => item.conversation));
    for (const id of this.#putAway) if (!waiting.has(id)) this.#putAway.delete(id);
    const item = this.#pressing();
    const strip = byId("alert");
    if (!item && strip.contains(document.activeElement)) byId("queue-title").focus();
    if (item) {
      put(byId("alert-text"), say(item.reserved === "me" ? "alert_reserved" : "alert_now"));
      strip.classList.toggle("is-now", item.urgency === "now");
    }
    show(strip, Boolean(item));
    this.#drawTitle();
  }

  #go() {
    const item = this.#pressing();
    if (item) this.#onGo(item.conversation);
  }

  #close() {
    const item = this.#pressing();
    if (item) this.#putAway.add(item.conversation);
    this.#draw();
  }

  #drawTitle() {
    const { desk, isAvailable, unread } = this.#state;
    const waiting = (desk?.queue ?? []).filter(
      (item) => item.reserved !== "other" && (isAvailable || item.urgency === "now"),
    );
    const title = this.#title;
    let text = title;
    if (waiting.some((item) => item.urgency === "now")) text = say("title_urgent", { title });
    else if (unread) text = say("title_message", { n: unread, title });
    else if (waiting.length) {
      const { now, soon, normal } = this.#state.unseen;
      const n = waiting.length + now + (isAvailable ? soon + normal : 0);
      text = say("title_waiting", { n, title });
    }
    if (document.title !== text) document.title = text;
  }
}
