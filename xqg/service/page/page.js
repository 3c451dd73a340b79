"use strict";
// Texts are set as text, never as markup: passages, queries and file names come from anywhere.
const $ = (id) => document.getElementById(id);
let chosen = null;
const watched = new Set();
const shown = new Map();

function make(tag, text, ...classes) {
  const element = document.createElement(tag);
  if (text !== undefined && text !== null) element.textContent = text;
  element.classList.add(...classes);
  return element;
}

function tell(error) { $("message").textContent = error ? String(error.message || error) : ""; }

async function call(path, options = {}) {
  const key = sessionStorage.getItem("key");
  const headers = { ...(options.headers || {}), ...(key ? { Authorization: `Bearer ${key}` } : {}) };
  const answer = await fetch(path, { ...options, headers });
  if (answer.status === 401) $("key-form").hidden = false;
  if (!answer.ok) {
    const body = await answer.json().catch(() => ({}));
    throw new Error(body.detail || `The service answered ${answer.status}`);
  }
  return answer;
}

const read = async (path) => (await call(path)).json();
const send = async (method, path, value) =>
  (await call(path, { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(value) })).json();
const at = (rest = "") => `/v1/collections/${encodeURIComponent(chosen)}${rest}`;

function trying(action) {
  return async (event) => {
    if (event && event.preventDefault) event.preventDefault();
    tell("");
    try { await action(event); } catch (error) { tell(error); }
  };
}

async function showCollections() {
  const { collections } = await read("/v1/collections");
  $("collections").replaceChildren(...collections.map((one) => {
    const item = make("li");
    const button = make("button", `${one.name}: ${one.passages} passages, ${one.state}${one.waiting ? `, ${one.waiting} jobs` : ""}`);
    button.type = "button";
    button.setAttribute("aria-pressed", String(one.name === chosen));
    button.addEventListener("click", trying(() => choose(one.name)));
    item.append(button);
    return item;
  }));
  if (chosen === null && collections.length === 1) await choose(collections[0].name);
}

async function choose(name) {
  const other = name !== chosen;
  chosen = name;
  document.querySelectorAll(".name").forEach((place) => { place.textContent = name; });
  $("chosen").hidden = false;
  if (other) for (const id of ["results", "measured", "passages", "jobs", "language"]) $(id).replaceChildren();
  await showCollections();
  await showJobs();
}

async function makeCollection(name) {
  await send("PUT", `/v1/collections/${encodeURIComponent(name)}`, {});
  await choose(name);
}

async function upload(file) {
  if (chosen === null) await makeCollection($("new-name").value);
  const form = new FormData();
  form.append("file", file, file.name);
  const job = await (await call(at("/passages"), { method: "POST", body: form })).json();
  showJob(job);
  watch(job.id);
}

function jobLine(job) {
  const counts = job.counts || {};
  const parts = [job.name || job.kind, job.state];
  if (job.state === "running" && job.stage) parts.push(job.stage);
  if (counts.read !== undefined) parts.push(`${counts.upserted} stored, ${counts.skipped} unchanged, ${job.rejected} rejected`);
  if (counts.deleted || job.kind === "delete") parts.push(`${counts.deleted || 0} deleted`);
  if (job.rate && job.state === "running") parts.push(`${job.rate} passages/s`);
  if (job.remaining) parts.push(`${job.remaining} to go`);
  return parts.join(" · ");
}

function showJob(job) {
  if (job.collection !== chosen) return;
  let item = $(`job-${job.id}`);
  if (!item) {
    item = make("li");
    item.id = `job-${job.id}`;
    $("jobs").prepend(item);
    shown.delete(job.id);
  }
  const news = JSON.stringify({ ...job, rejects: null });
  if (shown.get(job.id) === news) return;  // what somebody opened stays open
  shown.set(job.id, news);
  item.replaceChildren(make("p", jobLine(job)));
  if (job.error) item.append(make("p", job.error, "bad"));
  const active = job.state === "queued" || job.state === "running";
  if (active) {
    const bar = make("progress");
    bar.setAttribute("aria-label", "Progress");
    const done = job.counts && job.counts.read;
    if (job.remaining !== null && done) { bar.max = done + job.remaining; bar.value = done; }
    const cancel = make("button", job.cancelling ? "Ending after this batch" : "Cancel");
    cancel.type = "button";
    cancel.addEventListener("click", trying(async () => showJob(await send("POST", `/v1/jobs/${job.id}/cancel`))));
    item.append(bar, cancel);
  }
  if (job.rejected) item.append(rejectsOf(job));
}

