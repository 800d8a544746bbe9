// Authorize by client credentials, and send the requests that a reader tries. Tokens are kept in memory only.
"use strict";

const held = { token: "", client: "", person: "" };
const root = new URL("..", document.baseURI); // the page is at {issuer}/api/docs
const basic = (name, secret) => {
  const bytes = new TextEncoder().encode(`${name}:${secret}`);
  return `Basic ${btoa(String.fromCharCode(...bytes))}`;
};

async function authorize(event) {
  event.preventDefault();
  const form = event.target.elements;
  const status = document.getElementById("authorized");
  const encode = encodeURIComponent; // RFC 6749 §2.3.1: each half is form-encoded
  held.client = basic(encode(form.client_id.value), encode(form.client_secret.value));
  const body = new URLSearchParams({ grant_type: "client_credentials" });
  if (form.scope.value.trim()) body.set("scope", form.scope.value.trim());
  const headers = { Authorization: held.client };
  try {
    const response = await fetch(new URL("oauth/token", root), { method: "POST", headers, body, credentials: "omit" });
    const answer = await response.json();
    held.token = answer.access_token ?? "";
    status.textContent = response.ok
      ? `Authorized for ${answer.expires_in} seconds: ${answer.scope}`
      : `Refused: ${answer.error_description}`;
  } catch (error) {
    status.textContent = `No answer: ${error.message}`;
  }
}

function usePerson(event) {
  event.preventDefault();
  const form = event.target.elements;
  held.person = basic(form.username.value, form.password.value);
  document.getElementById("person-used").textContent = `Requests to /api/v1/me go out as ${form.username.value}.`;
}

function authorization(scheme) {
  if (scheme === "password") return held.person;
  if (scheme === "client") return held.client;
  return scheme && held.token ? `Bearer ${held.token}` : "";
}

function requestOf(form) {
  let path = form.dataset.path.slice(1);
  const query = new URLSearchParams();
  for (const input of form.querySelectorAll("input[data-in]")) {
    const value = input.value.trim();
    if (input.dataset.in === "path") path = path.replace(`{${input.name}}`, encodeURIComponent(value));
    else if (value) query.set(input.name, value);
  }
  const options = { method: form.dataset.method, headers: {}, credentials: "omit" };
  const credential = authorization(form.dataset.scheme);
  if (credential) options.headers.Authorization = credential;
  const body = form.elements.body;
  if (body && body.dataset.type === "application/json") {
    options.headers["Content-Type"] = "application/json";
    options.body = body.value;
  } else if (body) {
    options.body = formOf(JSON.parse(body.value));
  }
  return [new URL(path + (query.size ? `?${query}` : ""), root), options];
}

function formOf(fields) {
  const pairs = Object.entries(fields).flatMap(([name, value]) => [value].flat().map((one) => [name, one]));
  return new URLSearchParams(pairs);
}

function readable(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

async function send(event) {
  event.preventDefault();
  const place = event.target.querySelector(".api-answer");
  const line = document.createElement("p");
  const pre = document.createElement("pre");
  pre.tabIndex = 0;
  try {
    const response = await fetch(...requestOf(event.target));
    line.textContent = `${response.status} ${response.statusText}`;
    pre.textContent = readable(await response.text());
  } catch (error) {
    line.textContent = `Not sent: ${error.message}`;
  }
  place.replaceChildren(line, ...(pre.textContent ? [pre] : []));
}

function openTarget() {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (target instanceof HTMLDetailsElement) target.open = true;
}

for (const [id, handle] of [["authorize", authorize], ["person", usePerson]]) {
  const form = document.getElementById(id);
  form.hidden = false;
  form.addEventListener("submit", handle);
}
for (const form of document.querySelectorAll(".api-try")) {
  form.hidden = false;
  form.addEventListener("submit", send);
}
for (const operation of document.querySelectorAll("details.api-operation")) {
  operation.addEventListener("toggle", () => operation.open && history.replaceState(null, "", `#${operation.id}`));
}
window.addEventListener("hashchange", openTarget);
openTarget();
