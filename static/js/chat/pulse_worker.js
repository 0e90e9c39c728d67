// The other half of pulse.js: a timer in a thread of its own.
onmessage = (event) => setInterval(() => postMessage(null), event.data);
