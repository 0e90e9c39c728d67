/**
 * What this window knows of the desk. Made of the server's frames alone; tells by events what
 * changed, so that each part of the page redraws only itself.
 *
 * Events: `desk` (queue, load, availability, colleagues), `chats` (the list of own chats),
 * `chat` {chat} (facts of one), `messages` {chat, frame}, `notes` {chat}, `arrived` {frame} (somebody
 * new in the queue), `raised` {item} (somebody in the queue needs help now, and did not before),
 * `heard` {chat} (a new message of a visitor), `checklists` {chat}, `gone` {chat, why}.
 */

import { say } from "./desk_dom.js";

const TYPING_LASTS = 6000;
/** Between the moment that somebody is written down as waiting and the one that we can read it. */
const COMMIT_TAKES = 5000;

/** What is told about a chat that left this desk, by the reason in its last change of status. */
const GOODBYES = { handed_over: "gone_handed_over", worker_lost: "gone_lost" };

/** One own chat, with what its worker was doing in it. */
export class Chat {
  status = "active";
  label = "";
  urgency = "normal";
  isPresent = true;
  toRegister = false;
  unread = 0;
  /**
   * The highest number that exists, that this window has without holes (its transcript knows), and
   * that I have seen.
   */
  top = 0;
  last = 0;
  seenByMe = 0;
  seenByVisitor = 0;
  intake = null;
  notes = [];
  /** Steps of the protocols that were taken: `{checklist, step, name, at}`. */
  ticks = [];
  isTyping = false;
  typingTimer = 0;
  goodbye = "gone";
  /** Whether this connection was asked for it. */
  isAsked = false;
  draft = "";
  noteDraft = "";
  registration = { contact_kind: "", topic: "", topic_detail: "", risk: "" };
  /** The time signal that was put away: 0, 30 or 45. */
  signalSeen = 0;

  constructor(id) {
    this.id = id;
  }
}

export class State extends EventTarget {
  epoch = "";
  me = null;
  desk = null;
  /** When that came, on the clock of this page. */
  deskAt = 0;
  /** Own chats, in the server's order. */
  chats = new Map();
  selected = null;
  /** Whether the worker is looking at the selected conversation right now. */
  isLooking = () => false;
  #queued = null;
  /** What was typed in chats that left: they may come back. */
  #drafts = new Map();

  get chat() {
    return this.chats.get(this.selected) ?? null;
  }

  get isAvailable() {
    return this.desk?.availability === "available";
  }

  get unread() {
    return [...this.chats.values()].reduce((sum, chat) => sum + chat.unread, 0);
  }

  /** How many wait, also those of whom no card is shown. */
  get waiting() {
    return Object.values(this.desk?.waiting ?? {}).reduce((sum, n) => sum + n, 0);
  }

  /** The same for those without a card, by urgency. */
  get unseen() {
    const { waiting = {}, queue = [] } = this.desk ?? {};
    const unseen = { ...waiting };
    for (const { urgency } of queue) unseen[urgency] -= 1;
    return unseen;
  }

  /** How many seconds a waiting chat is still first for somebody; 0 when it is not (any more). */
  firstFor({ first }) {
    if (!first) return 0;
    const passed = (performance.now() - this.deskAt) / 1000;
    return Math.max(0, Math.ceil(first.seconds - passed));
  }

  /** For `hello`: what this window has. Marks all of it as asked for. */
  positions() {
    const positions = {};
    for (const chat of this.chats.values()) {
      positions[chat.id] = chat.last;
      chat.isAsked = true;
    }
    return positions;
  }

  select(id) {
    this.selected = this.chats.has(id) ? id : null;
    this.#tell("selected");
  }

  /** The worker sees the selected conversation. Returns the number to report, or 0. */
  look() {
    const { chat } = this;
    if (!chat || !this.isLooking()) return 0;
    const wasUnread = chat.unread > 0;
    chat.unread = 0;
    const isNews = chat.last > chat.seenByMe;
    chat.seenByMe = Math.max(chat.seenByMe, chat.last);
    if (wasUnread) this.#tell("chats");
    return isNews ? chat.last : 0;
  }

  /** Take a frame of the server. Unknown ones are for other parts of the page. */
  apply(frame) {
    switch (frame.type) {
      case "hello":
        this.me = frame.me;
        break;
      case "desk":
        this.#applyDesk(frame);
        break;
      case "heartbeat":
        break;
      default:
        this.#applyToChat(frame, this.chats.get(frame.conversation));
    }
  }