function rejectsOf(job) {
  const details = make("details");
  details.append(make("summary", job.rejected === 1 ? "1 rejected record" : `${job.rejected} rejected records`));
  details.addEventListener("toggle", trying(async () => {
    if (!details.open || details.children.length > 1) return;
    const { rejects } = await read(`/v1/jobs/${job.id}/rejects`);
    const list = make("ul");
    list.append(...rejects.map((one) => {
      const line = make("li", `${one.line ? `line ${one.line}: ` : ""}${one.reason}`);
      line.append(make("p", JSON.stringify(one.record).slice(0, 300), "soft"));
      return line;
    }));
    details.append(list);
  }));
  return details;
}

async function watch(id) {
  if (watched.has(id)) return;
  watched.add(id);
  try {
    const reader = (await call(`/v1/jobs/${id}/events`)).body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      const events = (rest + value).split("\n\n");
      rest = events.pop();
      for (const event of events) {
        const data = event.split("\n").find((line) => line.startsWith("data: "));
        if (data) showJob(JSON.parse(data.slice(6)));
      }
    }
    await showCollections();
  } catch (error) { tell(error); } finally { watched.delete(id); }
}

async function showJobs() {
  const { jobs } = await read(`/v1/jobs?limit=20&collection=${encodeURIComponent(chosen)}`);
  for (const job of jobs.reverse()) {
    showJob(job);
    if (job.state === "queued" || job.state === "running") watch(job.id);
  }
}

function hitItem(hit) {
  const item = make("li", null, "hit");
  const link = make("button", hit.title || hit.id);
  link.type = "button";
  link.addEventListener("click", trying(() => showPassage(hit.id)));
  item.append(link, make("span", ` ${hit.score.toFixed(4)}`, "soft"));
  const piece = hit.closest_piece;
  if (piece) {
    const shown = make("p", piece.text, "piece");
    shown.lang = piece.language;
    shown.dir = "auto";
    item.append(make("p", `matched ${piece.kind} (${piece.language})`, "soft"), shown);
  }
  const text = make("p", hit.text.length > 240 ? `${hit.text.slice(0, 240)}…` : hit.text);
  text.dir = "auto";
  item.append(text);
  return item;
}

async function ask() {
  const query = $("question").value;
  $("language").textContent = "Asking …";
  let columns;
  let answer;
  try {
    answer = await send("POST", at("/compare"), { query, k: 5 });
    columns = [["Plain vectors", answer.plain.hits], ["xqg", answer.xqg.hits]];
  } catch (error) {
    tell(error);  // no plain vectors, or not yet: the question is answered all the same
    answer = await send("POST", at("/search"), { query, k: 5, explain: true });
    columns = [["xqg", answer.hits]];
  }
  const name = new Intl.DisplayNames(["en"], { type: "language" }).of(answer.language);
  $("language").textContent = `The question is in ${name}.`;
  $("results").replaceChildren(...columns.map(([title, hits]) => {
    const column = make("div");
    const list = make("ol");
    list.append(...hits.map(hitItem));
    column.append(make("h3", title), hits.length ? list : make("p", "Nothing found.", "soft"));
    return column;
  }));
}

async function showPassage(id) {
  const passage = await read(at(`/passages/${encodeURIComponent(id)}`));
  $("passage-title").textContent = passage.title || passage.id;
  const groups = [["Sentences", passage.language, passage.sentences]];
  for (const [what, texts] of [["Queries", passage.queries], ["Translations", passage.translations]])
    for (const [language, list] of Object.entries(texts)) groups.push([`${what} (${language})`, language, list]);
  const parts = [make("p", `${passage.id} · ${passage.language} · chunk ${passage.chunk} of ${passage.chunks}`, "soft")];
  for (const [title, language, texts] of groups) {
    if (!texts.length) continue;
    const list = make("ul");
    list.lang = language;
    list.append(...texts.map((text) => { const item = make("li", text, "piece"); item.dir = "auto"; return item; }));
    parts.push(make("h3", title), list);
  }
  $("passage-body").replaceChildren(...parts);
  $("passage").showModal();
}

function lines(text) { return text.split("\n").filter((line) => line.trim()).map((line) => JSON.parse(line)); }

