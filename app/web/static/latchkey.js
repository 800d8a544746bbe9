// What pages do beyond links and forms. Without it everything works, only less comfortably.
for (const button of document.querySelectorAll("[data-copies]")) {
  const field = document.getElementById(button.dataset.copies);
  const said = button.parentElement.querySelector("[data-copied]");
  button.hidden = false;
  button.addEventListener("click", async () => {
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
      said.textContent = "Copied";
    } catch {
      said.textContent = document.execCommand("copy") ? "Copied" : "Press Ctrl+C to copy";
    }
  });
}

// A page out of the browser's memory may show a secret, or what is no longer so: ask for it anew.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) window.location.replace(window.location.href);
});

// Who is out in one tab is out in all of them: what the others still show goes away.
// A channel is the origin's; the path of this script tells servers of one host apart.
const tabs = new BroadcastChannel(`latchkey ${new URL(document.currentScript.src).pathname}`);
if (document.querySelector("[data-signed-out]")) tabs.postMessage("out");
else tabs.addEventListener("message", () => window.location.replace(window.location.href));
