// Offers, when a letter is registered, the subcategories of its topic only.

import { topicDetails } from "./topic_detail.js";

const topic = document.getElementById("close-topic");
const offer = topicDetails(topic, document.getElementById("close-topic-detail"));
topic.addEventListener("change", offer);
offer();
