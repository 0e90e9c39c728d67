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
  #list;
  #scroller;
  #mine;
  #myName;
  #texts;
  #onRetry;
  #clock;
  #day;
  #bySeq = new Map();
  #byClientId = new Map();
  #marked = new Map();
  #top = 0;
  #highest = 0;
  #seen = 0;

  /**
   * @param {HTMLElement} log the `role="log"` with an `<ol>` inside
   * @param {object} options
   * @param {"visitor" | "worker"} options.mine whose messages are one's own
   * @param {string} [options.myName] one's own name, where others may have written on one's side
   * @param {TranscriptTexts} options.texts
   * @param {(clientId: string) => void} options.onRetry "try again" was chosen
   * @param {() => HTMLElement} [options.scroller] what scrolls at the moment; the log unless told
   */
  constructor(log, { mine, myName = "", texts, onRetry, scroller = () => log }) {
    this.#list = log.querySelector("ol");
    this.#scroller = scroller;
    this.#mine = mine;
    this.#myName = myName;
    this.#texts = texts;
    this.#onRetry = onRetry;
    const language = document.documentElement.lang || "nl";
    // 24 hours in English too, as in all other texts.
    this.#clock = new Intl.DateTimeFormat(language, {
      hour: "2-digit",
      minute: "2-digit",
      hourCycle: "h23",
    });
    this.#day = new Intl.DateTimeFormat(language, {
      weekday: "long",
      day: "numeric",
      month: "long",
    });
    for (const item of this.#list.querySelectorAll("[data-seq]")) this.#adopt(item);
    this.#mark();
    this.#follow(scroller());
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

  /** True while the newest message is in sight, so that a new one may scroll along. */
  get isAtEnd() {
    const { scrollTop, clientHeight, scrollHeight } = this.#scroller();
    return scrollHeight - scrollTop - clientHeight < NEAR_END;
  }

  /** Take a `message.posted`. True: it is new here. A known number changes nothing. */
  accept({ seq, client_id: clientId, author, name, text, at }) {
    if (this.#bySeq.has(seq)) return false;
    const follow = this.isAtEnd;
    const known = this.#byClientId.get(clientId);
    const item = known ?? this.#build(author, text);
    this.#byClientId.delete(clientId);
    Object.assign(item.dataset, { seq, name, at });
    if (known) {
      delete item.dataset.state;
      setText(item.querySelector(".message-text"), text); // as it was stored
      this.#tell(item, "");
      this.#offerRetry(item, false);
    }
    this.#number(item, seq);
    this.#place(item, seq);
    this.#mark();
    if (follow) this.toEnd();
    return !known;
  }

  /** Show an entry of the outbox that is on its way or was refused. */
  pending(entry) {
    if (entry.state === "sent") return; // its event says where it stands
    const clientId = entry.frame.client_id;
    let item = this.#byClientId.get(clientId);
    if (!item) {
      item = this.#build(this.#mine, entry.frame.text);
      item.dataset.at = new Date().toISOString();
      item.dataset.clientId = clientId;
      this.#byClientId.set(clientId, item);
      item.dataset.state = "sending";
      this.#list.append(item);
      this.#arrange(item);
    }
    const refused = entry.state === "refused";
    item.dataset.state = entry.state;
    const { notSent, sending } = this.#texts;
    this.#tell(item, refused ? `${notSent} ${entry.reason}`.trim() : sending);
    this.#offerRetry(item, refused);
    this.toEnd();
  }

  /** The other side has seen everything up to `seq`. */
  seen(seq) {
    if (seq <= this.#seen) return;
    this.#seen = seq;
    this.#mark();
  }

  /** Something that happened and that nobody wrote: "Anna reads along". Not kept by the server. */
  note(text) {
    const follow = this.isAtEnd;
    const item = element("li", "transcript-line");
    item.append(element("p", "", text));
    this.#list.insertBefore(item, this.#firstPending());
    if (follow) this.toEnd();
  }

  /** Scroll to the newest, without moving the focus. */
  toEnd() {
    const scroller = this.#scroller();
    scroller.scrollTop = scroller.scrollHeight;
  }

  /** Take everything away, for example for another conversation. */
  clear() {
    this.#list.replaceChildren();
    this.#bySeq.clear();
    this.#byClientId.clear();
    this.#marked.clear();
    this.#top = this.#highest = this.#seen = 0;
  }

  /** Whoever reads the newest words keeps them in sight when the room for them shrinks or grows. */
  #follow(scroller) {
    let follows = true;
    scroller.addEventListener("scroll", () => (follows = this.isAtEnd));
    new ResizeObserver(() => follows && !this.isEmpty && this.toEnd()).observe(scroller);
  }

  #adopt(item) {
    const seq = Number(item.dataset.seq);
    item.dataset.at = item.querySelector("time").dateTime;
    this.#dress(item);
    this.#number(item, seq);
    this.#highest = Math.max(this.#highest, seq);
    this.#arrange(item);
  }

  #number(item, seq) {
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
    const pending = this.#firstPending();
    let before = pending && this.#startOf(pending);
    if (seq < this.#highest) {
      for (let other = seq + 1; other <= this.#highest; other += 1) {
        if (!this.#bySeq.has(other)) continue;
        before = this.#startOf(this.#bySeq.get(other));
        break;
      }
    }
    this.#highest = Math.max(this.#highest, seq);
    if (!item.parentNode || item.nextElementSibling !== before) {
      const left = item.parentNode && this.#neighbour(item, "nextElementSibling");
      if (this.#startOf(item) !== item) item.previousElementSibling.remove();
      this.#list.insertBefore(item, before);
      if (left) this.#arrange(left);
    }
    this.#arrange(item);
    const next = this.#neighbour(item, "nextElementSibling");
    if (next) this.#arrange(next);
  }

  /** The line with the day above an item belongs to it. */
  #startOf(item) {
    const above = item.previousElementSibling;
    return above?.classList.contains("transcript-day") ? above : item;
  }

  /** The message before or after this one, past days and lines. */
  #neighbour(item, direction) {
    let other = item[direction];
    while (other && !other.classList.contains("message")) other = other[direction];
    return other;
  }

  /** Name, time, day and whether it continues the one above: all follow from where it stands. */
  #arrange(item) {
    const { author, name, at } = item.dataset;
    const when = new Date(at);
    const previous = this.#neighbour(item, "previousElementSibling");

    const mine = author === this.#mine;
    // At the desk a colleague may have written before: on our side, but not "you".
    const colleague = mine && this.#myName && name && name !== this.#myName;
    item.classList.toggle("is-colleague", Boolean(colleague));
    const who = mine && !colleague ? this.#texts.you : name || this.#texts.other;
    setText(item.querySelector(".message-head bdi"), who);
    const time = item.querySelector("time");
    time.dateTime = at;
    setText(time, this.#clock.format(when));

    const dayBefore = (previous ? new Date(previous.dataset.at) : new Date()).toDateString();
    const start = this.#startOf(item);
    if (when.toDateString() === dayBefore) {
      if (start !== item) start.remove();
    } else if (start === item) {
      const line = element("li", "transcript-day");
      line.append(element("p", "", this.#day.format(when)));
      item.before(line);
    }

    const above = item.previousElementSibling;
    item.classList.toggle(
      "is-continued",
      above !== null &&
        above === previous &&
        above.dataset.author === author &&
        (above.dataset.name ?? "") === (name ?? "") &&
        when - new Date(above.dataset.at) < TOGETHER,
    );
  }

  /** Of one's own messages that were stored, the last one and the last one seen say so. */
  #mark() {
    let last = null;
    let lastSeen = null;
    let item = this.#list.lastElementChild;
    for (; item && !lastSeen; item = item.previousElementSibling) {
      if (!item.classList.contains("is-mine") || item.dataset.state) continue;
      last ??= item;
      if (Number(item.dataset.seq) <= this.#seen) lastSeen = item;
    }
    const marks = new Map();
    if (last) marks.set(last, this.#texts.sent);
    if (lastSeen) marks.set(lastSeen, this.#texts.seen);
    for (const old of this.#marked.keys()) if (!marks.has(old)) this.#tell(old, "");
    for (const [marked, text] of marks) this.#tell(marked, text);
    this.#marked = marks;
  }

  #tell(item, text) {
    setText(item.querySelector(".message-state"), text);
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
