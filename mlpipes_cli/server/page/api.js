// Requests to the API: the key, and errors in its own words.

const KEY = "mlpipes-api-key";

export class ApiError extends Error {
  constructor(status, message, code) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export const key = {
  get: () => sessionStorage.getItem(KEY),
  set: (text) => sessionStorage.setItem(KEY, text),
  forget: () => sessionStorage.removeItem(KEY),
};

export const address = (path) => new URL(path, document.baseURI).href;

/** Ask the API; `body` is JSON text and makes it a POST. Gives the document, or throws an ApiError. */
export async function ask(path, body) {
  const headers = {};
  if (key.get()) headers.Authorization = `Bearer ${key.get()}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const method = body === undefined ? "GET" : "POST";
  let answer, text;
  try {
    answer = await fetch(address(path), { method, headers, body, credentials: "same-origin" });
    text = await answer.text();
  } catch {
    throw new ApiError(0, `The API does not answer; ${method === "GET" ? "trying" : "try"} again.`);
  }
  const document_ = parsed(text);
  if (answer.ok && document_ !== undefined) return document_;
  throw new ApiError(answer.status, told(answer.status, document_), document_?.error_code);
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function told(status, document_) {
  const message = document_?.message ?? document_?.detail;
  return typeof message === "string" ? message : `The API answered with status ${status}.`;
}
