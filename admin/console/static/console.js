// What pages do beyond links and forms: live parts, copying a secret, a key that leads to the search field.
"use strict";

// A part is replaced by what its address answers now, while somebody looks at it and does nothing in it.
for (const part of document.querySelectorAll("[data-live]")) {
  const refresh = async () => {
    if (!document.hidden && !part.contains(document.activeElement)) {
      try {
        const answer = await fetch(part.dataset.live, { redirect: "manual", signal: AbortSignal.timeout(5000) });
        if (answer.type === "opaqueredirect") return location.reload(); // signed out
        if (answer.ok) {
          const text = await answer.text();
          if (!part.contains(document.activeElement)) part.innerHTML = text; // escaped by the server, as the page was
        }
        part.classList.toggle("stale", !answer.ok);
      } catch {
        part.classList.add("stale");
      }
    }
    again();
  };
  // "0": only until it is whole.
  const again = () => {
    const seconds = Number(part.dataset.every) || (part.querySelector("[data-pending]") ? 0.2 : null);
    if (seconds !== null) setTimeout(refresh, seconds * 1000);
  };
  again();
}

for (const button of document.querySelectorAll("[data-copy]")) {
  const text = document.getElementById(button.dataset.copy);
  button.hidden = !navigator.clipboard; // only where the page came over TLS or from this machine
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text.textContent);
    button.textContent = "Copied";
  });
}

for (const select of document.querySelectorAll("form[data-at-once] select")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}

document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !event.target.closest("input, textarea, select")) {
    event.preventDefault();
    document.getElementById("find")?.focus();
  }
});
