// An input that takes a file and gives it as Base64, with a preview where it is a picture.

import { make } from "./dom.js";

export function filePicker(id, picture) {
  const input = make("input", { id, type: "file", accept: picture ? "image/*" : false });
  const image = make("img", { alt: "", class: "preview", hidden: true });
  const about = make("span", { class: "hint" });
  const remove = make("button", { type: "button", class: "quiet", hidden: true }, "Remove");
  const element = make("div", { class: "picker" }, input, make("div", { class: "picked" }, image, about, remove));
  const state = { base64: null, ready: Promise.resolve() };

  image.addEventListener("load", () => { image.hidden = false; });
  image.addEventListener("error", () => { image.hidden = true; });
  const show = (base64, kind, words) => {
    state.base64 = base64;
    image.hidden = true;
    image.removeAttribute("src");
    if (base64) image.src = `data:${kind || guess(base64)};base64,${base64}`;
    image.alt = base64 ? `Preview of ${words}` : "";
    about.textContent = base64 ? `${words}, ${size(base64)}` : "";
    remove.hidden = !base64;
  };
  input.addEventListener("change", () => {
    const file = input.files[0];
    if (!file) return show(null);
    state.ready = new Promise((done) => {
      const reader = new FileReader();
      reader.addEventListener("load", () => {
        show(String(reader.result).split(",")[1] ?? "", file.type, file.name);
        done();
      });
      reader.addEventListener("error", () => { show(null); about.textContent = "This file cannot be read."; done(); });
      reader.readAsDataURL(file);
    });
    return undefined;
  });
  const load = (value) => {
    input.value = "";
    show(typeof value === "string" && value ? value : null, "", "the example");
  };
  remove.addEventListener("click", () => { load(null); input.focus(); });
  return {
    element, focus: input, load, wide: true, broken: () => "",
    json: () => (state.base64 === null ? "null" : JSON.stringify(state.base64)),
    get ready() { return state.ready; },
  };
}

function guess(base64) {
  const starts = { "/9j/": "image/jpeg", iVBORw: "image/png", R0lGOD: "image/gif", UklGR: "image/webp", Qk: "image/bmp" };
  return Object.entries(starts).find(([start]) => base64.startsWith(start))?.[1] ?? "application/octet-stream";
}

const size = (base64) => inWords(Math.floor((base64.length * 3) / 4));

export function inWords(bytes) {
  if (bytes < 1000) return `${bytes} bytes`;
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
