// The subcategories of a registration: only those of the topic that was chosen.

/** Return what offers the subcategories of the chosen topic, out of all that the page brought. */
export function topicDetails(topic, detail) {
  const groups = new Map();
  for (const group of detail.querySelectorAll("optgroup")) {
    groups.set(group.dataset.topic, [...group.children]);
  }
  const [none] = detail.options;
  let offered = null;

  return () => {
    if (topic.value === offered) return;
    const options = groups.get(topic.value) ?? [];
    // What the page itself chose stays; what was chosen for another topic does not.
    const chosen = (offered === null && options.find((option) => option.selected)) || none;
    offered = topic.value;
    detail.replaceChildren(none, ...options);
    chosen.selected = true;
    detail.closest(".field").hidden = options.length === 0;
  };
}
