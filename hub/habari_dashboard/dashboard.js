// The dashboard in the browser: takes events, and draws what changed. All that it is told becomes text, never markup.
"use strict";

const $ = (id) => document.getElementById(id);
const RETRY_SECONDS = 2;
const SILENT_SECONDS = 40; // without an event or a comment, which come each 15 s at least
const STALE_SECONDS = 120;
const HEADERS = { "X-XSRFToken": document.querySelector("meta[name=xsrf]").content };
let state = null;

function element(name, text = "", properties = {}) {
  const made = Object.assign(document.createElement(name), properties);
  if (text !== "") made.textContent = text;
  return made;
}

function age(at) {
  if (at === null || at === undefined) return "";
  const since = typeof at === "number" ? at * 1000 : Date.parse(at);
  const seconds = Math.max(0, Math.round((Date.now() - since) / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor(seconds / 60) % 60} min`;
  return `${Math.floor(seconds / 86400)} d`;
}

function size(bytes) {
  if (bytes === null || bytes === undefined) return "";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let step = 0;
  for (; bytes >= 1000 && step < units.length - 1; step += 1) bytes /= 1000;
  return `${bytes < 10 && step ? bytes.toFixed(1) : Math.round(bytes)} ${units[step]}`;
}

const objects = (count) => `${count} object${count === 1 ? "" : "s"}`;

// Rows stay where their names do, so that the focus does: only what differs is written.
function rows(body, wanted) {
  const there = new Map([...body.rows].map((row) => [row.dataset.name, row]));
  wanted.forEach(({ name, cells, buttons = [] }, at) => {
    const row = there.get(name) ?? element("tr");
    there.delete(name);
    row.dataset.name = name;
    if (body.rows[at] !== row) body.insertBefore(row, body.rows[at] ?? null);
    cells.forEach((cell, column) => {
      const td = row.cells[column] ?? row.insertCell();
      const { text, kind = "" } = typeof cell === "object" ? cell : { text: cell };
      if (td.textContent !== text) td.textContent = text;
      if (td.className !== kind) td.className = kind;
    });
    if (row.cells.length === cells.length) row.insertCell().className = "actions";
    const place = row.cells[cells.length];
    buttons.forEach(({ title, about, disabled = false, press }, order) => {
      let button = place.children[order];
      if (!button) place.append((button = element("button", "", { type: "button" })));
      if (button.textContent !== title) button.textContent = title;
      button.setAttribute("aria-label", about);
      // Not `disabled`, which would take the focus away from who has just pressed it.
      button.setAttribute("aria-disabled", String(disabled));
      button.onclick = () => disabled || press();
    });
    while (place.children.length > buttons.length) place.lastElementChild.remove();
  });
  there.forEach((row) => row.remove());
}

function open(title, ...parts) {
  $("window-title").textContent = title;
  $("window-body").replaceChildren(...parts);
  if (!$("window").open) $("window").showModal();
  parts.forEach((each) => (each.scrollTop = each.scrollHeight)); // the newest lines of a log are its last
}

async function ask(path, options = {}) {
  const answer = await fetch(path, { headers: HEADERS, ...options });
  if (answer.status === 204) return null;
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(told.message || `answered ${answer.status}`);
  return told;
}

async function showLog(name, title) {
  const { lines } = await ask(`api/log?name=${encodeURIComponent(name)}`);
  open(title, element("pre", lines.length ? lines.join("\n") : "Nothing was published of it.", { tabIndex: 0 }));
}

async function act(user, action) {
  $("done").textContent = `${action} the server of ${user} …`;
  try {
    await ask(`api/servers/${encodeURIComponent(user)}/${action}`, { method: "POST" });
    $("done").textContent = `Server of ${user}: the hub was asked to ${action} it.`;
  } catch (error) {
    $("done").textContent = `Server of ${user}: ${error.message}`;
  }
}

async function browse(bucket, prefix = "") {
  const { folders, objects: found } = await ask(`api/objects?bucket=${encodeURIComponent(bucket)}&prefix=${encodeURIComponent(prefix)}`);
  const table = element("table");
  const body = table.createTBody();
  const line = (name, about, press) => {
    const row = body.insertRow();
    const first = row.insertCell();
    if (press) {
      const button = element("button", name, { type: "button", className: "link", onclick: press });
      first.append(button);
    } else first.textContent = name;
    about.forEach((text) => (row.insertCell().textContent = text));
  };
  if (prefix) line("../", ["", ""], () => browse(bucket, prefix.replace(/[^/]*\/$/, "")));
  folders.forEach((each) => line(each.name, [objects(each.objects), size(each.size)], () => browse(bucket, prefix + each.name)));
  found.forEach((each) => line(each.name, [`${age(each.modified)} ago`, size(each.size)]));
  open(`${bucket}/${prefix}`, folders.length + found.length ? table : element("p", "Nothing is here."));
  $("window-body").querySelector("button")?.focus();
}

function drawServices() {
  const told = state.services ?? [];
  const parts = state.parts ?? {};
  const known = new Map(told.filter((each) => !each.user).map((each) => [each.name, each]));
  const names = [...new Set([...Object.keys(parts), ...known.keys()])];
  rows($("services"), names.map((name) => {
    const each = known.get(name) ?? {};
    const answer = name in parts ? (parts[name] ? { text: "yes", kind: "good" } : { text: "no", kind: "bad" }) : "";
    const errors = state.errors?.[name] ?? [];
    const buttons = [];
    if (state.logs?.includes(name)) buttons.push({ title: "Log", about: `Log of ${name}`, press: () => showLog(name, `Log of ${name}`) });
    if (errors.length) {
      const press = () => open(`Last errors of ${name}`, element("pre", errors.join("\n"), { tabIndex: 0 }));
      buttons.push({ title: errors.length === 1 ? "1 error" : `${errors.length} errors`, about: `Last errors of ${name}`, press });
    }
    const kind = each.state === "running" ? "good" : each.state ? "bad" : "";
    return { name, cells: [name, answer, { text: each.state ?? "", kind }, age(each.since), { text: size(each.memory), kind: "number" }], buttons };
  }));
}

function drawUsers() {
  const told = new Map((state.services ?? []).filter((each) => each.user).map((each) => [each.user, each]));
  rows($("users"), (state.users ?? []).map(({ name, state: server, since, activity }) => {
    const busy = server === "starting" || server === "stopping" || server === "busy";
    const stopped = server === "stopped";
    const buttons = [
      { title: "Start", about: `Start the server of ${name}`, disabled: busy || !stopped, press: () => act(name, "start") },
      { title: "Stop", about: `Stop the server of ${name}`, disabled: busy || stopped, press: () => act(name, "stop") },
    ];
    if (state.logs?.includes(name)) buttons.push({ title: "Log", about: `Log of the server of ${name}`, press: () => showLog(name, `Server of ${name}`) });
    const cells = [name, { text: server, kind: server === "running" ? "good" : "" }, stopped ? "" : age(since), activity ? `${age(activity)} ago` : "never", { text: stopped ? "" : size(told.get(name)?.memory), kind: "number" }];
    return { name, cells, buttons };
  }));
  $("more-users").textContent = state.more_users ? `The first ${state.users.length} of them.` : "";
}

function drawBuckets() {
  const cards = (state.buckets ?? []).map((bucket) => {
    const { name, title, count, bytes, partial, newest, problem } = bucket;
    const id = `bucket-${name}`;
    const card = document.getElementById(id) ?? element("article", "", { id, className: "card" });
    if (!card.children.length) {
      card.append(element("h3"), element("p"), element("button", "Browse", { type: "button" }), element("h4", title === "notebooks" ? "Last saves" : "Newest objects"), element("table"));
      card.querySelector("table").createTBody();
    }
    const [heading, about, button] = card.children;
    heading.textContent = `${title}/ (${name})`;
    about.textContent = problem || `${partial ? "The first " : ""}${objects(count)}, ${size(bytes)}`;
    button.setAttribute("aria-label", `Browse ${title}`);
    button.onclick = () => browse(name);
    card.querySelector("h4").hidden = !newest.length;
    rows(card.querySelector("tbody"), newest.map((each) => ({ name: each.key, cells: [each.key, `${age(each.modified)} ago`, { text: size(each.size), kind: "number" }] })));
    return card;
  });
  const place = $("buckets");
  cards.forEach((card, at) => place.children[at] !== card && place.insertBefore(card, place.children[at] ?? null));
  while (place.children.length > cards.length) place.lastElementChild.remove();
}

function drawWhy() {
  const why = state.why;
  const checks = (why?.checks ?? []).filter((each) => each.state !== "skipped");
  $("why-said").textContent = !why ? "" : why.good ? `All ${checks.length} checks passed.` : `${why.message} Try: ${why.try}`;
  $("why-said").className = !why ? "" : why.good ? "good" : "bad";
  rows($("why"), checks.map((each) => ({ name: each.name, cells: [each.name, { text: each.state, kind: each.state === "ok" ? "good" : each.state === "broken" ? "bad" : "" }, each.message] })));
}

function drawReport() {
  const report = state.report;
  const ended = report?.ended ? "" : " It did not end.";
  $("report-said").textContent = !report ? "" : `${report.passed} passed, ${report.failed} failed, ${report.left_out} left out, ${age(report.started)} ago.${ended} ${report.path}`;
  $("report-said").className = !report ? "" : report.failed || !report.ended ? "bad" : "good";
  rows($("report"), (report?.failures ?? []).map((each) => ({ name: each.id, cells: [each.title, { text: "failed", kind: "bad" }, each.message] })));
}

function drawAges() {
  for (const name of ["services", "buckets", "why", "report"]) {
    const at = state.at?.[name];
    $(`${name}-at`).textContent = at ? `seen ${age(at)} ago` : "nothing yet";
  }
  const told = Math.max(0, ...Object.values(state.at ?? {}));
  $("stale").hidden = Date.now() / 1000 - told < STALE_SECONDS;
}

function draw() {
  if (!state) return;
  $("problem").textContent = state.problem ?? "";
  $("problem").hidden = !state.problem;
  [drawServices, drawUsers, drawBuckets, drawWhy, drawReport, drawAges].forEach((each) => each());
  document.querySelectorAll("section > table").forEach((table) => (table.hidden = !table.tBodies[0].rows.length));
}

function connection(text, kind) {
  $("connection").textContent = text;
  $("connection").className = kind;
}

// By fetch, not EventSource: that one can send no header, and the hub's XSRF token would be in addresses and so in logs.
async function readEvents() {
  const ended = new AbortController();
  let silence;
  const heard = () => {
    clearTimeout(silence);
    silence = setTimeout(() => ended.abort(), SILENT_SECONDS * 1000);
  };
  heard();
  try {
    const answer = await fetch("api/events", { headers: HEADERS, signal: ended.signal });
    if (answer.status === 403) return false;
    if (!answer.ok) return true;
    connection("live", "good");
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return true;
      heard();
      const events = (rest + value).split("\n\n");
      rest = events.pop();
      const newest = events.filter((each) => each.startsWith("data: ")).pop();
      if (!newest) continue;
      state = JSON.parse(newest.slice("data: ".length));
      draw();
    }
  } catch {
    return true;
  } finally {
    clearTimeout(silence);
  }
}

async function follow() {
  while (await readEvents()) {
    connection("reconnecting", "bad");
    await new Promise((done) => setTimeout(done, RETRY_SECONDS * 1000));
  }
  // The session is over, or the hub began anew: the page itself leads to the sign-in, and is tried once.
  if (Date.now() - Number(sessionStorage.getItem("reloaded")) < 60_000) connection("not signed in: reload the page", "bad");
  else {
    sessionStorage.setItem("reloaded", String(Date.now()));
    location.reload();
  }
}

$("window-close").onclick = () => $("window").close();
setInterval(draw, 1000);
follow();