  #applyDesk(frame) {
    const before = this.desk;
    const wasWhole = before && this.waiting === before.queue.length;
    this.desk = frame;
    this.deskAt = performance.now();
    const mine = new Map();
    for (const item of frame.mine) {
      const chat = this.chats.get(item.conversation) ?? this.#begin(item);
      mine.set(chat.id, this.#update(chat, item));
    }
    const gone = [...this.chats.values()].filter((chat) => !mine.has(chat.id));
    this.chats = mine;
    for (const chat of gone) this.#end(chat);
    this.#tell("desk");
    this.#tell("chats");
    const known = this.#queued;
    this.#queued = new Map(frame.queue.map((item) => [item.conversation, item.urgency]));
    for (const item of known ? frame.queue : []) {
      const was = known.get(item.conversation);
      // Of a long queue not all was shown: somebody may have moved up, or be raised, out of that.
      const isNew = wasWhole || Date.parse(item.since) > Date.parse(before.at) - COMMIT_TAKES;
      if (!was && isNew) this.#tell("arrived", { item });
      else if (was !== "now" && item.urgency === "now") this.#tell("raised", { item });
    }
  }

  #begin(item) {
    const chat = new Chat(item.conversation);
    chat.draft = this.#drafts.get(chat.id) ?? "";
    chat.isPresent = item.present;
    this.#drafts.delete(chat.id);
    return chat;
  }

  #update(chat, item) {
    const { isPresent } = chat;
    Object.assign(chat, {
      label: say("who", { label: item.label }),
      urgency: item.urgency,
      status: item.status,
      isPresent: item.present,
      toRegister: item.to_register,
      top: Math.max(chat.top, item.top),
    });
    // A frame that was made before our "seen" arrived must not bring the count back.
    const isSeen = item.top <= chat.seenByMe || (chat.id === this.selected && this.isLooking());
    chat.unread = isSeen ? 0 : item.unread;
    if (isPresent !== item.present) this.#tell("presence", { chat });
    this.#tell("chat", { chat });
    return chat;
  }

  #end(chat) {
    clearTimeout(chat.typingTimer);
    if (chat.draft) this.#drafts.set(chat.id, chat.draft);
    const why = chat.toRegister ? "gone_registered" : chat.goodbye;
    const wasSelected = chat.id === this.selected;
    if (wasSelected) this.selected = null;
    this.#tell("gone", { chat, why, wasSelected });
    if (wasSelected) this.#tell("selected");
  }

  #applyToChat(frame, chat) {
    if (!chat) return;
    switch (frame.type) {
      case "opened":
        chat.seenByVisitor = Math.max(chat.seenByVisitor, frame.seen);
        chat.isPresent = frame.present;
        chat.status = frame.status;
        chat.top = Math.max(chat.top, frame.top);
        break;
      case "intake":
        // What is known beforehand, once; the worker may choose otherwise.
        if (!chat.intake) {
          chat.registration.contact_kind ||= frame.contact_kind;
          if (!chat.registration.topic) {
            chat.registration.topic = frame.topic_code;
            chat.registration.topic_detail = frame.topic_detail;
          }
        }
        chat.intake = frame;
        break;
      case "checklists":
        chat.ticks = frame.ticks;
        this.#tell("checklists", { chat });
        return;
      case "notes":
        chat.notes = frame.notes;
        this.#tell("notes", { chat });
        return;
      case "message.posted":
        this.#receive(chat, frame);
        return;
      case "status.changed":
        chat.status = frame.status;
        chat.goodbye = GOODBYES[frame.reason] ?? (frame.status === "closed" ? "gone_closed" : "gone");
        this.#setTyping(chat, false);
        this.#tell("messages", { chat, frame });
        break;
      case "typing":
        if (frame.author !== "visitor") return;
        this.#setTyping(chat, frame.on);
        return;
      case "seen":
        if (frame.author === "visitor") {
          chat.seenByVisitor = Math.max(chat.seenByVisitor, frame.seq);
        } else {
          // Another window of mine.
          chat.seenByMe = Math.max(chat.seenByMe, frame.seq);
          if (chat.seenByMe >= chat.top) chat.unread = 0;
          this.#tell("chats");
        }
        break;
      case "presence.changed":
        if (chat.isPresent === frame.present) return;
        chat.isPresent = frame.present;
        this.#tell("presence", { chat });
        break;
      default:
        return;
    }
    this.#tell("chat", { chat });
  }

  #receive(chat, frame) {
    const isNew = frame.seq > chat.top;
    chat.top = Math.max(chat.top, frame.seq);
    if (frame.author === "visitor") this.#setTyping(chat, false);
    this.#tell("messages", { chat, frame });
    if (!isNew) return;
    if (frame.author === "visitor") {
      const isSeen = chat.id === this.selected && this.isLooking();
      if (!isSeen) chat.unread += 1;
      this.#tell("heard", { chat });
    }
    this.#tell("chats");
  }

  #setTyping(chat, isTyping) {
    clearTimeout(chat.typingTimer);
    if (isTyping) chat.typingTimer = setTimeout(() => this.#setTyping(chat, false), TYPING_LASTS);
    if (chat.isTyping === isTyping) return;
    chat.isTyping = isTyping;
    this.#tell("chat", { chat });
  }

  #tell(name, detail = {}) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
