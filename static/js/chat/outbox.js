/**
 * What was written and is not acknowledged yet. In memory only: a browser keeps nothing of a chat.
 *
 * A message leaves the outbox when the server posted it (`acknowledge`), never before. Until then it
 * is sent again after every hello and whenever no answer came; its `client_id` makes that harmless.
 */

const ANSWER_WITHIN = 6000;
const LONGEST_WAIT = 30000;
/** After the first "not now"; twice as long after each next one. */
const AGAIN_SOON = 1000;
/** Refusals that say "not now": tried again by ourselves, so many times. */
const PASSING = new Set(["unavailable", "too_many"]);
const PATIENCE = 6;
/** In one go; a socket may give 60 commands in ten seconds. */
const AT_ONCE = 20;

/** A random UUID, also on plain http in a local network, where `randomUUID` does not exist. */
export function newClientId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, "$1-$2-$3-$4-$5");
}

/**
 * @typedef {object} Entry one message on its way
 * @property {object} frame the command, `client_id` included; never changes
 * @property {"sending" | "sent" | "refused"} state `refused` is shown as "not sent"
 * @property {string} code why it was refused, from the protocol's table; else empty
 * @property {string} reason the same in the user's language; else empty
 */
export class Outbox {
  #send;
  #onChange;
  #entries = new Map();
  #timer = 0;
  #rounds = 0;

  /**
   * @param {object} options
   * @param {(frame: object) => boolean} options.send hands a frame to the connection
   * @param {(entry: Entry) => void} options.onChange a new entry, or one whose state changed
   */
  constructor({ send, onChange }) {
    this.#send = send;
    this.#onChange = onChange;
  }

  /** Everything that is not acknowledged, oldest first, refused ones included. */
  get entries() {
    return [...this.#entries.values()];
  }

  /** True while something is on its way. */
  get isSending() {
    return this.entries.some((entry) => entry.state === "sending");
  }

  /**
   * Send a command with a new `client_id` and keep it until it is acknowledged.
   * @param {object} command for example `{type: "message.post", text}`
   * @returns {Entry}
   */
  post(command) {
    const entry = {
      frame: { ...command, client_id: newClientId() },
      state: "sending",
      code: "",
      reason: "",
      refusals: 0,
    };
    this.#entries.set(entry.frame.client_id, entry);
    this.#onChange(entry);
    this.#send(entry.frame);
    this.#plan();
    return entry;
  }

  /** Take a `message.posted`. True: it was ours, and is sent. */
  acknowledge(event) {
    const entry = this.#entries.get(event.client_id);
    if (!entry) return false;
    this.#entries.delete(event.client_id);
    this.#change(entry, "sent");
    this.#plan();
    return true;
  }

  /** Take a `message.refused`. True: it was ours. What may pass is tried again without asking. */
  refuse(event) {
    const entry = this.#entries.get(event.client_id);
    if (!entry) return false;
    entry.refusals += 1;
    if (!PASSING.has(event.code) || entry.refusals > PATIENCE) {
      this.#change(entry, "refused", event.code, event.text);
      this.#plan();
    } else if (event.code === "unavailable") {
      // A database that was away for a moment: most of the time it is back.
      this.#plan(AGAIN_SOON * 2 ** (entry.refusals - 1));
    } else {
      this.#plan();
    }
    return true;
  }

  /** "Try again": the same words with the same id. */
  retry(clientId) {
    const entry = this.#entries.get(clientId);
    if (entry?.state !== "refused") return;
    entry.refusals = 0;
    this.#change(entry, "sending");
    this.#send(entry.frame);
    this.#plan();
  }

  /** Drop a message that the writer does not want to send any more. */
  forget(clientId) {
    this.#entries.delete(clientId);
    this.#plan();
  }

  /** Send all that is on its way again, in the order in which it was written. After each hello. */
  resend() {
    this.#rounds = 0;
    this.#sendAgain();
  }

  /** Forget everything, for example because the conversation ended. */
  clear() {
    this.#entries.clear();
    this.#plan();
  }

  #sendAgain() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    const sending = this.entries.filter((entry) => entry.state === "sending");
    for (const entry of sending.slice(0, AT_ONCE)) if (!this.#send(entry.frame)) break;
    this.#plan();
  }

  /** One clock for all, so that what is sent again goes in order; `sooner` sets it anew. */
  #plan(sooner = 0) {
    if (!this.isSending || sooner) {
      clearTimeout(this.#timer);
      this.#timer = 0;
    }
    if (this.#timer || !this.isSending) return;
    const wait = Math.min(LONGEST_WAIT, sooner || ANSWER_WITHIN * 2 ** this.#rounds);
    this.#timer = setTimeout(() => {
      this.#rounds += 1;
      this.#sendAgain();
    }, wait * (0.8 + 0.4 * Math.random()));
  }

  #change(entry, state, code = "", reason = "") {
    Object.assign(entry, { state, code, reason });
    this.#onChange(entry);
  }
}
