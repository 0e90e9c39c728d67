// Passkeys: hands the server's options to the device, and posts what the device signed.
//
// A form with data-passkey="create" or "get" holds a hidden input named credential. Its options
// stand in the JSON script #passkey-options inside it, or come from the address in data-options.

const SAID = "[data-passkey-problem]";

function bytesOf(text) {
  const base64 = text.replace(/-/g, "+").replace(/_/g, "/");
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

function textOf(buffer) {
  if (!buffer) return null;
  const letters = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte));
  return btoa(letters.join("")).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

function withIds(credentials = []) {
  return credentials.map((credential) => ({ ...credential, id: bytesOf(credential.id) }));
}

async function create({ publicKey }) {
  const credential = await navigator.credentials.create({
    publicKey: {
      ...publicKey,
      challenge: bytesOf(publicKey.challenge),
      user: { ...publicKey.user, id: bytesOf(publicKey.user.id) },
      excludeCredentials: withIds(publicKey.excludeCredentials),
    },
  });
  const { response } = credential;
  return asJson(credential, {
    clientDataJSON: textOf(response.clientDataJSON),
    attestationObject: textOf(response.attestationObject),
    transports: response.getTransports ? response.getTransports() : [],
  });
}

async function get({ publicKey }) {
  const credential = await navigator.credentials.get({
    publicKey: {
      ...publicKey,
      challenge: bytesOf(publicKey.challenge),
      allowCredentials: withIds(publicKey.allowCredentials),
    },
  });
  const { response } = credential;
  return asJson(credential, {
    clientDataJSON: textOf(response.clientDataJSON),
    authenticatorData: textOf(response.authenticatorData),
    signature: textOf(response.signature),
    userHandle: textOf(response.userHandle),
  });
}

function asJson(credential, response) {
  return {
    type: credential.type,
    id: credential.id,
    rawId: textOf(credential.rawId),
    authenticatorAttachment: credential.authenticatorAttachment,
    response,
    clientExtensionResults: credential.getClientExtensionResults(),
  };
}

async function optionsOf(form) {
  const script = form.querySelector("script[type='application/json']");
  if (script) return JSON.parse(script.textContent);
  const answer = await fetch(form.dataset.options, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error("no options");
  return (await answer.json()).request_options;
}

function reasonOf(error) {
  if (error.name === "InvalidStateError") return "known";
  if (error.name === "NotAllowedError" || error.name === "AbortError") return "cancelled";
  return "failed";
}

function say(form, reason) {
  const problem = form.querySelector(SAID);
  problem.textContent = problem.dataset[reason];
  problem.hidden = false;
}

function start(form) {
  const isSupported = Boolean(window.PublicKeyCredential && navigator.credentials);
  const button = form.querySelector("button[type='submit']");
  // A hidden form is one way among others: without passkeys it stays away.
  if (form.hidden && !isSupported) return;
  form.hidden = false;

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!isSupported) {
      say(form, "unsupported");
      return;
    }
    button.disabled = true;
    try {
      const options = await optionsOf(form);
      const ask = form.dataset.passkey === "create" ? create : get;
      form.elements.credential.value = JSON.stringify(await ask(options));
      form.submit();
    } catch (error) {
      say(form, reasonOf(error));
      button.disabled = false;
    }
  });
}

document.querySelectorAll("form[data-passkey]").forEach(start);