async function measure(text) {
  const questions = lines(text).slice(0, 2000).map(({ query, language, passage_id }) => ({ query, language, passage_id }));
  $("measured").replaceChildren(make("p", `Asking ${questions.length} questions …`));
  const { languages } = await send("POST", at("/compare"), { queries: questions });
  const rows = Object.entries(languages);
  const table = make("table");
  const head = make("tr");
  for (const title of ["language", "questions", "R@1 plain", "R@1 xqg", "MRR@10 plain", "MRR@10 xqg"]) head.append(make("th", title));
  table.append(head, ...rows.map(([language, one]) => {
    const row = make("tr");
    row.append(make("th", language), make("td", one.questions));
    for (const name of ["recall@1", "mrr@10"]) for (const which of ["plain", "xqg"]) row.append(make("td", one[which][name].toFixed(3)));
    return row;
  }));
  const scroll = make("div", null, "scroll");
  scroll.tabIndex = 0;
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-label", "Measures by language");
  scroll.append(plot(rows), table);
  $("measured").replaceChildren(scroll);
}

function plot(rows) {
  const space = "http://www.w3.org/2000/svg";
  const draw = (tag, values, text) => {
    const element = document.createElementNS(space, tag);
    for (const [name, value] of Object.entries(values)) element.setAttribute(name, value);
    if (text) element.textContent = text;
    return element;
  };
  const height = 24 + rows.length * 34;
  const svg = draw("svg", { viewBox: `0 0 340 ${height}`, role: "img", "aria-label": "R@1 by language, plain and xqg; the table below has the numbers" });
  svg.append(draw("rect", { x: 40, y: 4, width: 10, height: 10, class: "bar-plain" }), draw("text", { x: 54, y: 13 }, "R@1, plain vectors"),
    draw("rect", { x: 190, y: 4, width: 10, height: 10, class: "bar-xqg" }), draw("text", { x: 204, y: 13 }, "R@1, xqg"));
  rows.forEach(([language, one], index) => {
    const top = 24 + index * 34;
    svg.append(draw("text", { x: 4, y: top + 18 }, language));
    ["plain", "xqg"].forEach((which, number) => {
      const value = one[which]["recall@1"];
      svg.append(draw("rect", { x: 40, y: top + number * 14, width: 260 * value, height: 12, class: `bar-${which}` }),
        draw("text", { x: 44 + 260 * value, y: top + 10 + number * 14 }, value.toFixed(2)));
    });
  });
  return svg;
}

async function browse() {
  const { passages } = await read(at("/passages"));
  $("passages").replaceChildren(...passages.map((passage) => {
    const item = make("li");
    const button = make("button", passage.title || passage.id);
    button.type = "button";
    button.addEventListener("click", trying(() => showPassage(passage.id)));
    item.append(button, make("p", passage.text.slice(0, 120), "soft"));
    return item;
  }));
}

async function showReady() {
  const answer = await fetch("/healthz");
  const { ready, store, models } = await answer.json();
  $("ready").textContent = ready ? "ready" : `not ready: store ${store}, models ${models}`;
  if (!ready) setTimeout(() => showReady().catch(tell), 1500);
}

function start() {
  $("new-form").addEventListener("submit", trying(() => makeCollection($("new-name").value)));
  $("sample").addEventListener("click", trying(async () => {
    await makeCollection("sample");
    await upload(new File([await (await call("/sample/corpus.jsonl")).blob()], "corpus.jsonl"));
  }));
  $("file").addEventListener("change", trying(async () => { for (const file of $("file").files) await upload(file); $("file").value = ""; }));
  $("drop").addEventListener("submit", (event) => event.preventDefault());
  for (const name of ["dragover", "dragleave", "drop"])
    $("drop").addEventListener(name, (event) => { event.preventDefault(); $("drop").classList.toggle("over", name === "dragover"); });
  $("drop").addEventListener("drop", trying(async (event) => { for (const file of event.dataTransfer.files) await upload(file); }));
  $("question-form").addEventListener("submit", trying(ask));
  $("questions").addEventListener("change", trying(async () => measure(await $("questions").files[0].text())));
  $("measure-form").addEventListener("submit", (event) => event.preventDefault());
  $("sample-questions").addEventListener("click", trying(async () => measure(await (await call("/sample/questions.jsonl")).text())));
  $("browse").addEventListener("click", trying(browse));
  $("key-form").addEventListener("submit", trying(async () => {
    sessionStorage.setItem("key", $("key").value);
    $("key-form").hidden = true;
    await showCollections();
  }));
  showReady().catch(tell);
  showCollections().catch(tell);
}

start();
