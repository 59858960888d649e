// An extra: every page says the same without it. It adds the local time, keeps the page fresh, and copies commands.
"use strict";

const pad = (number) => String(number).padStart(2, "0");
const zone = (date) => {
  const parts = new Intl.DateTimeFormat(undefined, { timeZoneName: "short" }).formatToParts(date);
  return (parts.find((part) => part.type === "timeZoneName") || { value: "local" }).value;
};
const day = (date) => `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
const local = (date) => `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())} ${zone(date)}`;

// "2026-11-28 02:41:07 UTC (03:41:07 CET)", "02:41 UTC / 03:41 CET"; with an age, in what appears on pointing at it.
function addLocalTimes(within) {
  for (const time of within.querySelectorAll("time[datetime]")) {
    const date = new Date(time.dateTime);
    if (Number.isNaN(date.getTime()) || zone(date) === "UTC") continue;
    const other = day(date) !== date.toISOString().slice(0, 10);
    const words = other ? `${day(date)} ${local(date)}` : local(date);
    const brief = time.classList.contains("brief");
    if (brief || time.classList.contains("moment")) {
      const beside = document.createElement("span");
      beside.className = "local";
      beside.textContent = brief ? ` / ${pad(date.getHours())}:${pad(date.getMinutes())} ${zone(date)}` : ` (${words})`;
      time.append(beside);
    }
    if (time.title) time.title += ` (${words})`;
  }
}

function addCopyButtons(within) {
  if (!navigator.clipboard) return;
  for (const block of within.querySelectorAll(".copy")) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(block.querySelector("code").textContent);
      button.textContent = "Copied";
    });
    block.append(button);
  }
}

function extend(within) {
  addLocalTimes(within);
  addCopyButtons(within);
}

// Which <details> are open, by their place, and what is being typed outlive a refresh.
async function refresh() {
  const main = document.querySelector("main");
  const typing = main.contains(document.activeElement) && document.activeElement.matches("input, select, button");
  if (document.hidden || typing || getSelection().type === "Range") return;
  let page;
  try {
    const response = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!response.ok) return;
    page = new DOMParser().parseFromString(await response.text(), "text/html");
  } catch {
    return; // The age of what is shown goes on growing, and says it.
  }
  const open = Array.from(main.querySelectorAll("details"), (details) => details.open);
  const focused = document.activeElement.getAttribute("href");
  const fresh = document.adoptNode(page.querySelector("main"));
  fresh.querySelectorAll("details").forEach((details, place) => { details.open = Boolean(open[place]); });
  extend(fresh);
  main.replaceWith(fresh);
  document.title = page.title;
  const made = document.adoptNode(page.getElementById("made"));
  document.getElementById("made").replaceWith(made);
  addLocalTimes(made.parentElement);
  shown = performance.now();
  if (focused) fresh.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

let shown = performance.now();
extend(document);

if (document.body.dataset.refresh) {
  const every = Number(document.body.dataset.refresh) * 1000;
  setInterval(() => {
    const seconds = Math.round((performance.now() - shown) / 1000);
    const age = document.getElementById("age");
    age.textContent = ` · ${seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min`} old`;
    age.className = seconds * 1000 > 3 * every ? "bad" : "";
  }, 1000);
  setInterval(refresh, every);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
}

// What is folded away is printed, too.
addEventListener("beforeprint", () => { for (const each of document.querySelectorAll("details")) each.open = true; });
