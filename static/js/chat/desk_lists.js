/** The left pane: own chats and the queue. Redraws in place; what is being read stays put. */

import {
  announce,
  byId,
  changeLines,
  clone,
  follow,
  minutesSince,
  put,
  putLines,
  putUrgency,
  say,
  sayCount,
  show,
  slot,
} from "./desk_dom.js";

const TICK = 10000;
const SECOND = 1000;
const MOST_KEYS = 9;

export class Lists {
  #state;
  #onClaim;
  #onSelect;
  #onUrgency;
  #claiming = new Set();
  #isFirst = true;

  /**
   * @param {object} options
   * @param {import("./desk_state.js").State} options.state
   * @param {(item: object) => Promise<void>} options.onClaim "claim" was chosen for a queue item
   * @param {(id: string) => void} options.onSelect an own chat was chosen
   * @param {(item: object) => void} options.onUrgency change the urgency of a queue item
   */
  constructor({ state, onClaim, onSelect, onUrgency }) {
    this.#state = state;
    this.#onClaim = onClaim;
    this.#onSelect = onSelect;
    this.#onUrgency = onUrgency;
    state.addEventListener("desk", () => this.#drawQueue());
    for (const name of ["chats", "chat", "selected"]) {
      state.addEventListener(name, () => this.#drawOwn());
    }
    setInterval(() => this.#drawQueue(), TICK);
    setInterval(() => this.#countDown(), SECOND);
  }

  /** Tell why a claim did not work, and put the focus where the list begins. */
  tell(text) {
    const notice = byId("queue-notice");
    show(notice, Boolean(text));
    put(notice, text);
    if (text) byId("queue-title").focus();
  }

  /** Bring a card of the queue into view and focus. */
  reveal(id) {
    const card = byId("queue").querySelector(`[data-key="${CSS.escape(id)}"]`);
    (card ?? byId("queue-title")).focus();
    card?.scrollIntoView({ block: "nearest" });
  }

  // --- The queue --------------------------------------------------------------------------------

  #drawQueue() {
    const { desk } = this.#state;
    if (!desk) return;
    const { queue } = desk;
    const keptFocus = follow(byId("queue"), queue, {
      key: (item) => item.conversation,
      create: (item) => this.#createCard(item),
      fill: (card, item) => this.#fillCard(card, item),
    });
    if (!keptFocus) byId("queue-title").focus();
    const { waiting, unseen } = this.#state;
    const more = Math.max(0, waiting - queue.length);
    show(byId("queue-more"), more > 0);
    put(byId("queue-more"), more ? say("queue_more", { n: more, ...unseen }) : "");
    show(byId("queue-empty"), waiting === 0);
    show(byId("queue-paused"), waiting > 0 && !this.#state.isAvailable);
    const isNow = desk.waiting.now > 0;
    for (const id of ["queue-count", "tab-queue"]) {
      const count = byId(id);
      put(count, String(waiting));
      show(count, waiting > 0);
      count.classList.toggle("is-now", isNow);
    }
    this.#isFirst = false;
  }

  #createCard(item) {
    const card = clone("queue-card");
    card.classList.toggle("is-new", !this.#isFirst);
    // The item of that moment, not of this one: its place and urgency may have changed.
    slot(card, "claim").addEventListener("click", () => this.#claim(card.dataset.key));
    slot(card, "urgency-deed").addEventListener("click", () => {
      const item = this.#find(card.dataset.key);
      if (item) this.#onUrgency(item);
    });
    return card;
  }

  #find(id) {
    return this.#state.desk.queue.find((one) => one.conversation === id);
  }

  /** Being first for somebody passes by the second; nothing else of a card does. */
  #countDown() {
    const { desk } = this.#state;
    if (!desk?.queue.some((item) => item.first)) return;
    for (const card of byId("queue").children) {
      const item = this.#find(card.dataset.key);
      if (item) this.#fillFirst(card, item);
    }
  }

  #fillFirst(card, item) {
    const seconds = this.#state.firstFor(item);
    const isHeld = seconds > 0 && !item.first.mine;
    const line = slot(card, "first");
    if (seconds) {
      const whose = item.first.mine ? "mine" : "other";
      const { because, who } = item.first;
      put(line, say(`first_${whose}_${because}`, { n: seconds, who }));
    }
    show(line, seconds > 0);
    const mayTake = this.#state.isAvailable || item.urgency === "now";
    show(slot(card, "claim"), mayTake && item.reserved !== "other" && !isHeld);
  }

  #fillCard(card, item) {
    const minutes = minutesSince(item.since);
    const isForMe = item.reserved === "me";
    const isForOther = item.reserved === "other";
    put(slot(card, "label"), say("who", { label: item.label }));
    putUrgency(slot(card, "urgency"), item.urgency);
    putLines(slot(card, "reasons"), item.reasons);
    putLines(slot(card, "changes"), changeLines(item.changes));
    putLines(slot(card, "why"), item.why);
    card.classList.toggle("is-mine", isForMe);

    const flag = slot(card, "flag");
    let flagText = "";
    if (isForMe) flagText = say("reserved_me");
    else if (isForOther) flagText = say("reserved_other");
    else if (item.handed_over) flagText = say("handed_over");
    put(flag, flagText);
    show(flag, Boolean(flagText));

    const facts = [
      say("place", { n: item.place }),
      minutes ? say("waits", { n: minutes }) : say("waits_now"),
      item.topic,
      item.age && say("age", item),
      item.region,
      ...item.wishes,
      item.danger ? say("saw_help_lines") : "",
      item.brand,
    ].filter(Boolean);
    if (item.language === "en") facts.push(say("language_en"));
    put(slot(card, "facts"), facts.join(" · "));

    const button = slot(card, "claim");
    const isBusy = this.#claiming.has(item.conversation);
    put(button, say(isBusy ? "claiming" : "claim"));
    button.setAttribute("aria-disabled", String(isBusy));
    const urgency = say(`urgency_${item.urgency}`);
    const label = say("who", { label: item.label });
    button.setAttribute("aria-label", `${button.textContent}: ${label}, ${urgency}`);
    const deed = slot(card, "urgency-deed");
    put(deed, say("urgency_label"));
    deed.setAttribute("aria-label", say("urgency_of", { label }));
    this.#fillFirst(card, item);
  }

  async #claim(id) {
    if (this.#claiming.has(id)) return;
    const item = this.#find(id);
    if (!item) return;
    this.tell("");
    this.#claiming.add(id);
    this.#drawQueue();
    try {
      await this.#onClaim(item);
    } finally {
      this.#claiming.delete(id);
      this.#drawQueue();
    }
  }

  // --- Own chats --------------------------------------------------------------------------------

  #drawOwn() {
    const chats = [...this.#state.chats.values()];
    const keptFocus = follow(byId("own"), chats, {
      key: (chat) => chat.id,
      create: (chat) => {
        const item = clone("own-item");
        slot(item, "button").addEventListener("click", () => this.#onSelect(chat.id));
        return item;
      },
      fill: (item, chat) => this.#fillOwn(item, chat, chats.indexOf(chat) + 1),
    });
    if (!keptFocus) byId("queue-title").focus();
    show(byId("own-empty"), chats.length === 0);
    const unread = this.#state.unread;
    put(byId("tab-unread"), String(unread));
    show(byId("tab-unread"), unread > 0);
  }

  #fillOwn(item, chat, number) {
    const button = slot(item, "button");
    if (chat.id === this.#state.selected) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
    put(slot(item, "label"), chat.label);
    const state = slot(item, "state");
    put(state, ownState(chat));
    state.classList.toggle("presence", !chat.toRegister);
    state.classList.toggle("is-present", chat.isPresent);
    putUrgency(slot(item, "urgency"), chat.urgency);
    const unread = slot(item, "unread");
    put(unread, chat.unread ? sayCount("unread", chat.unread) : "");
    show(unread, chat.unread > 0);
    const key = slot(item, "key");
    put(key, say("shortcut", { n: number }));
    show(key, number <= MOST_KEYS);
  }
}

function ownState(chat) {
  if (chat.toRegister) return say("to_register");
  if (chat.isTyping) return say("typing_short");
  return say(chat.isPresent ? "present" : "away");
}

/** Say aloud what happened to somebody's window. */
export function announcePresence(chat) {
  if (!chat.toRegister) announce(say(chat.isPresent ? "back" : "went", { label: chat.label }));
}
