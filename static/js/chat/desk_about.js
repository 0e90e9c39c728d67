/** The right pane: what the young person told before, notes among staff, and the registration. */

import {
  byId,
  changeLines,
  clock,
  clone,
  follow,
  put,
  putLines,
  putUrgency,
  say,
  show,
  slot,
} from "./desk_dom.js";
import { Outbox } from "./outbox.js";
import { topicDetails } from "./topic_detail.js";

/** The questions of the registration, in the pane and in the dialog of closing. */
export const REGISTRATION = ["contact_kind", "topic", "topic_detail", "risk"];
/** Without these it is no registration. */
export const NEEDED = ["contact_kind", "topic"];
const FIELDS = { contact_kind: "contact-kind", topic: "topic", topic_detail: "topic-detail", risk: "risk" };
const kindsWithoutTopic = JSON.parse(byId("kinds-without-topic").textContent);

/** The select of a registration question: `prefix` is "draft" (pane) or "close" (dialog). */
export const registrationField = (prefix, name) => byId(`${prefix}-${FIELDS[name]}`);

/** A test or a wrong address has no topic: do not make the worker look for one. */
export function fillTopic(prefix) {
  const kind = registrationField(prefix, "contact_kind").value;
  const topic = registrationField(prefix, "topic");
  if (kindsWithoutTopic.includes(kind) && !topic.value) topic.value = "unknown";
  offerDetails(prefix);
}

const offers = new Map(
  ["draft", "close"].map((prefix) => [
    prefix,
    topicDetails(registrationField(prefix, "topic"), registrationField(prefix, "topic_detail")),
  ]),
);

/** Offer the subcategories of the topic that was chosen, and forget one that is not among them. */
const offerDetails = (prefix) => offers.get(prefix)();

/** Fill in what is known so far. */
export function fillRegistration(prefix, registration) {
  for (const name of REGISTRATION) {
    if (name === "topic_detail") offerDetails(prefix);
    registrationField(prefix, name).value = registration[name];
  }
}

/** Topic, age, region and wishes, as far as they are known. */
function facts(intake) {
  if (!intake) return [];
  const { topic, age, region, wishes, danger } = intake;
  return [topic, age && say("age", { age }), region, ...wishes, danger ? say("saw_help_lines") : ""].filter(Boolean);
}

export class About {
  #state;
  #outbox;

  /**
   * @param {object} options
   * @param {import("./desk_state.js").State} options.state
   * @param {(frame: object) => boolean} options.send hands a frame to the connection
   */
  constructor({ state, send }) {
    this.#state = state;
    this.#outbox = new Outbox({ send, onChange: (entry) => this.#noteChanged(entry) });
    state.addEventListener("selected", () => this.#draw());
    state.addEventListener("chat", ({ detail }) => detail.chat.id === state.selected && this.#draw());
    state.addEventListener("notes", ({ detail }) => this.#takeNotes(detail.chat));
    byId("note-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#postNote();
    });
    byId("note-text").addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.#postNote();
    });
    byId("note-text").addEventListener("input", () => {
      if (state.chat) state.chat.noteDraft = byId("note-text").value;
    });
    for (const name of REGISTRATION) {
      registrationField("draft", name).addEventListener("change", () => {
        fillTopic("draft");
        for (const one of REGISTRATION) {
          if (state.chat) state.chat.registration[one] = registrationField("draft", one).value;
        }
      });
    }
  }

  /** True when a note is not stored yet. */
  get hasUnsaved() {
    const chats = [...this.#state.chats.values()];
    return this.#outbox.entries.length > 0 || chats.some((chat) => chat.noteDraft.trim());
  }

  resend() {
    this.#outbox.resend();
  }

  /** Take a `message.refused`. */
  refuse(frame) {
    return this.#outbox.refuse(frame);
  }

  // --- Drawing ----------------------------------------------------------------------------------

  #draw() {
    const { chat } = this.#state;
    show(byId("about"), Boolean(chat));
    show(byId("about-none"), !chat);
    if (!chat) return;
    const { intake } = chat;
    putUrgency(byId("about-urgency"), chat.urgency);
    putLines(byId("about-reasons"), intake?.reasons ?? []);
    putLines(byId("about-changes"), changeLines(intake?.changes ?? []));
    show(byId("open-urgency"), chat.status === "active");
    put(byId("about-brand"), intake?.brand ?? "");
    putLines(byId("about-facts"), facts(intake));
    show(byId("about-version"), Boolean(intake?.version));
    if (intake?.version) put(byId("about-version"), say("version", { n: intake.version }));
    this.#drawAnswers(intake?.answers ?? []);
    show(byId("answers-none"), Boolean(intake) && intake.answers.length === 0);
    if (byId("note-text").value !== chat.noteDraft) byId("note-text").value = chat.noteDraft;
    fillRegistration("draft", chat.registration);
    this.#drawNotes();
  }

  #drawAnswers(answers) {
    const list = byId("answers");
    const text = JSON.stringify(answers);
    if (list.dataset.shown === text) return;
    list.dataset.shown = text;
    list.replaceChildren(
      ...answers.map(({ question, answer }) => {
        const pair = document.createElement("div");
        const term = document.createElement("dt");
        const description = document.createElement("dd");
        term.textContent = question;
        description.textContent = answer || say("no_answer");
        pair.append(term, description);
        return pair;
      }),
    );
  }

  // --- Notes ------------------------------------------------------------------------------------

  #drawNotes() {
    const { chat } = this.#state;
    const pending = this.#outbox.entries
      .filter((entry) => entry.frame.conversation === chat.id && entry.state === "sending")
      .map((entry) => ({ id: entry.frame.client_id, text: entry.frame.text, isPending: true }));
    follow(byId("notes"), [...chat.notes, ...pending], {
      key: (note) => String(note.id),
      create: () => clone("note-item"),
      fill: (item, note) => {
        const isMine = note.isPending || note.mine;
        put(slot(item, "name"), isMine ? say("note_by_me") : note.name);
        put(slot(item, "at"), note.isPending ? say("note_sending") : clock(note.at));
        put(slot(item, "text"), note.text);
        item.classList.toggle("is-sending", Boolean(note.isPending));
      },
    });
  }

  #postNote() {
    const { chat } = this.#state;
    const field = byId("note-text");
    const text = field.value.trim();
    if (!chat || !text) return field.focus();
    this.#tell("");
    field.value = chat.noteDraft = "";
    this.#outbox.post({ type: "note.post", conversation: chat.id, text });
  }

  /** All notes of a chat came in. Ours are stored when they are among them. */
  #takeNotes(chat) {
    for (const note of chat.notes) this.#outbox.acknowledge(note);
    if (chat.id === this.#state.selected) this.#drawNotes();
  }

  #noteChanged(entry) {
    const { conversation, text, client_id: clientId } = entry.frame;
    const chat = this.#state.chats.get(conversation);
    if (entry.state === "refused") {
      // Give the words back: they are not stored anywhere else.
      this.#outbox.forget(clientId);
      if (chat) chat.noteDraft = [text, chat.noteDraft].filter(Boolean).join("\n\n");
      this.#tell(entry.reason || say("note_not_stored"));
    }
    if (chat && chat.id === this.#state.selected) this.#draw();
  }

  #tell(text) {
    put(byId("note-error"), text);
    show(byId("note-error"), Boolean(text));
  }
}
