/** Ready sentences of the platform and the institution: find one, put it in the message. */

import { byId, clone, follow, put, show, slot } from "./desk_dom.js";

const replies = JSON.parse(byId("quick-replies").textContent).map((reply, i) => ({
  ...reply,
  key: String(i),
  words: `${reply.shortcut} ${reply.text} ${reply.scope}`.toLocaleLowerCase(),
}));

export class QuickReplies {
  #dialog = byId("replies-dialog");
  #search = byId("replies-search");
  #list = byId("replies");
  #onChoose;

  /** @param {(text: string) => void} onChoose gets the sentence; it is never sent by itself */
  constructor(onChoose) {
    this.#onChoose = onChoose;
    this.#search.addEventListener("input", () => this.#draw());
    this.#dialog.addEventListener("keydown", (event) => this.#key(event));
    show(byId("open-replies"), replies.length > 0);
    byId("open-replies").addEventListener("click", () => this.open());
  }

  get isEmpty() {
    return replies.length === 0;
  }

  open() {
    this.#search.value = "";
    this.#draw();
    this.#dialog.showModal();
  }

  #draw() {
    const words = this.#search.value.toLocaleLowerCase().split(/\s+/).filter(Boolean);
    const found = replies.filter((reply) => words.every((word) => reply.words.includes(word)));
    follow(this.#list, found, {
      key: (reply) => reply.key,
      create: (reply) => {
        const item = clone("reply-item");
        put(slot(item, "shortcut"), reply.shortcut);
        put(slot(item, "scope"), reply.scope);
        put(slot(item, "text"), reply.text);
        slot(item, "text").lang = reply.language;
        slot(item, "button").addEventListener("click", () => this.#choose(reply));
        return item;
      },
      fill: () => {},
    });
    show(byId("replies-none"), found.length === 0);
  }

  #choose(reply) {
    this.#dialog.close();
    this.#onChoose(reply.text);
  }

  /** Arrows walk through the list; Enter in the search field takes the first one. */
  #key(event) {
    const buttons = [...this.#list.querySelectorAll("button")];
    const at = buttons.indexOf(document.activeElement);
    if (event.key === "ArrowDown") buttons[Math.min(at + 1, buttons.length - 1)]?.focus();
    else if (event.key === "ArrowUp" && at >= 0) (buttons[at - 1] ?? this.#search).focus();
    else if (event.key === "Enter" && document.activeElement === this.#search) buttons[0]?.click();
    else return;
    event.preventDefault();
  }
}
