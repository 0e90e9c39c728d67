/**
 * What was said, in order, in a `<div role="log">` around an `<ol>`.
 *
 * Numbered messages stand in the order of their `seq` and each of them once; below them what is
 * still on its way. Shared by the page of the visit and the desk. What the server rendered into
 * the list is taken over, so that nothing flickers and no screen reader hears it twice:
 *
 *   <li class="message" data-seq="3" data-author="worker" data-name="Anna">
 *     <p class="message-text" dir="auto">…</p> <p class="message-foot"><time datetime="…">…</time></p>
 *   </li>
 */

/** Messages of one person within this time stand together, under one name. */
const TOGETHER = 5 * 60 * 1000;
/** As close to the end as this means: reading along, so follow what is new. */
const NEAR_END = 120;

/** A new element with a class and text; never markup, so words stay words. */
export function element(name, className, text = "") {
  const node = document.createElement(name);
  node.className = className;
  node.textContent = text;
  return node;
}

/**
 * @typedef {object} TranscriptTexts all in the user's language
 * @property {string} you name of one's own side, for screen readers
 * @property {string} other name of the other side where a message has none
 * @property {string} sending
 * @property {string} sent
 * @property {string} seen
 * @property {string} notSent
 * @property {string} retry
 */
export class Transcript {
  #log;
  #list;
  #scroller;
  #mine;
  #texts;
  #onRetry;
  #clock;
  #day;
  #bySeq = new Map();
  #byClientId = new Map();
  #top = 0;
  #seen = 0;

