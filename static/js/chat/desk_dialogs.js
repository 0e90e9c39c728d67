/**
 * The dialogs of the verbs: take one all the same, hand over, close, register.
 *
 * `<dialog>` keeps the focus inside, closes with Escape, and gives the focus back. A dialog stays
 * open until the server answered; a refusal is told in it, with everything that was filled in.
 */

import { fillRegistration, fillTopic, NEEDED, REGISTRATION, registrationField } from "./desk_about.js";
import { byId, put, say, show, slot } from "./desk_dom.js";

for (const dialog of document.querySelectorAll("dialog")) {
  for (const button of dialog.querySelectorAll("[data-cancel]")) {
    button.addEventListener("click", () => dialog.close());
  }
}

/** Ask whether to take one more. Resolves to true for "take it all the same". */
export function askDespite(text) {
  const dialog = byId("despite-dialog");
  put(byId("despite-text"), text);
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

/** One dialog with a form that gives an order about the selected conversation. */
export class VerbDialog {
  constructor(id, run) {
    this.dialog = byId(id);
    this.form = this.dialog.querySelector("form");
    this.run = run;
    this.conversation = "";
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
  }

  open(conversation) {
    this.conversation = conversation;
    this.tell("");
    this.setBusy(false);
    this.dialog.showModal();
  }

  /** The conversation left by itself: there is nothing to ask about any more. */
  closeFor(conversation) {
    if (this.dialog.open && this.conversation === conversation) this.dialog.close();
  }

  tell(text) {
    put(slot(this.form, "error"), text);
    show(slot(this.form, "error"), Boolean(text));
  }

  setBusy(isBusy) {
    this.isBusy = isBusy;
    this.form.querySelector("[type=submit]").setAttribute("aria-disabled", String(isBusy));
  }

  async submit() {
    if (this.isBusy) return;
    const missing = this.firstMissing();
    if (missing) {
      this.tell(say("choose_first"));
      missing.focus();
      return;
    }
    this.tell("");
    this.setBusy(true);
    const outcome = await this.run(this.frame());
    this.setBusy(false);
    if (outcome.ok) this.dialog.close();
    else this.tell(outcome.text);
  }

  firstMissing() {
    return null;
  }
}

export class HandOverDialog extends VerbDialog {
  /** @param {(frame: object) => Promise<import("./desk_commands.js").Outcome>} run */
  constructor(run, state) {
    super("hand-over-dialog", run);
    this.state = state;
    state.addEventListener("desk", () => this.dialog.open && this.#drawColleagues());
  }

  open(conversation) {
    this.form.reset();
    this.#drawColleagues();
    super.open(conversation);
  }

  frame() {
    const { to, note } = this.form.elements;
    return {
      type: "conversation.hand_over",
      conversation: this.conversation,
      to: to.value ? Number(to.value) : null,
      note: note.value.trim(),
    };
  }

  #drawColleagues() {
    const chosen = this.form.elements.to.value;
    const { colleagues } = this.state.desk;
    byId("colleagues").replaceChildren(...colleagues.map((one) => colleagueChoice(one)));
    show(byId("colleagues-none"), colleagues.length === 0);
    const again = [...this.form.querySelectorAll("[name=to]")].find((one) => one.value === chosen);
    (again && !again.disabled ? again : this.form.querySelector("[name=to]")).checked = true;
  }
}

function colleagueChoice({ id, name, institution, state, chats, cap }) {
  const label = document.createElement("label");
  const radio = document.createElement("input");
  const text = document.createElement("span");
  const isPaused = state !== "available";
  label.className = "desk-choice";
  Object.assign(radio, { type: "radio", name: "to", value: String(id), disabled: isPaused });
  const key = isPaused ? "colleague_paused" : "colleague";
  text.textContent = say(key, { name, institution, n: chats, cap });
  label.append(radio, text);
  return label;
}

export class CloseDialog extends VerbDialog {
  /** @param {(frame: object) => Promise<import("./desk_commands.js").Outcome>} run */
  constructor(run) {
    super("close-dialog", run);
    for (const name of ["contact_kind", "topic"]) {
      registrationField("close", name).addEventListener("change", () => fillTopic("close"));
    }
  }

  /** @param {import("./desk_state.js").Chat} chat one that runs, or that only needs registering */
  open(chat) {
    this.form.reset();
    this.isRegistering = chat.toRegister;
    const which = this.isRegistering ? "register" : "close";
    for (const id of ["close-title", "close-submit"]) put(byId(id), byId(id).dataset[which]);
    byId("close-reasons").disabled = this.isRegistering;
    show(byId("close-reasons"), !this.isRegistering);
    if (!chat.isPresent && !this.isRegistering) this.form.elements.reason.value = "visitor_left";
    fillRegistration("close", chat.registration);
    super.open(chat.id);
  }

  firstMissing() {
    const { reason } = this.form.elements;
    const fields = NEEDED.map((name) => registrationField("close", name));
    const missing = fields.filter((field) => !field.value);
    for (const field of fields) field.setAttribute("aria-invalid", String(!field.value));
    if (!this.isRegistering && !reason.value) missing.unshift(reason[0]);
    return missing[0] ?? null;
  }

  frame() {
    const frame = {
      type: this.isRegistering ? "conversation.register" : "conversation.close",
      conversation: this.conversation,
    };
    if (!this.isRegistering) frame.reason = this.form.elements.reason.value;
    for (const name of REGISTRATION) frame[name] = registrationField("close", name).value;
    return frame;
  }
}
