// The answer to the form: the prediction, its scores, which version said so, and what was true after all.

import { address, ask, key } from "./api.js";
import { byId, make, shown } from "./dom.js";

const BARS = 10;

/** Show an answer of /predict to one record. */
export function showAnswer(model, answer, milliseconds, request) {
  const prediction = answer.predictions?.[0];
  const id = answer.prediction_ids?.[0];
  const score = answer.scores?.[0];
  const title = model.target ? `${model.target} is` : "The model says";
  byId("result").replaceChildren(
    make("p", { class: "said" }, make("span", { class: "hint" }, title),
      make("strong", { class: sizeOf(shown(prediction)) }, shown(prediction))),
    ...scores(model, prediction, score),
    ...threshold(model),
    make("dl", { class: "meta" },
      ...pair("Version", `${answer.model?.version ?? model.version} (${answer.model?.alias ?? model.alias})`),
      ...pair("Took", `${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms`),
      ...(id ? pair("Prediction id", make("code", {}, id)) : [])));
  byId("after").replaceChildren(...(id && model.feedback ? [feedback(model, prediction, id)] : []), program(request));
}

/** After an error no earlier answer may be taken for the answer to these inputs. */
export function showNone() {
  byId("result").replaceChildren(make("p", { class: "hint" }, "No prediction for these inputs."));
  byId("after").replaceChildren();
}

const sizeOf = (text) => (text.length > 40 ? "very-long" : text.length > 12 ? "long" : "");
const pair = (name, value) => [make("dt", {}, name), make("dd", {}, value)];

function scores(model, prediction, score) {
  if (score === null || score === undefined) return [];
  if (!Array.isArray(score)) {
    const name = model.positive === null || model.positive === undefined ? "Score" : `Score of ${shown(model.positive)}`;
    return [make("ul", { class: "scores" }, bar(name, score, Math.abs(score) <= 1 ? 1 : Math.abs(score), true))];
  }
  const classes = model.classes?.length === score.length ? model.classes : score.map((_, i) => i);
  const all = score.map((value, i) => ({ name: shown(classes[i]), value, chosen: String(classes[i]) === String(prediction) }));
  all.sort((a, b) => b.value - a.value);
  const full = Math.max(1, ...all.map(({ value }) => Math.abs(value)));
  const bars = all.map(({ name, value, chosen }) => bar(name, value, full, chosen));
  const list = make("ul", { class: "scores", "aria-label": "Scores" }, ...bars.slice(0, BARS));
  if (bars.length <= BARS) return [list];
  const rest = make("ul", { class: "scores" }, ...bars.slice(BARS));
  return [list, make("details", {}, make("summary", {}, `${bars.length - BARS} more`), rest)];
}

function threshold(model) {
  if (model.threshold === null || model.threshold === undefined) return [];
  const positive = model.positive === null || model.positive === undefined ? "positive" : shown(model.positive);
  return [make("p", { class: "hint" }, `${positive} if the score is at least ${Number(model.threshold.toPrecision(4))}`)];
}

function bar(name, value, full, chosen) {
  const fill = make("span", { class: "fill" });
  fill.style.width = `${Math.max(0, Math.min(1, value / full)) * 100}%`;
  return make("li", { class: chosen ? "chosen" : "" }, make("span", { class: "label" }, name),
    make("span", { class: "value" }, Number(value).toFixed(4)),
    make("span", { class: "track", "aria-hidden": "true" }, fill));
}

function feedback(model, prediction, id) {
  const input = truth(model, prediction);
  const said = make("p", { class: "hint", role: "status" });
  const button = make("button", { class: "quiet" }, "Send");
  const form = make("form", { class: "feedback", novalidate: true },
    make("label", { for: "truth" }, "What was the true value?"), make("div", { class: "row" }, input.element, button), said);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const value = input.json();
    if (value === null) {
      said.textContent = "Enter the true value first.";
      return;
    }
    button.disabled = true;
    try {
      await ask("feedback", `{"prediction_id":${JSON.stringify(id)},"value":${value}}`);
      said.textContent = "Stored. Thank you.";
    } catch (error) {
      said.textContent = error.message;
    }
    button.disabled = false;
  });
  return form;
}

function truth(model, prediction) {
  if (model.classes?.length) {
    const options = model.classes.map((value, i) => make("option", { value: String(i) }, shown(value)));
    const element = make("select", { id: "truth" }, make("option", { value: "" }, ""), ...options);
    return { element, json: () => (element.value === "" ? null : JSON.stringify(model.classes[Number(element.value)])) };
  }
  const number = typeof prediction === "number";
  const element = make("input", { id: "truth", type: number ? "number" : "text", step: number ? "any" : false, autocomplete: "off" });
  return { element, json: () => (element.value === "" ? null : JSON.stringify(number ? Number(element.value) : element.value)) };
}

/** The same request for a program, as a line for a shell. */
function program({ path, body }) {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const sent = body.length <= 4000 ? quoted(body) : "@record.json";
  const login = key.get() ? ' -H "Authorization: Bearer $API_KEY"' : "";
  const line = `curl ${quoted(address(path))}${login} -H 'Content-Type: application/json' -d ${sent}`;
  const copy = make("button", { type: "button", class: "quiet" }, "Copy");
  copy.hidden = !navigator.clipboard;
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(line);
    copy.textContent = "Copied";
  });
  return make("details", { class: "program" }, make("summary", {}, "The same from a program"),
    make("pre", { tabindex: "0", "aria-label": "Command" }, line), copy);
}