  /**
   * @param {HTMLElement} log the `role="log"` with an `<ol>` inside
   * @param {object} options
   * @param {"visitor" | "worker"} options.mine whose messages are one's own
   * @param {TranscriptTexts} options.texts
   * @param {(clientId: string) => void} options.onRetry "try again" was chosen
   * @param {HTMLElement} [options.scroller] what scrolls; the log itself unless told
   */
  constructor(log, { mine, texts, onRetry, scroller = log }) {
    this.#log = log;
    this.#list = log.querySelector("ol");
    this.#scroller = scroller;
    this.#mine = mine;
    this.#texts = texts;
    this.#onRetry = onRetry;
    const language = document.documentElement.lang || "nl";
    this.#clock = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit" });
    this.#day = new Intl.DateTimeFormat(language, {
      weekday: "long",
      day: "numeric",
      month: "long",
    });
    for (const item of this.#list.querySelectorAll("[data-seq]")) this.#adopt(item);
    this.#arrange();
  }

  /** The highest number up to which nothing is missing: the `after` of a hello. */
  get top() {
    return this.#top;
  }

  /** True when a number was skipped: say hello again. */
  get hasGap() {
    return this.#bySeq.size > this.#top;
  }

  get isEmpty() {
    return !this.#list.querySelector(".message");
  }

  /** Take a `message.posted`. True: it is new here. A known number changes nothing. */
  accept({ seq, client_id: clientId, author, name, text, at }) {
    if (this.#bySeq.has(seq)) return false;
    const follow = this.#isNearEnd();
    const known = this.#byClientId.get(clientId);
    const item = known ?? this.#build(author, text);
    this.#byClientId.delete(clientId);
    Object.assign(item.dataset, { seq, name, at });
    delete item.dataset.state;
    this.#bySeq.set(seq, item);
    while (this.#bySeq.has(this.#top + 1)) this.#top += 1;
    this.#place(item, seq);
    this.#arrange();
    if (follow) this.toEnd();
    return !known;
  }

  /** Show an entry of the outbox that is on its way or was refused. */
  pending(entry) {
    const clientId = entry.frame.client_id;
    let item = this.#byClientId.get(clientId);
    if (!item) {
      if (entry.state === "sent") return; // it has its number by now
      item = this.#build(this.#mine, entry.frame.text);
      item.dataset.at = new Date().toISOString();
      item.dataset.clientId = clientId;
      this.#byClientId.set(clientId, item);
      this.#list.append(item);
    }
    item.dataset.state = entry.state;
    item.dataset.reason = entry.reason ?? "";
    this.#arrange();
    if (entry.state === "sending") this.toEnd();
  }

  /** The other side has seen everything up to `seq`. */
  seen(seq) {
    if (seq <= this.#seen) return;
    this.#seen = seq;
    this.#arrange();
  }

  /** Something that happened and that nobody wrote: "Anna reads along". Not kept by the server. */
  note(text) {
    const follow = this.#isNearEnd();
    const item = element("li", "transcript-line");
    item.append(element("p", "", text));
    this.#list.insertBefore(item, this.#firstPending());
    this.#arrange();
    if (follow) this.toEnd();
  }

  /** Scroll to the newest, without moving the focus. */
  toEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  /** Take everything away, for example for another conversation. */
  clear() {
    this.#list.replaceChildren();
    this.#bySeq.clear();
    this.#byClientId.clear();
    this.#top = this.#seen = 0;
  }

  #isNearEnd() {
    const { scrollTop, clientHeight, scrollHeight } = this.#scroller;
    return scrollHeight - scrollTop - clientHeight < NEAR_END;
  }

  #adopt(item) {
    const seq = Number(item.dataset.seq);
    item.dataset.at = item.querySelector("time").dateTime;
    this.#dress(item);
    this.#bySeq.set(seq, item);
    while (this.#bySeq.has(this.#top + 1)) this.#top += 1;
  }

  #build(author, text) {
    const item = element("li", "message");
    item.dataset.author = author;
    const words = element("p", "message-text", text);
    words.dir = "auto";
    const foot = element("p", "message-foot");
    foot.append(document.createElement("time"));
    item.append(words, foot);
    this.#dress(item);
    return item;
  }

  /** Add the parts that only a live page has. */
  #dress(item) {
    item.classList.toggle("is-mine", item.dataset.author === this.#mine);
    item.querySelector(".message-head")?.remove();
    const head = element("p", "message-head");
    head.append(document.createElement("bdi"));
    item.prepend(head);
    item.querySelector(".message-foot").append(" ", element("span", "message-state"));
  }

  #firstPending() {
    return this.#list.querySelector(":scope > [data-state]");
  }

  /** Put a numbered item where it belongs; one that stands there already stays untouched. */
  #place(item, seq) {
    let before = this.#firstPending();
    for (const [other, node] of this.#bySeq) {
      if (other > seq && (!before || this.#isEarlier(node, before))) before = node;
    }
    if (item.parentNode && item.nextElementSibling === before) return;
    this.#list.insertBefore(item, before);
  }

  #isEarlier(node, other) {
    return Boolean(node.compareDocumentPosition(other) & Node.DOCUMENT_POSITION_FOLLOWING);
  }

  /** Names, times, days and marks follow from the order; told anew after each change. */
  #arrange() {
    for (const old of this.#list.querySelectorAll(":scope > .transcript-day")) old.remove();
    let before = null;
    let day = new Date().toDateString();
    for (const item of [...this.#list.children]) {
      if (!item.classList.contains("message")) {
        before = null;
        continue;
      }
      const at = new Date(item.dataset.at);
      if (at.toDateString() !== day) {
        day = at.toDateString();
        before = null;
        const line = element("li", "transcript-day");
        line.append(element("p", "", this.#day.format(at)));
        item.before(line);
      }
      const together =
        before?.dataset.author === item.dataset.author &&
        before.dataset.name === item.dataset.name &&
        at - new Date(before.dataset.at) < TOGETHER;
      item.classList.toggle("is-continued", together);
      this.#label(item, at);
      before = item;
    }
    this.#mark();
  }

  #label(item, at) {
    const isMine = item.dataset.author === this.#mine;
    const name = isMine ? this.#texts.you : item.dataset.name || this.#texts.other;
    setText(item.querySelector(".message-head bdi"), name);
    const time = item.querySelector("time");
    time.dateTime = item.dataset.at;
    setText(time, this.#clock.format(at));
  }

  /** Under one's own messages: what became of them. Of what was sent, only the last one tells. */
  #mark() {
    let last = null;
    let lastSeen = null;
    for (const item of this.#list.querySelectorAll(":scope > .message.is-mine")) {
      const { state, seq } = item.dataset;
      let text = "";
      if (state === "sending") text = this.#texts.sending;
      if (state === "refused") text = `${this.#texts.notSent} ${item.dataset.reason}`.trim();
      setText(item.querySelector(".message-state"), text);
      this.#offerRetry(item, state === "refused");
      if (!state) last = item;
      if (!state && seq <= this.#seen) lastSeen = item;
    }
    if (lastSeen) setText(lastSeen.querySelector(".message-state"), this.#texts.seen);
    if (last && last !== lastSeen) {
      setText(last.querySelector(".message-state"), this.#texts.sent);
    }
  }

  #offerRetry(item, offer) {
    const there = item.querySelector(".message-retry");
    if (!offer) {
      there?.remove();
    } else if (!there) {
      const button = element("button", "message-retry", this.#texts.retry);
      button.type = "button";
      button.addEventListener("click", () => this.#onRetry(item.dataset.clientId));
      item.querySelector(".message-foot").append(" ", button);
    }
  }
}

/** Change a text only when it is another one: every change is read out by a screen reader. */
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
