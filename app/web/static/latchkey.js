// Copy buttons, search in pickers, buttons that show a password, and reloads of outdated pages. Every page works without scripts too.
for (const button of document.querySelectorAll("[data-copies]")) {
  const field = document.getElementById(button.dataset.copies);
  const status = button.parentElement.querySelector("[data-copied]");
  button.hidden = false;
  button.addEventListener("click", async () => {
    if (field.select) field.select();
    else getSelection().selectAllChildren(field);
    try {
      await navigator.clipboard.writeText(field.value ?? field.textContent);
      status.textContent = status.dataset.copied;
    } catch {
      status.textContent = document.execCommand("copy") ? status.dataset.copied : status.dataset.failed;
    }
  });
}

// Search fields of long pickers: show the boxes whose label has the words, and the ticked ones.
for (const search of document.querySelectorAll("[data-narrows]")) {
  const picker = document.getElementById(search.dataset.narrows);
  search.hidden = false;
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") event.preventDefault();
  });
  search.addEventListener("input", () => {
    const words = search.value.toLowerCase().split(/\s+/);
    for (const label of picker.querySelectorAll("label")) {
      const text = label.textContent.toLowerCase();
      label.hidden = !label.querySelector(":checked") && !words.every((word) => text.includes(word));
    }
    for (const group of picker.querySelectorAll("fieldset")) group.hidden = !group.querySelector("label:not([hidden])");
  });
}

// The secret of a one-time link follows the # of the address, which is sent to no server: put it into its field.
for (const place of document.querySelectorAll("[data-fragment]")) {
  if (location.hash.length > 1) {
    place.querySelector("input").value = location.hash.slice(1);
    place.hidden = true;
    history.replaceState(null, "", location.pathname);
  }
}

// Buttons that show a password; it is hidden again before it is sent, so that the browser does not store it as text.
for (const button of document.querySelectorAll("[data-reveals]")) {
  const field = button.parentElement.querySelector("input");
  const show = (shown) => {
    field.type = shown ? "text" : "password";
    button.setAttribute("aria-pressed", shown);
  };
  button.hidden = false;
  button.addEventListener("click", () => show(field.type === "password"));
  field.form.addEventListener("submit", () => show(false));
}

// A page from the back/forward cache may show a secret or outdated data: load it again.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) window.location.replace(window.location.href);
});

// Signing out in one tab reloads the others, so that they show nothing any more.
// A channel belongs to the origin; the path of this script distinguishes the servers of one host.
const tabs = new BroadcastChannel(`latchkey ${new URL(document.currentScript.src).pathname}`);
if (document.querySelector("[data-signed-out]")) tabs.postMessage("out");
else tabs.addEventListener("message", () => window.location.replace(window.location.href));
