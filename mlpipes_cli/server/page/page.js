// The page: loads the model, keeps itself up to date, sends the form.

import { ask, key } from "./api.js";
import { byId, make, moment, say } from "./dom.js";
import { inWords } from "./files.js";
import { Form } from "./form.js";
import { showRecent } from "./recent.js";
import { showAnswer, showNone } from "./result.js";

const EVERY = 3000; // milliseconds between two looks at the version
const RECENT = 3; // looks between two reads of the recent predictions
const form = new Form();
let model = null;
let alias = null; // the chosen one; null is the first
let mine = null; // the newest prediction of this page
let looks = 0;
let timer = null;

async function look() {
  clearTimeout(timer);
  try {
    await refresh();
    say("trouble", "");
  } catch (error) {
    if (error.status === 401) askForKey();
    else if (error.status === 404 && alias !== null) chosenIsGone();
    else say("trouble", error.message);
  }
  clearTimeout(timer);
  if (document.visibilityState === "visible" && byId("key").hidden) timer = setTimeout(look, EVERY);
}

async function refresh() {
  const wanted = alias;
  const found = await ask(wanted === null ? "page/model" : `page/model?alias=${encodeURIComponent(wanted)}`);
  if (wanted !== alias) return; // another one was chosen meanwhile
  const before = model;
  const changed = JSON.stringify(before) !== JSON.stringify(found);
  model = found;
  if (changed) show(before);
  byId("main").hidden = false;
  if (changed || looks++ % RECENT === 0) await showRecent(model, mine);
}

function show(before) {
  document.title = `${model.name} · prediction`;
  say("name", model.name);
  const facts = [make("span", { class: "badge" }, `version ${model.version}`), make("span", { class: "badge" }, model.alias)];
  if (model.promoted_at) facts.push(make("span", {}, "promoted ", moment(model.promoted_at)));
  if (model.task) facts.push(make("span", {}, { binary: "two classes", multiclass: "several classes" }[model.task] ?? model.task));
  byId("facts").replaceChildren(...facts);
  const options = model.aliases.map((one) => make("option", { value: one.alias }, `${one.alias} (version ${one.version})`));
  byId("alias").replaceChildren(...options);
  byId("alias").value = model.alias;
  byId("alias-choice").hidden = options.length < 2;
  byId("forget").hidden = !key.get();
  form.show(model);
  if (before && before.alias === model.alias && before.version !== model.version) {
    say("news", `Now serving version ${model.version} instead of version ${before.version}.`);
  }
}

function askForKey() {
  say("trouble", "");
  say("key-error", key.get() ? "This key is not accepted." : "");
  key.forget();
  byId("forget").hidden = true;
  byId("main").hidden = true;
  byId("key").hidden = false;
  byId("key-text").value = "";
  byId("key-text").focus();
}

function chosenIsGone() {
  say("news", `${alias} is no longer served; showing the first alias.`);
  alias = null;
  setTimeout(look, 0);
}

async function predict() {
  form.clearProblems();
  say("news", "");
  const asked = model;
  const body = await form.read();
  const bytes = body === null ? 0 : new Blob([body]).size;
  if (bytes > asked.max_bytes) form.explain(`These inputs are ${inWords(bytes)}; the limit is ${inWords(asked.max_bytes)}.`);
  if (body === null || bytes > asked.max_bytes) {
    showNone();
    return;
  }
  const path = pathOf(asked);
  const began = performance.now();
  busy(true);
  try {
    const answer = await ask(path, body);
    mine = answer.prediction_ids?.[0] ?? null;
    showAnswer(asked, answer, performance.now() - began, { path, body });
    reveal(byId("answer"));
    await showRecent(asked, mine);
    if (answer.model && answer.model.version !== asked.version) look();
  } catch (error) {
    if (error.status === 401) askForKey();
    else {
      showNone();
      form.explain(error.message);
    }
  } finally {
    busy(false);
  }
}

/** Not `disabled`: that would take the keyboard's focus away. */
function busy(yes) {
  byId("predict").setAttribute("aria-busy", String(yes));
}

function pathOf(asked) {
  if (!asked.columns.length) return "invocations";
  if (asked.alias === asked.aliases[0].alias) return "predict";
  return `models/prediction/${encodeURIComponent(asked.name)}/${encodeURIComponent(asked.alias)}`;
}

/** Bring an element into view where it is not; the keyboard's place stays. */
function reveal(element) {
  const { top } = element.getBoundingClientRect();
  if (top >= 0 && top < window.innerHeight * 0.6) return;
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  element.scrollIntoView({ behavior: still ? "auto" : "smooth", block: "start" });
}

byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (byId("predict").getAttribute("aria-busy") !== "true") predict();
});
byId("to-example").addEventListener("click", () => form.toExample());
byId("to-empty").addEventListener("click", () => form.toEmpty());
byId("find").addEventListener("input", () => form.find(byId("find").value));
byId("alias").addEventListener("change", () => {
  alias = byId("alias").value === model.aliases[0].alias ? null : byId("alias").value;
  say("news", "");
  look();
});
byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  key.set(byId("key-text").value.trim());
  byId("key").hidden = true;
  say("trouble", "");
  look();
});
byId("forget").addEventListener("click", () => { key.forget(); look(); });
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") look();
  else clearTimeout(timer);
});
look();
