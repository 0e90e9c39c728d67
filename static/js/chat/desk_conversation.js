/** The middle pane: one transcript per own chat, one composer that keeps a draft for each. */

import { Composer } from "./composer.js";
import {
  announce,
  byId,
  minutesSince,
  put,
  putUrgency,
  say,
  show,
} from "./desk_dom.js";
import { Outbox } from "./outbox.js";
import { Transcript, element } from "./transcript.js";

const TICK = 10000;
/** Where desk.css lets the whole page scroll. */
const lowWindow = matchMedia("(max-height: 34rem)");
/** After so many minutes a gentle word about the time. */
const SIGNALS = [45, 30];

export class Conversation {
  #state;
  #send;
  #outbox;
  #composer;
  #transcripts = new Map();
  #typingIn = "";

  /**
   * @param {object} options
   * @param {import("./desk_state.js").State} options.state
   * @param {(frame: object) => boolean} options.send hands a frame to the connection
   */
  constructor({ state, send }) {
    this.#state = state;
    this.#send = send;
    this.#outbox = new Outbox({ send, onChange: (entry) => this.#drawEntry(entry) });
    this.#composer = new Composer({
      form: byId("composer"),
      counter: byId("composer-left"),
      texts: { left: say("characters_left"), tooMany: say("too_long") },
      onPost: (text) => this.#post(text),
      onTyping: (on) => this.#tellTyping(on),
    });
    byId("composer-text").addEventListener("input", () => this.#keepDraft());
    byId("time-signal-close").addEventListener("click", () => this.#closeSignal());
    state.addEventListener("chats", () => this.#followChats());
    state.addEventListener("selected", () => this.#draw());
    state.addEventListener("messages", ({ detail }) => this.#take(detail.chat, detail.frame));
    state.addEventListener("chat", ({ detail }) => this.#drawChat(detail.chat));
    state.addEventListener("gone", ({ detail }) => this.#leave(detail));
    setInterval(() => this.#drawTime(), TICK);
  }

  /** True when words would be lost with this page. */
  get hasUnsaved() {
    const chats = [...this.#state.chats.values()];
    return this.#outbox.entries.length > 0 || chats.some((chat) => chat.draft.trim());
  }

  /** After each hello: what is on its way goes again. */
  resend() {
    this.#outbox.resend();
  }

  /** Take a `message.refused`. */
  refuse(frame) {
    return this.#outbox.refuse(frame);
  }

  /** True when a number was skipped somewhere. */
  get hasGap() {
    return [...this.#transcripts.values()].some((one) => one.hasGap);
  }

  focus() {
    if (!byId("composer").hidden) this.#composer.focus();
    else if (this.#state.chat) byId("conversation-title").focus();
    else byId("none-title").focus();
  }

  /** Put words in the composer, at the caret; nothing is sent. */
  insert(text) {
    const field = byId("composer-text");
    const before = field.value.slice(0, field.selectionStart);
    const after = field.value.slice(field.selectionEnd);
    const space = before && !/\s$/.test(before) ? " " : "";
    this.#composer.text = before + space + text + after;
    this.#keepDraft();
    this.#composer.focus();
    const caret = (before + space + text).length;
    field.setSelectionRange(caret, caret);
  }

  /** Tell the server how far the worker has looked. */
  look() {
    const seq = this.#state.look();
    if (seq) this.#send({ type: "seen", conversation: this.#state.selected, seq });
  }

  // --- Chats come and go ------------------------------------------------------------------------

  #followChats() {
    for (const chat of this.#state.chats.values()) {
      if (!this.#transcripts.has(chat.id)) this.#begin(chat);
    }
  }

  #begin(chat) {
    const log = element("div", "transcript");
    log.setAttribute("role", "log");
    log.setAttribute("aria-label", chat.label);
    log.tabIndex = 0; // so that the keyboard can scroll it
    log.dataset.conversation = chat.id;
    log.append(element("ol", "messages"));
    show(log, chat.id === this.#state.selected);
    byId("transcripts").append(log);
    const transcript = new Transcript(log, {
      mine: "worker",
      myName: byId("desk").dataset.name,
      texts: {
        you: say("you"),
        other: chat.label,
        sending: say("sending"),
        sent: say("sent"),
        seen: say("seen"),
        notSent: say("not_sent"),
        retry: say("resend"),
      },
      onRetry: (clientId) => this.#outbox.retry(clientId),
      scroller: () => (lowWindow.matches ? document.scrollingElement : log),
    });
    transcript.log = log;
    this.#transcripts.set(chat.id, transcript);
  }

  #leave({ chat, why, wasSelected }) {
    this.#transcripts.get(chat.id)?.log.remove();
    this.#transcripts.delete(chat.id);
    for (const entry of this.#outbox.entries) {
      if (entry.frame.conversation === chat.id) this.#outbox.forget(entry.frame.client_id);
    }
    this.#send({ type: "conversation.leave", conversation: chat.id });
    if (wasSelected) put(byId("none-title"), say(why));
    announce(say(why));
  }

  // --- Messages ---------------------------------------------------------------------------------

  #post(text) {
    const { chat } = this.#state;
    if (!chat || chat.status !== "active") return false;
    this.#outbox.post({ type: "message.post", conversation: chat.id, text });
    chat.draft = "";
    return true;
  }

  #drawEntry(entry) {
    this.#transcripts.get(entry.frame.conversation)?.pending(entry);
  }

  #take(chat, frame) {
    const transcript = this.#transcripts.get(chat.id) ?? this.#beginNow(chat);
    if (frame.type === "status.changed") {
      this.#noteStatus(transcript, frame);
      return;
    }
    this.#outbox.acknowledge(frame);
    transcript.accept(frame);
    chat.last = transcript.top;
    if (chat.id === this.#state.selected) this.look();
  }

  #beginNow(chat) {
    this.#begin(chat);
    return this.#transcripts.get(chat.id);
  }

  #noteStatus(transcript, frame) {
    const key = {
      active: "status_claimed",
      waiting: frame.reason === "handed_over" ? "status_handed_over" : "",
      closed: "status_closed",
    }[frame.status];
    if (key) transcript.note(say(key, { name: frame.worker }));
  }

  #tellTyping(on) {
    const conversation = on ? this.#state.selected : this.#typingIn;
    this.#typingIn = on ? conversation : "";
    if (conversation && this.#state.chats.has(conversation)) {
      this.#send({ type: "typing", conversation, on });
    }
  }

  #keepDraft() {
    if (this.#state.chat) this.#state.chat.draft = this.#composer.text;
  }

  // --- Drawing ----------------------------------------------------------------------------------

  #draw() {
    const { chat } = this.#state;
    show(byId("conversation-none"), !chat);
    show(byId("conversation"), Boolean(chat));
    for (const [id, { log }] of this.#transcripts) show(log, id === chat?.id);
    if (this.#typingIn && this.#typingIn !== chat?.id) this.#tellTyping(false);
    if (!chat) return;
    this.#composer.text = chat.draft;
    this.#drawChat(chat);
    this.#transcripts.get(chat.id)?.toEnd();
    this.look();
  }

  #drawChat(chat) {
    this.#transcripts.get(chat.id)?.seen(chat.seenByVisitor);
    if (chat.id !== this.#state.selected) return;
    put(byId("conversation-title"), chat.label);
    putUrgency(byId("conversation-urgency"), chat.urgency);
    const presence = byId("conversation-presence");
    put(presence, say(chat.isPresent ? "present" : "away"));
    presence.classList.toggle("is-present", chat.isPresent);
    show(presence, !chat.toRegister);
    put(byId("typing"), chat.isTyping ? say("typing", { label: chat.label }) : "");
    const isOver = chat.toRegister || chat.status !== "active";
    show(byId("composer"), !isOver);
    show(byId("conversation-verbs"), !isOver);
    show(byId("ended"), chat.toRegister);
    this.#drawTime();
  }

  #drawTime() {
    const { chat } = this.#state;
    const since = chat?.intake?.claimed_at;
    const isOver = !chat || chat.toRegister || chat.status !== "active";
    const minutes = since ? minutesSince(since) : 0;
    const time = byId("conversation-time");
    show(time, Boolean(since) && !isOver);
    put(time, minutes ? say("minutes", { n: minutes }) : say("just_started"));
    const signal = SIGNALS.find((one) => minutes >= one) ?? 0;
    const isShown = !isOver && signal > (chat?.signalSeen ?? 0);
    show(byId("time-signal"), isShown);
    put(byId("time-signal-text"), isShown ? say(`signal_${signal}`) : "");
  }

  #closeSignal() {
    const { chat } = this.#state;
    if (!chat?.intake?.claimed_at) return;
    const minutes = minutesSince(chat.intake.claimed_at);
    chat.signalSeen = SIGNALS.find((one) => minutes >= one) ?? 0;
    this.#drawTime();
    this.focus();
  }
}
