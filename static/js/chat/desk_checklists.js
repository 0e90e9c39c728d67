/** The protocols beside the chat: which steps were taken, by whom, when. Ticks are kept at once. */

import { byId, clock, put, say, show, slot } from "./desk_dom.js";

export class Checklists {
  #state;
  #run;
  #lists = [...document.querySelectorAll("[data-checklist]")];

  /**
   * @param {object} options
   * @param {import("./desk_state.js").State} options.state
   * @param {(frame: object, isDone: () => boolean) => Promise<import("./desk_commands.js").Outcome>} options.run
   */
  constructor({ state, run }) {
    this.#state = state;
    this.#run = run;
    state.addEventListener("selected", () => {
      // Another conversation begins with its protocols shut.
      for (const list of this.#lists) list.open = false;
      this.#draw();
    });
    state.addEventListener("checklists", ({ detail }) => {
      if (detail.chat.id === state.selected) this.#draw();
    });
    for (const list of this.#lists) {
      list.addEventListener("change", ({ target }) => this.#tick(list.dataset.checklist, target));
    }
  }

  #find(chat, checklist, step) {
    return chat?.ticks.find((tick) => tick.checklist === checklist && tick.step === step);
  }

  #draw() {
    const { chat } = this.#state;
    this.#tell("");
    for (const list of this.#lists) {
      const boxes = [...list.querySelectorAll("[data-step]")];
      let done = 0;
      for (const box of boxes) {
        const tick = this.#find(chat, list.dataset.checklist, Number(box.dataset.step));
        box.checked = Boolean(tick);
        done += tick ? 1 : 0;
        const by = slot(box.closest("li"), "by");
        if (tick) put(by, say("step_by", { name: tick.name, time: clock(tick.at) }));
        show(by, Boolean(tick));
      }
      put(slot(list, "done"), say("steps_done", { n: done, of: boxes.length }));
    }
  }

  async #tick(checklist, box) {
    const { chat } = this.#state;
    if (!chat) return;
    const step = Number(box.dataset.step);
    const on = box.checked;
    const frame = { type: "checklist.tick", conversation: chat.id, checklist, step, on };
    const outcome = await this.#run(frame, () => Boolean(this.#find(chat, checklist, step)) === on);
    if (outcome.ok || chat.id !== this.#state.selected) return;
    this.#draw();
    this.#tell(outcome.text);
  }

  #tell(text) {
    put(byId("checklists-error"), text);
    show(byId("checklists-error"), Boolean(text));
  }
}
