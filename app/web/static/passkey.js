// Passkeys: a form asks the server what to ask the browser for, and is sent with the browser's answer.
const toBytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (one) => one.charCodeAt(0));
const toText = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const withBytes = (list) => (list ?? []).map((one) => ({ ...one, id: toBytes(one.id) }));

async function make(options) {
  const user = { ...options.user, id: toBytes(options.user.id) };
  const excludeCredentials = withBytes(options.excludeCredentials);
  const publicKey = { ...options, user, excludeCredentials, challenge: toBytes(options.challenge) };
  const made = await navigator.credentials.create({ publicKey });
  return {
    clientDataJSON: toText(made.response.clientDataJSON),
    attestationObject: toText(made.response.attestationObject),
    transports: made.response.getTransports?.() ?? [],
    made,
  };
}

async function use(options) {
  const allowCredentials = withBytes(options.allowCredentials);
  const made = await navigator.credentials.get({ publicKey: { ...options, allowCredentials, challenge: toBytes(options.challenge) } });
  const handle = made.response.userHandle;
  return {
    clientDataJSON: toText(made.response.clientDataJSON),
    authenticatorData: toText(made.response.authenticatorData),
    signature: toText(made.response.signature),
    userHandle: handle ? toText(handle) : null,
    made,
  };
}

async function answer(form) {
  const body = new URLSearchParams({ csrf_token: form.elements.csrf_token.value });
  const asked = await fetch(form.dataset.options, { method: "POST", body, headers: { "X-CSRF-Token": body.get("csrf_token") } });
  if (asked.redirected) window.location.assign(asked.url); // the server asks to confirm first
  if (asked.redirected || !asked.ok) throw new Error(`the server answers ${asked.status}`);
  const { made, ...response } = await (form.dataset.passkey === "make" ? make : use)(await asked.json());
  form.elements.credential.value = JSON.stringify({ id: made.id, rawId: toText(made.rawId), type: made.type, response });
}

for (const form of document.querySelectorAll("[data-passkey]")) {
  if (!window.PublicKeyCredential) continue;
  const problem = form.querySelector("[data-problem]");
  form.hidden = false;
  document.querySelector("[data-no-passkeys]")?.remove();
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    problem.hidden = true;
    try {
      await answer(form);
      form.submit();
    } catch {
      problem.hidden = false; // the user cancelled, or the browser has no passkey: it does not say which
    }
  });
}
