/** Raise or lower the urgency, of somebody who waits or of the own chat that is shown. */

import { VerbDialog } from "./desk_dialogs.js";
import { byId, put, say } from "./desk_dom.js";

export class UrgencyDialog extends VerbDialog {
  #state;

  /**
   * @param {(frame: object, isDone: () => boolean) => Promise<import("./desk_commands.js").Outcome>} run
   * @param {import("./desk_state.js").State} state
   */
  constructor(run, state) {
    // Who is calmer now may be too far back to be shown: then the card goes, and that is the answer.
    const isDone = (frame) => (this.#urgency() ?? frame.urgency) === frame.urgency;
    super("urgency-dialog", (frame) => run(frame, () => isDone(frame)));
    this.#state = state;
    // Claimed by somebody else, or left: there is nothing to change any more.
    state.addEventListener("desk", () => this.dialog.open && !this.#urgency() && this.dialog.close());
  }

  /** @param {{id: string, label: string, urgency: string}} chat */
  ask({ id, label, urgency }) {
    this.form.reset();
    put(byId("urgency-dialog-who"), label);
    this.form.elements.urgency.value = urgency;
    this.open(id);
  }

  #urgency() {
    const { chats, desk } = this.#state;
    const waiting = desk.queue.find((item) => item.conversation === this.conversation);
    return chats.get(this.conversation)?.urgency ?? waiting?.urgency;
  }

  firstMissing() {
    const { urgency, reason } = this.form.elements;
    if (urgency.value === this.#urgency()) {
      this.missing = "urgency_same";
      return [...urgency].find((one) => one.checked);
    }
    this.missing = "reason_first";
    return reason.value.trim() ? null : reason;
  }

  tell(text) {
    super.tell(text === say("choose_first") ? say(this.missing) : text);
  }

  frame() {
    const { urgency, reason } = this.form.elements;
    return {
      type: "conversation.urgency",
      conversation: this.conversation,
      urgency: urgency.value,
      reason: reason.value.trim(),
    };
  }
}
